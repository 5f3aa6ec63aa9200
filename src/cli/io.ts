import type { Readable, Writable } from 'node:stream'

/** Something a command prints to. */
export interface Output {
  readonly write: (text: string) => void
  readonly isTTY: boolean
  /** Width in characters; 80 when it is not known. */
  readonly columns: number
  /** Whether colours are understood and wanted (`NO_COLOR`). */
  readonly color: boolean
}

/** The files a command may read and write. Every function rejects with the error of the system. */
export interface Files {
  readonly read: (path: string) => Promise<string>
  /** Fails with `EEXIST` if the file is there and `overwrite` is not set. Readable by its owner only. */
  readonly write: (path: string, text: string, options: { readonly overwrite: boolean }) => Promise<void>
  /** Puts the text in place of the file at once: nobody reads half of it. Readable by everybody whom the system lets. */
  readonly replace: (path: string, text: string) => Promise<void>
  /** Names in a folder. */
  readonly list: (path: string) => Promise<readonly string[]>
}

/** All that a command knows of the world: the process edge makes it, tests make another. */
export interface Io {
  readonly stdout: Output
  readonly stderr: Output
  /** The same streams as bytes, for `toolgate stdio`. */
  readonly raw: { readonly stdin: Readable; readonly stdout: Writable }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Absolute. */
  readonly cwd: string
  /** Absolute path of the user's home. */
  readonly home: string
  readonly platform: NodeJS.Platform
  readonly pid: number
  /** Version of Toolgate. */
  readonly version: string
  /** Fires with the first Ctrl-C or SIGTERM, and with SIGHUP unless {@link Io.onHangup} was called. */
  readonly signal: AbortSignal
  /** Does that with SIGHUP, instead of ending; not where a terminal is there, which says by it that it is gone. */
  readonly onHangup: (action: () => void) => void
  readonly files: Files
  /**
   * `process.kill`: a negative id means a process group, signal 0 only asks whether it exists.
   *
   * @throws an error with `code` ESRCH (nobody there) or EPERM (not ours)
   */
  readonly kill: (pid: number, signal: 'SIGTERM' | 'SIGKILL' | 0) => void
}

/** A failure that the user can do something about: printed as it is, without a stack trace. Exit code 1. */
export class CliError extends Error {
  override readonly name = 'CliError'
  /** What to do about it. */
  readonly hint: string | undefined

  /** @param message one sentence, without secrets */
  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}
