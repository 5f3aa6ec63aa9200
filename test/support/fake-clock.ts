import type { Clock } from '../../src/pipeline/clock.ts'

/** Time that passes only by hand. */
export interface FakeClock extends Clock {
  /** Timers that have been set and neither run nor cancelled. */
  readonly pending: number
  /**
   * Lets that many milliseconds pass and runs the timers that are due, in their order. What they set going gets its
   * turn before the next timer runs and before the promise settles.
   */
  advance(ms: number): Promise<void>
}

/** Wall-clock time at which every fake clock starts (milliseconds since the epoch). */
const FAKE_EPOCH: number = Date.UTC(2026, 10, 22)

/** A clock that stands still until it is advanced. Starts at 0 and midnight UTC of 22 November 2026. */
export function createFakeClock(): FakeClock {
  let now = 0
  let timers: readonly { readonly at: number; readonly action: () => void }[] = []
  return {
    now: () => now,
    wallTime: () => FAKE_EPOCH + now,
    after(ms, action) {
      const timer = { at: now + Math.max(0, ms), action }
      timers = [...timers, timer].toSorted((a, b) => a.at - b.at)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    get pending() {
      return timers.length
    },
    async advance(ms) {
      const until = now + ms
      await settled()
      for (let [next] = timers; next !== undefined && next.at <= until; [next] = timers) {
        timers = timers.slice(1)
        now = next.at
        next.action()
        await settled()
      }
      now = until
    },
  }
}

/** Settles when every promise that is ready has had its turn, with all that follows from it without input or timers. */
export function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
