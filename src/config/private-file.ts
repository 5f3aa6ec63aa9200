import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { randomUUID } from 'node:crypto'
import { dirname } from 'node:path'

/** Largest file that is read, in bytes. */
const LARGEST = 16 * 1024 ** 2
/** Group and others may write. */
const WRITABLE_BY_OTHERS = 0o022

/**
 * Reads a file that decides who may do what: whoever can write it decides too, so that one that others may write is
 * refused.
 *
 * @returns undefined if there is no such file
 * @throws Error that says why it cannot be taken, without what is in it
 */
export function readPrivateFile(path: string): string | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new Error(`cannot be opened (${codeOf(error) ?? String(error)})`, { cause: error })
  }
  try {
    const { size, mode } = fstatSync(file)
    if ((mode & WRITABLE_BY_OTHERS) !== 0) {
      throw new Error('may be written by others than its owner: chmod 600 it')
    }
    if (size > LARGEST) throw new Error(`is larger than ${LARGEST} bytes`)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

/** A file that is needed cannot be taken; the message is a sentence for the operator. */
export class UnusableFileError extends Error {
  override readonly name = 'UnusableFileError'
}

/** Another process is changing the file, or was killed while it did. */
export class FileBusyError extends Error {
  override readonly name = 'FileBusyError'
  /** The file that stands in the way. */
  readonly lock: string

  /** @param lock path of the file that stands in the way */
  constructor(lock: string) {
    super(`${lock} exists: another process is changing the file`)
    this.lock = lock
  }
}

/**
 * Makes a file, readable by its owner alone (mode 0600), unless it is there already.
 *
 * @returns what is in the file now, whoever made it
 * @throws the error of the system
 */
export function createPrivateFile(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const whole = `${path}.${randomUUID()}`
  writeFileSync(whole, text, { mode: 0o600, flag: 'wx' })
  try {
    // A link appears at once and with all that is in the file, and never in the place of another.
    linkSync(whole, path)
    return text
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    return readPrivateFile(path) ?? text
  } finally {
    rmSync(whole)
  }
}

/**
 * Replaces a file as a whole by what `change` makes of its content (undefined if there is none), readable by its owner
 * alone (mode 0600). Whoever reads it meanwhile sees the old or the new content, never a part; two changes at once
 * cannot lose one another, because the second is refused.
 *
 * @returns what was written
 * @throws FileBusyError, what `change` throws (the file stays as it was), or the error of the system
 */
export function changePrivateFile(path: string, change: (text: string | undefined) => string): string {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const next = `${path}.new`
  const file = openNew(next)
  try {
    let text: string
    try {
      text = change(readPrivateFile(path))
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(next, path)
    return text
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  }
}

/** The new file is the lock as well: only one process can create it. */
function openNew(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new FileBusyError(path)
    throw error
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
