import type { RetryConfig } from '../config/resilience.ts'
import type { Clock } from '../pipeline/clock.ts'

/**
 * Bounds how many calls are tried again: a share of all calls, and a minimum for when there are few. Without it, a
 * backend that fails of too much work would get several times as much.
 */
export interface RetryBudget {
  /** A call comes in. */
  deposit(): void
  /** Takes one retry out; false where there is none left. */
  withdraw(): boolean
}

/** Milliseconds in which the minimum is granted. */
const PERIOD = 10_000

/** Retries that can be saved up, beyond the minimum. */
const SAVED = 100

/** Creates a budget that holds its minimum. */
export function createRetryBudget(
  config: Pick<RetryConfig, 'budget' | 'minimum'>,
  clock: Clock,
): RetryBudget {
  const most = config.minimum + SAVED
  let earned = 0
  let granted = config.minimum
  let grantedAt = clock.now()
  return {
    deposit() {
      earned = Math.min(most, earned + config.budget)
    },
    withdraw() {
      const now = clock.now()
      granted = Math.min(config.minimum, granted + ((now - grantedAt) * config.minimum) / PERIOD)
      grantedAt = now
      if (earned >= 1) earned--
      else if (granted >= 1) granted--
      else return false
      return true
    },
  }
}
