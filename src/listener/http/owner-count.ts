import type { LimitsConfig } from '../../config/types.ts'
import { GatewayError } from '../../errors.ts'
import type { Principal } from '../../pipeline/call.ts'

/** Counts open things, such as streams, by whom they belong to. */
interface OwnerCount {
  /**
   * Counts one more until the returned function is called; calling it again does nothing.
   *
   * @throws GatewayError TOO_MANY
   */
  enter(owner: string): () => void
  /** How many are open, over all owners. */
  readonly open: number
}

/**
 * @param what is counted, in the plural; stands in the refusal
 * @param limit of them per owner
 */
function createOwnerCount(what: string, limit: number): OwnerCount {
  const counts = new Map<string, number>()
  let open = 0
  return {
    get open() {
      return open
    },
    enter(owner) {
      const count = counts.get(owner) ?? 0
      if (count >= limit)
        throw new GatewayError('TOO_MANY', `More than ${limit} ${what} are open`, { retryAfterMs: 5000 })
      counts.set(owner, count + 1)
      open++
      let left = false
      return () => {
        if (left) return
        left = true
        open--
        const now = (counts.get(owner) ?? 1) - 1
        if (now === 0) counts.delete(owner)
        else counts.set(owner, now)
      }
    },
  }
}

/** What legacy clients may have open, over all faces of the listener. */
export interface OpenCounts {
  /** Event streams that clients open by GET. */
  readonly streams: OwnerCount
  readonly sessions: OwnerCount
}

/** Counts of one listener. */
export function createOpenCounts(limits: Pick<LimitsConfig, 'streams' | 'sessionsPerPrincipal'>): OpenCounts {
  return {
    streams: createOwnerCount('streams', limits.streams),
    sessions: createOwnerCount('sessions of this principal', limits.sessionsPerPrincipal),
  }
}

/**
 * Counts a new session. Anonymous clients, of which nobody knows whether they are one or many, have only the limit of all
 * sessions together.
 *
 * @throws GatewayError TOO_MANY
 */
export function enterSession({ sessions }: OpenCounts, principal: Principal): () => void {
  return principal.anonymous ? () => undefined : sessions.enter(principal.id)
}
