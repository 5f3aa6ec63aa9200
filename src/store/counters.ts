import type { Allowance, QuotaPeriod } from '../config/limits-types.ts'
import { endOfPeriod, periodOf } from './period.ts'

/** What one limit has admitted for one key. */
export interface Counter {
  /** Milliseconds until that much may be admitted, 0 for at once. `Infinity` where it depends on other calls ending. */
  wait(cost: number, now: number): number
  /** Counts what was admitted. Only right after {@link Counter.wait} has answered 0. */
  add(cost: number, now: number): void
  /** What may be admitted at once. */
  remaining(now: number): number
  /** True when it may be forgotten: a fresh one would admit the same. */
  isIdle(now: number): boolean
}

/** A counter of what is held while a call runs. */
export interface HeldCounter extends Counter {
  give(cost: number): void
}

/** Two clocks: one that never goes back, and one that knows the calendar. Milliseconds. */
export interface CounterClock {
  now(): number
  wallTime(): number
}

/** Room for the times that sliding windows remember, shared by all of them. */
export interface Room {
  /** Takes so many places; false when there are not as many. */
  take(places: number): boolean
  give(places: number): void
}

/** Creates the counter of one key. */
export function createCounter(allowance: Allowance, clock: CounterClock, room: Room): Counter {
  switch (allowance.kind) {
    case 'window':
      return new Window(allowance.count, allowance.per, room)
    case 'gcra':
      return new CellRate(allowance.count, allowance.per, allowance.burst)
    case 'quota':
      return new Quota(allowance.count, allowance.period, clock)
    case 'concurrency':
      return new Slots(allowance.count)
  }
}

/** True for a counter whose charges have to be given back. */
export function isHeld(counter: Counter): counter is HeldCounter {
  return counter instanceof Slots
}

const FIRST_PLACES = 8

/**
 * An exact sliding window: remembers when each of the last `count` calls was admitted. A ring that grows as it is
 * needed; every call enters and leaves it once, so that a check takes constant time on average.
 */
class Window implements Counter {
  readonly #count: number
  readonly #per: number
  readonly #room: Room
  #times = new Float64Array(0)
  #oldest = 0
  #size = 0

  constructor(count: number, per: number, room: Room) {
    this.#count = count
    this.#per = per
    this.#room = room
  }

  wait(cost: number, now: number): number {
    this.#expire(now)
    const free = this.#count - this.#size
    const fits = cost <= free
    if (fits && this.#fit(cost)) return 0
    if (this.#size === 0) return this.#per
    // Where there is no room to remember more calls, the window is as small as the room that it has.
    const usable = fits ? this.#times.length - this.#size : free
    const missing = Math.min(this.#size, Math.max(1, cost - usable))
    return this.#at(missing - 1) + this.#per - now
  }

  add(cost: number, now: number): void {
    for (let unit = 0; unit < cost; unit++) {
      this.#times[(this.#oldest + this.#size) % this.#times.length] = now
      this.#size++
    }
  }

  remaining(now: number): number {
    this.#expire(now)
    return this.#count - this.#size
  }

  isIdle(now: number): boolean {
    this.#expire(now)
    if (this.#size > 0) return false
    this.#room.give(this.#times.length)
    this.#times = new Float64Array(0)
    return true
  }

  #expire(now: number): void {
    while (this.#size > 0 && this.#at(0) + this.#per <= now) {
      this.#oldest = (this.#oldest + 1) % this.#times.length
      this.#size--
    }
  }

  #at(index: number): number {
    return this.#times[(this.#oldest + index) % this.#times.length] ?? 0
  }

  #fit(cost: number): boolean {
    const needed = this.#size + cost
    const places = this.#times.length
    if (needed <= places) return true
    const wanted = Math.min(this.#count, Math.max(FIRST_PLACES, places * 2, needed))
    if (!this.#room.take(wanted - places)) return false
    const grown = new Float64Array(wanted)
    for (let index = 0; index < this.#size; index++) grown[index] = this.#at(index)
    this.#times = grown
    this.#oldest = 0
    return true
  }
}

/** What sums of intervals may be wrong by, in milliseconds. */
const ROUNDING = 1e-6

/** The generic cell rate algorithm (ITU-T I.371): one number, the time at which the bucket will be full again. */
class CellRate implements Counter {
  readonly #interval: number
  readonly #burst: number
  #full = -Infinity

  constructor(count: number, per: number, burst: number) {
    this.#interval = per / count
    this.#burst = burst
  }

  wait(cost: number, now: number): number {
    const wait = Math.max(this.#full - now, 0) + (cost - this.#burst) * this.#interval
    return wait > ROUNDING ? wait : 0
  }

  add(cost: number, now: number): void {
    this.#full = Math.max(this.#full, now) + cost * this.#interval
  }

  remaining(now: number): number {
    return Math.floor(this.#burst - Math.max(0, this.#full - now) / this.#interval + ROUNDING)
  }

  isIdle(now: number): boolean {
    return this.#full <= now
  }
}

class Quota implements Counter {
  readonly #count: number
  readonly #period: QuotaPeriod
  readonly #clock: CounterClock
  #current = -Infinity
  #used = 0

  constructor(count: number, period: QuotaPeriod, clock: CounterClock) {
    this.#count = count
    this.#period = period
    this.#clock = clock
  }

  wait(cost: number): number {
    this.#turn()
    if (this.#used + cost <= this.#count) return 0
    return Math.max(1, endOfPeriod(this.#current, this.#period) - this.#clock.wallTime())
  }

  add(cost: number): void {
    this.#used += cost
  }

  remaining(): number {
    this.#turn()
    return this.#count - this.#used
  }

  isIdle(): boolean {
    this.#turn()
    return this.#used === 0
  }

  /** Begins again in a new period; a clock that is set back never does. */
  #turn(): void {
    const current = periodOf(this.#clock.wallTime(), this.#period)
    if (current <= this.#current) return
    this.#current = current
    this.#used = 0
  }
}

class Slots implements HeldCounter {
  readonly #count: number
  #used = 0

  constructor(count: number) {
    this.#count = count
  }

  wait(cost: number): number {
    return this.#used + cost <= this.#count ? 0 : Infinity
  }

  add(cost: number): void {
    this.#used += cost
  }

  give(cost: number): void {
    this.#used -= cost
  }

  remaining(): number {
    return this.#count - this.#used
  }

  isIdle(): boolean {
    return this.#used === 0
  }
}
