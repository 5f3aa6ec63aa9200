// The global of the same name is looked up anew at every use, which costs as much as reading the clock.
import { performance } from 'node:perf_hooks'
import { createTimers } from './timers.ts'

/** Time as a port, so that nothing below the gateway reads it by itself and tests can own it. */
export interface Clock {
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  now(): number
  /** Wall-clock time in milliseconds since the epoch; for what people read. */
  wallTime(): number
  /** Runs `action` once after `ms` milliseconds unless the returned function is called before. Never keeps the process alive by itself. */
  after(ms: number, action: () => void): () => void
}

const now = (): number => performance.now()

/** The real clock. */
export const systemClock: Clock = {
  now,
  wallTime: () => Date.now(),
  after: createTimers({
    now,
    wake(ms, action) {
      const timer = setTimeout(action, ms)
      timer.unref()
      return () => clearTimeout(timer)
    },
  }),
}
