import { Canceller, type Signal } from '../pipeline/signal.ts'
import type { PartTimeouts } from '../config/resilience.ts'
import { GatewayError } from '../errors.ts'
import type { Permitted } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Filter } from '../pipeline/handler.ts'
import type { OneTarget } from '../pipeline/target.ts'
import type { Attempt } from '../pipeline/attempt.ts'

/**
 * Bounds the parts of one try: from sending to the first byte of the answer, and between two signs of life (events and
 * progress of a stream, pieces of a JSON answer) from then on. A call that is resumed was sent long ago, and has
 * neither. When a part takes too long, the backend is told in its own way that nobody waits.
 *
 * @param timesOf the parts of a target's time; undefined where nothing bounds them
 */
export function attemptTimeout(
  timesOf: (target: OneTarget) => PartTimeouts | undefined,
  clock: Clock,
): Filter<Permitted> {
  return (next) => async (call, out) => {
    const { target } = call.permit
    const times = target.kind === 'one' ? timesOf(target) : undefined
    if (target.kind !== 'one' || times === undefined) return next(call, out)
    const attempt = new TimedAttempt(target.backend, times, clock)
    const { signal } = attempt
    const onAbort = (): void => attempt.abort(call.signal.reason)
    if (call.signal.aborted) onAbort()
    else call.signal.addEventListener('abort', onAbort)
    try {
      return await next({ ...call, signal, attempt }, out)
    } finally {
      attempt.stop()
      call.signal.removeEventListener('abort', onAbort)
    }
  }
}

class TimedAttempt implements Attempt {
  isSent = false
  readonly #canceller = new Canceller()
  readonly #backend: string
  readonly #times: PartTimeouts
  readonly #clock: Clock
  #cancel: (() => void) | undefined
  #isOver = false

  constructor(backend: string, times: PartTimeouts, clock: Clock) {
    this.#backend = backend
    this.#times = times
    this.#clock = clock
  }

  get signal(): Signal {
    return this.#canceller
  }

  sent(): void {
    this.isSent = true
    this.#wait(this.#times.firstByte, 'did not begin to answer within')
  }

  alive(): void {
    this.#wait(this.#times.idle, 'gave no sign of life for')
  }

  abort(reason: Error): void {
    this.stop()
    this.#canceller.abort(reason)
  }

  /** Nothing is measured from now on, even where the exchange goes on for a call that waits for its client. */
  stop(): void {
    this.#isOver = true
    this.#cancel?.()
  }

  #wait(ms: number | undefined, what: string): void {
    this.#cancel?.()
    this.#cancel = undefined
    if (ms === undefined || this.#isOver) return
    this.#cancel = this.#clock.after(ms, () => {
      const message = `Backend ${this.#backend} ${what} ${ms} ms`
      const details = { backend: this.#backend, outcome: 'unknown' } as const
      this.abort(new GatewayError('BACKEND_TIMEOUT', message, details))
    })
  }
}
