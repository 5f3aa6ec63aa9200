/**
 * The part of an `AbortSignal` that calls need. Every call has one or two and each rung listens to them, which is what
 * makes the platform's own too dear there: as an event target it costs ten times as much as a {@link Canceller}. Every
 * `AbortSignal` is one.
 */
export interface Signal {
  readonly aborted: boolean
  /** Why; only means anything once it is aborted. */
  readonly reason: Error
  /** @throws the reason, once it is aborted */
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

const NOT_ABORTED = new Error('not aborted')

/** A signal, and the right to abort it. */
export class Canceller implements Signal {
  aborted = false
  reason: Error = NOT_ABORTED
  /** Most have one listener at a time: a list is made for the second. */
  #first: (() => void) | undefined
  #others: (() => void)[] | undefined

  /** Tells every listener, in order. The first reason counts. */
  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    const first = this.#first
    this.#first = undefined
    first?.()
    // One at a time, because a listener may remove another one.
    for (let next = this.#others?.shift(); next !== undefined; next = this.#others?.shift()) next()
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  /** Listeners that are added after it was aborted are never called, as with an `AbortSignal`. */
  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.aborted) return
    if (this.#first === undefined && this.#others === undefined) this.#first = listener
    else if (this.#others === undefined) this.#others = [listener]
    else this.#others.push(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    if (this.#first === listener) {
      this.#first = undefined
      return
    }
    const at = this.#others?.indexOf(listener) ?? -1
    if (at >= 0) this.#others?.splice(at, 1)
  }
}

/** The same signal for what only takes the platform's own. Its listeners are let go of with the signal itself. */
export function toAbortSignal(signal: Signal): AbortSignal {
  if (signal instanceof AbortSignal) return signal
  const controller = new AbortController()
  if (signal.aborted) controller.abort(signal.reason)
  else signal.addEventListener('abort', () => controller.abort(signal.reason))
  return controller.signal
}

/** A signal that is aborted with the first of several. */
export function anySignal(...signals: readonly Signal[]): Signal {
  return AbortSignal.any(signals.map(toAbortSignal))
}
