import { readFileSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { Clock } from '../../pipeline/clock.ts'
import { type Lock, LockError, MAX_LOCK_SIZE, parseLock } from './lock.ts'

/** How the file with the approved definitions is. */
export type LockState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'loaded'; readonly lock: Lock }
  /** What it said last holds on; undefined where it never said anything. */
  | { readonly kind: 'invalid'; readonly problem: string; readonly lock: Lock | undefined }

/** The file with the approved definitions, followed as it changes. */
export interface LockFile {
  readonly path: string
  readonly state: LockState
  /** Calls back whenever the state has changed. */
  onChange(listener: (state: LockState) => void): void
  close(): void
}

/** Milliseconds between two looks at the file. Looking costs one system call; there is no watcher that works everywhere. */
const INTERVAL = 1000

/**
 * Opens the file; that it is not there is no error, and it is noticed when it appears.
 *
 * @throws LockError if it is there and cannot be read or believed: a gateway must not start without the protection
 *   that its operator set up
 */
export function openLockFile(path: string, clock: Clock): LockFile {
  return new FollowedLock(path, clock)
}

/** Tells apart what was read from what is there now. */
type Stamp = string

interface Facts {
  isFile(): boolean
  readonly ino: number
  readonly size: number
  readonly mtimeMs: number
  readonly ctimeMs: number
}

const stampOf = ({ ino, size, mtimeMs, ctimeMs }: Facts): Stamp => `${ino} ${size} ${mtimeMs} ${ctimeMs}`

const ABSENT: Stamp = 'absent'
const UNREAD: Stamp = 'unread'

class FollowedLock implements LockFile {
  readonly path: string
  readonly #clock: Clock
  readonly #listeners = new Set<(state: LockState) => void>()
  #stamp: Stamp
  #state: LockState
  /** Whether the file was missing at the last look: one that is being replaced is missing for a moment. */
  #missed = false
  #cancel: (() => void) | undefined
  #closed = false

  constructor(path: string, clock: Clock) {
    this.path = path
    this.#clock = clock
    const found = readNow(path)
    this.#stamp = found?.stamp ?? ABSENT
    this.#state =
      found === undefined ? { kind: 'absent' } : { kind: 'loaded', lock: parseLock(found.text, path) }
    this.#later()
  }

  get state(): LockState {
    return this.#state
  }

  onChange(listener: (state: LockState) => void): void {
    this.#listeners.add(listener)
  }

  close(): void {
    this.#closed = true
    this.#cancel?.()
  }

  #later(): void {
    if (this.#closed) return
    this.#cancel = this.#clock.after(INTERVAL, () => void this.#look().then(() => this.#later()))
  }

  async #look(): Promise<void> {
    const next = await this.#next()
    if (next === undefined || this.#closed) return
    this.#state = next
    for (const listener of this.#listeners) listener(next)
  }

  /** The new state; undefined where nothing has changed. */
  async #next(): Promise<LockState | undefined> {
    let text: string
    try {
      const stamp = stampOf(checked(this.path, await stat(this.path)))
      this.#missed = false
      if (stamp === this.#stamp) return undefined
      text = await readFile(this.path, 'utf8')
      this.#stamp = stamp
    } catch (error) {
      if (isMissing(error)) return this.#absent()
      // Whatever is there once it can be read again is to be read.
      this.#stamp = UNREAD
      return this.#invalid(toLockError(this.path, error).problem)
    }
    try {
      return { kind: 'loaded', lock: parseLock(text, this.path) }
    } catch (error) {
      return this.#invalid(toLockError(this.path, error).problem)
    }
  }

  #absent(): LockState | undefined {
    if (this.#state.kind === 'absent') return undefined
    if (!this.#missed) {
      this.#missed = true
      return undefined
    }
    this.#stamp = ABSENT
    return { kind: 'absent' }
  }

  #invalid(problem: string): LockState | undefined {
    const state = this.#state
    if (state.kind === 'invalid' && state.problem === problem) return undefined
    return { kind: 'invalid', problem, lock: state.kind === 'absent' ? undefined : state.lock }
  }
}

function readNow(path: string): { readonly text: string; readonly stamp: Stamp } | undefined {
  try {
    const stamp = stampOf(checked(path, statSync(path)))
    return { text: readFileSync(path, 'utf8'), stamp }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw toLockError(path, error)
  }
}

function checked<T extends Facts>(path: string, facts: T): T {
  if (!facts.isFile()) throw new LockError(path, 'is no file')
  if (facts.size > MAX_LOCK_SIZE) {
    throw new LockError(path, `is larger than ${MAX_LOCK_SIZE / 1024 / 1024} MiB`)
  }
  return facts
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}

function toLockError(path: string, error: unknown): LockError {
  if (error instanceof LockError) return error
  const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  return new LockError(path, `cannot be read (${reason})`)
}
