import { type Signal, anySignal } from '../../pipeline/signal.ts'
import type { Clock } from '../../pipeline/clock.ts'

/** Asking several for the same. */
export interface Asking<T> {
  /** In the order in which they are asked. */
  readonly attempts: readonly ((signal: Signal) => Promise<T>)[]
  /** Milliseconds after which the next one is asked too, while none has answered. 0 asks all at once. */
  readonly stagger: number
  readonly clock: Clock
  readonly signal: Signal
}

/**
 * The first good answer; the next one is asked as soon as one fails or takes long, and those that are too late are
 * given up. For requests without effect only.
 *
 * @throws what the first one that was asked threw, where all failed; or the reason of the signal
 */
export function firstOf<T>({ attempts, stagger, clock, signal }: Asking<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const late = new AbortController()
  const inner = anySignal(signal, late.signal)
  let next = 0
  let failed = 0
  let firstFailure: { readonly at: number; readonly error: unknown } | undefined
  let cancel: (() => void) | undefined
  const fail = (error: unknown, at: number): void => {
    if (late.signal.aborted) return
    failed++
    if (firstFailure === undefined || at < firstFailure.at) firstFailure = { at, error }
    if (failed === attempts.length || signal.aborted) reject(firstFailure.error)
    else ask()
  }
  const ask = (): void => {
    cancel?.()
    const at = next
    const attempt = attempts[next++]
    if (attempt === undefined) return
    if (stagger > 0) cancel = clock.after(stagger, ask)
    attempt(inner).then(resolve, (error: unknown) => fail(error, at))
  }
  if (stagger > 0) ask()
  else attempts.forEach(() => ask())
  return promise.finally(() => {
    cancel?.()
    late.abort(new Error('another endpoint answered'))
  })
}
