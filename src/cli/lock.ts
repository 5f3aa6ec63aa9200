import { type Lock, LockError, MAX_LOCK_SIZE, countPins, parseLock } from '../routing/integrity/lock.ts'
import { type ReadConfig, shownPath } from './config-file.ts'
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

/** A valid configuration, and what its lock file says. */
export type Checked = ReadConfig & {
  readonly ok: true
  /** Definitions that were approved; undefined where there is no lock file. */
  readonly approved: number | undefined
}

/** Reads the lock file of a configuration too: no gateway starts with one that it cannot believe. */
export async function withLock(
  io: Io,
  result: ReadConfig,
): Promise<Checked | (ReadConfig & { readonly ok: false })> {
  if (!result.ok) return result
  const { lock: path } = result.config.integrity
  try {
    const lock = await readLock(io, path)
    return { ...result, approved: lock === undefined ? undefined : countPins(lock) }
  } catch (error) {
    if (!(error instanceof LockError)) throw error
    const problem = { file: shownPath(io, path), line: 0, column: 0, path: '', message: error.problem }
    return { ...result, ok: false, problems: [problem] }
  }
}
