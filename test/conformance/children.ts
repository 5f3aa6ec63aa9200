import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** What to start: a Node program, by its arguments. */
export interface ChildOptions {
  /** How messages call it: `fixture`, `gateway`. */
  readonly name: string
  /** The arguments of `node`, the program first. */
  readonly args: readonly string[]
  /** Default: that of this process. */
  readonly cwd?: string
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** Called with each line on standard output. */
  readonly onLine?: (line: string) => void
}

/** A running Node program. Disposing it ends it (SIGTERM, then SIGKILL) and waits until it is gone. */
export interface Child extends AsyncDisposable {
  readonly name: string
  /** Settles when the process is gone, with a sentence that says how and shows its last output. Never rejects. */
  readonly ended: Promise<string>
  /** Settles with `ended`: whether it ended by itself with exit code 0. */
  readonly succeeded: Promise<boolean>
  /** The last lines it wrote, both channels, indented for a message. */
  readonly lastOutput: () => string
}

/** A child that has said that it is ready. */
export interface Server<Ready> extends Child {
  readonly ready: Ready
}

/** A server did not become ready: it ended, was too late, or could not be started. */
export class NotReadyError extends Error {
  override readonly name = 'NotReadyError'
}

const KEPT_LINES = 30
const TERMINATION_GRACE_MS = 5_000

/** Starts a Node program. */
export function startChild({ name, args, cwd, env, onLine }: ChildOptions): Child {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const kept: string[] = []
  const keep = (line: string): void => {
    kept.push(line)
    if (kept.length > KEPT_LINES) kept.shift()
  }
  createInterface({ input: child.stdout }).on('line', (line) => {
    keep(line)
    onLine?.(line)
  })
  createInterface({ input: child.stderr }).on('line', keep)
  const lastOutput = (): string => kept.map((line) => `    | ${line}`).join('\n')

  const { promise: ended, resolve } = Promise.withResolvers<string>()
  const succeeded = ended.then(() => child.exitCode === 0)
  child.once('error', (error) => resolve(`${name} could not be started: ${error.message}`))
  // `close` and not `exit`: its last output must have been read.
  child.once('close', (code, signal) => {
    const how = signal === null ? `exit code ${code}` : signal
    resolve(`${name} ended with ${how}; its last output:\n${lastOutput()}`)
  })

  const stop = async (): Promise<void> => {
    const gone = child.exitCode !== null || child.signalCode !== null || !child.kill('SIGTERM')
    const killer = gone ? undefined : setTimeout(() => child.kill('SIGKILL'), TERMINATION_GRACE_MS)
    await ended
    clearTimeout(killer)
  }
  return { name, ended, succeeded, lastOutput, [Symbol.asyncDispose]: stop }
}

/** What to start and how to see that it is ready. */
export interface ServerOptions<Ready> extends Omit<ChildOptions, 'onLine'> {
  /** What a line of standard output says about readiness; nothing when it is about something else. */
  readonly parseReady: (line: string) => Ready | undefined
  /** How long it may take to become ready. */
  readonly timeLimitMs: number
  /** Gives up when aborted. */
  readonly signal: AbortSignal
}

/**
 * Starts a Node program and waits for the line that says it is ready.
 *
 * @throws NotReadyError with its last output; the process is gone then.
 */
export async function startServer<Ready>(options: ServerOptions<Ready>): Promise<Server<Ready>> {
  const { name, parseReady, timeLimitMs, signal } = options
  if (signal.aborted) throw new NotReadyError(`${name} was interrupted`)
  const { promise, resolve, reject } = Promise.withResolvers<Ready>()
  const onLine = (line: string): void => {
    const ready = parseReady(line)
    if (ready !== undefined) resolve(ready)
  }
  const child = startChild({ ...options, onLine })
  void child.ended.then((how) => reject(new NotReadyError(how)))
  const late = () => reject(new NotReadyError(`${name} was interrupted`))
  const timer = setTimeout(
    () => reject(new NotReadyError(`${name} was not ready after ${timeLimitMs} ms:\n${child.lastOutput()}`)),
    timeLimitMs,
  )
  signal.addEventListener('abort', late, { once: true })
  try {
    return { ...child, ready: await promise }
  } catch (error) {
    await child[Symbol.asyncDispose]()
    throw error
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', late)
  }
}
