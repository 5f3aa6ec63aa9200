import { type Clock, systemClock } from '../../src/pipeline/clock.ts'

/** The real clock, moved: for what has to fit the time of a real peer and still pass quickly. */
export interface ShiftedClock extends Clock {
  /** Lets that many milliseconds be over at once. Timers are not moved. */
  skip(ms: number): void
}

/** A clock that is right until it is moved. */
export function createShiftedClock(): ShiftedClock {
  let shift = 0
  return {
    now: () => systemClock.now() + shift,
    wallTime: () => systemClock.wallTime() + shift,
    after: (ms, action) => systemClock.after(ms, action),
    skip(ms) {
      shift += ms
    },
  }
}
