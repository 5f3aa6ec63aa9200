import type { Signal } from './signal.ts'
import type { Clock } from './clock.ts'

/**
 * The outcome of the work, or at once the reason of the signal when it is aborted first. For work that several
 * callers share, or that does not know the signal: it goes on, only the caller waits no longer.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: Signal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([aborted.promise, work])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Waits so many milliseconds, or until the signal is aborted; whoever waits asks it which. */
export async function pauseFor(ms: number, clock: Clock, signal: Signal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(ms, resolve)
  const wake = (): void => resolve()
  signal.addEventListener('abort', wake)
  await promise
  cancel()
  signal.removeEventListener('abort', wake)
}
