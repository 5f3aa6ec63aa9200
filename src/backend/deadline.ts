import { type Signal, anySignal } from '../pipeline/signal.ts'
import { GatewayError } from '../errors.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { Clock } from '../pipeline/clock.ts'

/** What bounds work of the gateway's own at a backend. */
export interface Deadline {
  readonly clock: Clock
  /** The backend. */
  readonly name: string
  /** Milliseconds. */
  readonly timeout: number
  readonly closing: Signal
}

/**
 * Does work that no caller owns: it ends when the backend takes too long, or when it is closed.
 *
 * @throws GatewayError BACKEND_TIMEOUT, the reason of closing, or what the work throws
 */
export async function inTime<T>(
  work: (signal: Signal) => Promise<T>,
  { clock, name, timeout, closing }: Deadline,
): Promise<T> {
  const deadline = new AbortController()
  const message = `Backend ${name} did not answer within ${timeout} ms`
  const cancel = clock.after(timeout, () =>
    deadline.abort(new GatewayError('BACKEND_TIMEOUT', message, { backend: name })),
  )
  const signal = anySignal(deadline.signal, closing)
  try {
    return await unlessAborted(work(signal), signal)
  } finally {
    cancel()
  }
}
