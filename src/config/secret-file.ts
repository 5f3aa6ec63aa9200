import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

/** Largest file that a reference may name, in bytes: secrets and keys are small. */
const LARGEST_SECRET = 64 * 1024

/** What a file holds that a reference names. */
export type SecretFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'missing' }
  /** There is something that cannot be taken; `reason` does not say what is in it. */
  | { readonly kind: 'unusable'; readonly reason: string }

/**
 * Reads a file that holds one value, as Docker and Kubernetes mount secrets; a line break at its end is not part of it.
 * Never waits: what is no file (a pipe, a device, a folder) is not read.
 *
 * @param path absolute
 */
export function readSecretFile(path: string): SecretFile {
  let file: number
  try {
    // Opening a pipe waits for its writer unless it is told not to.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (error) {
    return cannotOpen(error)
  }
  try {
    if (!fstatSync(file).isFile()) return { kind: 'unusable', reason: 'is no regular file' }
    return textOf(file)
  } catch (error) {
    return { kind: 'unusable', reason: `cannot be read (${codeOf(error)})` }
  } finally {
    closeSync(file)
  }
}

function cannotOpen(error: unknown): SecretFile {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing' }
  return { kind: 'unusable', reason: `cannot be opened (${code})` }
}

/** What a file says of its own size need not be true (files of `/proc` say 0), so that what comes is counted. */
function textOf(file: number): SecretFile {
  const bytes = Buffer.alloc(LARGEST_SECRET + 1)
  let length = 0
  for (;;) {
    const read = readSync(file, bytes, length, bytes.length - length, null)
    if (read === 0) break
    length += read
    if (length > LARGEST_SECRET)
      return { kind: 'unusable', reason: `is larger than ${LARGEST_SECRET / 1024} KiB` }
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length))
    return { kind: 'text', text: text.replace(/\r?\n$/, '') }
  } catch {
    return { kind: 'unusable', reason: 'is no UTF-8 text' }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
