import type { Clock } from '../../pipeline/clock.ts'

/** Lets a bounded number of events through and counts the others. */
export interface EventRate {
  /** True when the event may pass. */
  allow(): boolean
  /** How many were held back since this was asked last. */
  heldBack(): number
}

/** At most `count` events at once, filled up again evenly over `perMs` milliseconds (a token bucket). */
export function createEventRate(clock: Clock, count: number, perMs: number): EventRate {
  let tokens = count
  let filledAt = clock.now()
  let held = 0
  return {
    allow: () => {
      const now = clock.now()
      tokens = Math.min(count, tokens + ((now - filledAt) * count) / perMs)
      filledAt = now
      if (tokens < 1) {
        held++
        return false
      }
      tokens--
      return true
    },
    heldBack: () => {
      const before = held
      held = 0
      return before
    },
  }
}
