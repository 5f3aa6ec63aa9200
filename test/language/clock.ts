import type { Clock } from '../../src/pipeline/clock.ts'

/** A clock that stands still until a test moves it. */
export interface HandClock extends Clock {
  /** Lets so many milliseconds pass: what is due by then happens now, in order. */
  advance(ms: number): void
}

/** Creates a clock at zero. */
export function handClock(): HandClock {
  let now = 0
  const timers = new Set<{ readonly due: number; readonly action: () => void }>()
  const next = (until: number) =>
    [...timers].filter(({ due }) => due <= until).toSorted((a, b) => a.due - b.due)[0]
  return {
    now: () => now,
    wallTime: () => Date.UTC(2026, 10, 22) + now,
    after(ms, action) {
      const timer = { due: now + ms, action }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    advance(ms) {
      const until = now + ms
      for (let timer = next(until); timer !== undefined; timer = next(until)) {
        timers.delete(timer)
        now = timer.due
        timer.action()
      }
      now = until
    },
  }
}
