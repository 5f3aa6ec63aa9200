import { close, constants, openSync, write } from 'node:fs'
import { UnusableFileError } from '../config/private-file.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'

/** Takes lines, and is never in the way of who has them. */
export interface LineSink {
  /** Takes a line that ends with its newline. Where there is no room it is dropped, and counted. */
  write(line: string): void
  /** Goes on with a new file where the old one was moved away. Nothing is lost. */
  reopen(): void
  /** Writes what is left, as long as it takes less than a moment. Never rejects. */
  close(): Promise<void>
}

/** What a sink needs. */
export interface LineSinkPorts {
  readonly clock: Clock
  readonly log: Log
}

/** Characters that may wait. */
const CAPACITY = 4 * 1024 * 1024
/** From so many characters on nothing waits for more. */
const ENOUGH = 64 * 1024
/** Milliseconds for which lines are gathered. */
const PAUSE = 50
/** Milliseconds before a destination is tried again that takes nothing. */
const RETRY = 500
/** Milliseconds between two lines of the log about the same trouble. */
const QUIET = 60_000
/** Milliseconds that the end of the gateway waits for a destination. */
const PATIENCE = 2000

/** Nobody but its owner reads what is new, and a pipe that nobody reads makes nobody wait. */
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK
const MODE = 0o600

/**
 * Opens what lines go to: the standard streams by their names, or a file. A file that is not there is made, readable for
 * its owner only.
 *
 * @throws UnusableFileError if it cannot be written to; a pipe that nobody reads is waited for
 */
export function openLines(to: string, ports: LineSinkPorts): LineSink {
  if (to === 'stdout') return new Lines({ path: '/dev/stdout', fallback: 1 }, ports)
  if (to === 'stderr') return new Lines({ path: '/dev/stderr', fallback: 2 }, ports)
  return new Lines({ path: to, fallback: undefined }, ports)
}

interface Place {
  readonly path: string
  /** A descriptor that is open already: of a stream that cannot be opened by a name. */
  readonly fallback: number | undefined
}

class Lines implements LineSink {
  readonly #place: Place
  readonly #ports: LineSinkPorts
  #fd: number | undefined
  #lines: string[] = []
  #size = 0
  /** What is being written, from where on. */
  #pending: Buffer | undefined
  #isWriting = false
  #wantsNew = false
  #cancel: (() => void) | undefined
  #dropped = 0
  #saidAt = Number.NEGATIVE_INFINITY
  #closing: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(place: Place, ports: LineSinkPorts) {
    this.#place = place
    this.#ports = ports
    const problem = this.#open()
    if (problem === undefined || problem === 'ENXIO') return
    throw new UnusableFileError(`cannot write the access log to ${place.path}: ${problem}`)
  }

  write(line: string): void {
    if (this.#size + line.length > CAPACITY) {
      this.#dropped++
      this.#complain('it takes them too slowly')
      return
    }
    this.#lines.push(line)
    this.#size += line.length
    if (this.#isWriting || this.#pending !== undefined) return
    if (this.#size >= ENOUGH) this.#flush()
    else this.#cancel ??= this.#ports.clock.after(PAUSE, () => this.#flush())
  }

  reopen(): void {
    // The standard streams cannot be moved away.
    if (this.#place.fallback !== undefined) return
    this.#wantsNew = true
    this.#flush()
  }

  async close(): Promise<void> {
    this.#closing ??= Promise.withResolvers<void>()
    const cancel = this.#ports.clock.after(PATIENCE, this.#closing.resolve)
    this.#flush()
    await this.#closing.promise
    cancel()
    this.#cancel?.()
    this.#dropped += this.#lines.length + (this.#pending?.toString().split('\n').length ?? 1) - 1
    this.#confess()
    this.#release()
  }

  #flush(): void {
    if (this.#isWriting) return
    this.#cancel?.()
    this.#cancel = undefined
    // A line that has begun ends in the file where it began.
    if (this.#wantsNew && this.#pending === undefined) this.#release()
    if (this.#fd === undefined) {
      const problem = this.#open()
      if (problem !== undefined) return this.#later(problem)
    }
    this.#pending ??= this.#take()
    if (this.#pending === undefined) return this.#closing?.resolve()
    this.#write(this.#pending)
  }

  #take(): Buffer | undefined {
    if (this.#lines.length === 0) return undefined
    const text = this.#lines.join('')
    this.#lines = []
    this.#size = 0
    return Buffer.from(text)
  }

  #write(bytes: Buffer): void {
    const fd = this.#fd
    if (fd === undefined) return
    this.#isWriting = true
    write(fd, bytes, (error, written) => {
      this.#isWriting = false
      // Given up in the meantime: the end did not wait for it.
      if (this.#fd !== fd) return this.#shut(fd)
      if (error !== null) {
        // Whatever was wrong with the old file, a new one was asked for.
        if (this.#wantsNew && error.code !== 'EAGAIN') this.#release()
        return this.#later(error.code ?? 'it failed')
      }
      this.#pending = written < bytes.length ? bytes.subarray(written) : undefined
      if (this.#pending === undefined) this.#confess()
      if (
        this.#pending !== undefined ||
        this.#size >= ENOUGH ||
        this.#closing !== undefined ||
        this.#wantsNew
      )
        this.#flush()
      else if (this.#size > 0) this.#cancel ??= this.#ports.clock.after(PAUSE, () => this.#flush())
    })
  }

  /** Tries again after a while, with what is left. */
  #later(problem: string): void {
    if (problem !== 'EAGAIN') this.#complain(problem)
    this.#cancel ??= this.#ports.clock.after(problem === 'EAGAIN' ? PAUSE : RETRY, () => this.#flush())
  }

  /** The code of what went wrong. */
  #open(): string | undefined {
    const { path, fallback } = this.#place
    try {
      this.#fd = openSync(path, FLAGS, MODE)
      this.#wantsNew = false
      return undefined
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      if (fallback === undefined) return code
      this.#fd = fallback
      return undefined
    }
  }

  #release(): void {
    const fd = this.#fd
    this.#fd = undefined
    if (fd !== undefined && !this.#isWriting) this.#shut(fd)
  }

  #shut(fd: number): void {
    if (fd !== this.#place.fallback) close(fd, () => undefined)
  }

  #complain(reason: string): void {
    const { clock, log } = this.#ports
    if (clock.now() - this.#saidAt < QUIET) return
    this.#saidAt = clock.now()
    log('warn', 'the access log cannot be written', { to: this.#place.path, reason })
  }

  /** Says how much is missing, once there is room again. */
  #confess(): void {
    if (this.#dropped === 0) return
    this.#ports.log('warn', 'lines of the access log were dropped', {
      to: this.#place.path,
      lines: this.#dropped,
    })
    this.#dropped = 0
  }
}
