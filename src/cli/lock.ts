import { type Lock, LockError, MAX_LOCK_SIZE, parseLock } from '../routing/integrity/lock.ts'
import { shownPath } from './config-file.ts'
import type { Io } from './io.ts'

/** What to do about a lock file that is not believed. */
export const LOCK_ADVICE = 'Restore it, or remove it and approve again with `toolgate pin`.'

/**
 * Reads the approved definitions.
 *
 * @returns undefined where there is no such file
 * @throws LockError if it cannot be read or believed
 */
export async function readLock(io: Io, path: string): Promise<Lock | undefined> {
  const file = shownPath(io, path)
  let text: string
  try {
    text = await io.files.read(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new LockError(file, `cannot be read (${code})`)
  }
  if (text.length > MAX_LOCK_SIZE)
    throw new LockError(file, `is larger than ${MAX_LOCK_SIZE / 1024 / 1024} MiB`)
  return parseLock(text, file)
}
