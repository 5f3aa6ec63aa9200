import { GatewayError } from '../errors.ts'

/** Remembers what may be used once within a time. */
export interface ReplayMemory {
  /**
   * True the first time.
   *
   * @param until milliseconds, on the same clock as `now`, until which a repetition would be accepted otherwise
   * @throws GatewayError TOO_MANY where there is no room: to forget one would be to accept it twice
   */
  isFirst(key: string, now: number, until: number): boolean
}

/** @param limit entries at once */
export function createReplayMemory(limit: number): ReplayMemory {
  const seen = new Map<string, number>()
  const forget = (now: number): void => {
    for (const [key, until] of seen) if (until <= now) seen.delete(key)
  }
  return {
    isFirst(key, now, until) {
      const known = seen.get(key)
      if (known !== undefined && known > now) return false
      if (seen.size >= limit) forget(now)
      if (seen.size >= limit)
        throw new GatewayError('TOO_MANY', 'Too many DPoP proofs at once', { retryAfterMs: 1000 })
      seen.set(key, until)
      return true
    },
  }
}
