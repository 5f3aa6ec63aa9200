import type { Clock } from '../../pipeline/clock.ts'

/** Says how long to wait before a process is started again. */
export interface Backoff {
  /** A process ended, or could not be started, after that many milliseconds of life. */
  ended(lived: number): void
  /** Milliseconds that are left to wait; 0 when it may be started. */
  wait(): number
}

/** Milliseconds before the first try after a failure, the longest wait, and the life that counts as healthy. */
const FIRST_DELAY = 250
const LONGEST_DELAY = 30_000
const HEALTHY_LIFE = 60_000

/**
 * 250 ms after the first failure in a row, doubled each time up to 30 s, of which between half and all by chance so
 * that many backends do not come back at once. No wait after a process that had lived for a minute.
 *
 * @param random a number in [0, 1)
 */
export function createBackoff(clock: Clock, random: () => number): Backoff {
  let failures = 0
  let notBefore = -Infinity
  return {
    ended: (lived) => {
      failures = lived >= HEALTHY_LIFE ? 0 : failures + 1
      const delay = failures === 0 ? 0 : Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (failures - 1))
      notBefore = clock.now() + delay * (0.5 + random() / 2)
    },
    wait: () => Math.max(0, notBefore - clock.now()),
  }
}
