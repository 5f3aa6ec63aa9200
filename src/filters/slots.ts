import type { Signal } from '../pipeline/signal.ts'
import type { BulkheadConfig } from '../config/resilience.ts'
import type { Clock } from '../pipeline/clock.ts'
import { type FairQueue, createFairQueue } from './limits/fair-queue.ts'

/** Why a call got no slot: too many wait already, or it waited for too long. */
export type NoSlot = 'full' | 'late'

/** Thrown to a call that gets no slot; whoever asked for it says what that means. */
export class NoSlotError extends Error {
  override readonly name = 'NoSlotError'
  readonly why: NoSlot

  constructor(why: NoSlot) {
    super(why)
    this.why = why
  }
}

/**
 * A bounded number of slots, and a bounded queue in front of them that is fair: whoever waits is served in turn with
 * all others that wait, however many calls each has there; and when the queue is full, the latest call of whoever has
 * most in it makes room.
 */
export interface Slots {
  /** Takes a slot where one is free; false where there is none. */
  take(): boolean
  /**
   * Waits for a slot.
   *
   * @param key who waits
   * @throws NoSlotError, or the reason of the signal
   */
  wait(key: string, signal: Signal): Promise<void>
  /** Gives a slot back. */
  give(): void
  readonly taken: number
  readonly waiting: number
}

/** Creates free slots. */
export function createSlots(config: BulkheadConfig, clock: Clock): Slots {
  return new FairSlots(config, clock)
}

interface Waiter {
  readonly settle: (error?: unknown) => void
}

class FairSlots implements Slots {
  taken = 0
  readonly #config: BulkheadConfig
  readonly #clock: Clock
  readonly #queue: FairQueue<Waiter>

  constructor(config: BulkheadConfig, clock: Clock) {
    this.#config = config
    this.#clock = clock
    this.#queue = createFairQueue(config.queue)
  }

  get waiting(): number {
    return this.#queue.size
  }

  take(): boolean {
    // Nobody waits while a slot is free: a slot that is given back goes to whoever waits.
    if (this.taken >= this.#config.calls) return false
    this.taken++
    return true
  }

  wait(key: string, signal: Signal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = (reason: unknown): void => {
      this.#queue.remove(key, waiter)
      waiter.settle(reason)
    }
    const onAbort = (): void => leave(signal.reason)
    const cancel = this.#clock.after(this.#config.wait, () => leave(new NoSlotError('late')))
    const waiter: Waiter = {
      settle: (error) => {
        cancel()
        signal.removeEventListener('abort', onAbort)
        if (error === undefined) resolve()
        else reject(error)
      },
    }
    signal.addEventListener('abort', onAbort)
    const queued = this.#queue.push(key, waiter)
    if (queued.kind === 'full') waiter.settle(new NoSlotError('full'))
    if (queued.kind === 'displaced') queued.item.settle(new NoSlotError('full'))
    return promise
  }

  give(): void {
    // The slot passes on to whoever's turn it is.
    const next = this.#queue.shift()
    if (next === undefined) this.taken--
    else next.settle()
  }
}
