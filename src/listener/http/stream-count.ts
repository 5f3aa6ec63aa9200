import { GatewayError } from '../../errors.ts'

/** Counts open streams by whom they belong to. */
export interface StreamCount {
  /**
   * Counts one more until the returned function is called; calling it again does nothing.
   *
   * @throws GatewayError TOO_MANY
   */
  enter(owner: string): () => void
}

/** @param limit streams per owner */
export function createStreamCount(limit: number): StreamCount {
  const counts = new Map<string, number>()
  return {
    enter(owner) {
      const count = counts.get(owner) ?? 0
      if (count >= limit)
        throw new GatewayError('TOO_MANY', `More than ${limit} streams are open`, { retryAfterMs: 5000 })
      counts.set(owner, count + 1)
      let left = false
      return () => {
        if (left) return
        left = true
        const now = (counts.get(owner) ?? 1) - 1
        if (now === 0) counts.delete(owner)
        else counts.set(owner, now)
      }
    },
  }
}
