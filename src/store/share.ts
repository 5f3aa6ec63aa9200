import type { Allowance } from '../config/limits-types.ts'
import type { CounterClock } from './counters.ts'
import type { Charge, LimitStore, StoredLimit, Taken } from './limit-store.ts'
import { createMemoryStore } from './memory.ts'

/** Counts in memory what one of several replicas may admit while they cannot count together. */
export interface Share extends LimitStore {
  readonly replicas: number
  take<C extends Charge>(charges: readonly C[]): Taken<C>
}

/** Creates the share of one replica: of each limit the part that is its own, and at least one call. */
export function createShare(replicas: number, clock: CounterClock): Share {
  const memory = createMemoryStore(clock)
  const shares = new Map<StoredLimit, StoredLimit>()
  const shareOf = (limit: StoredLimit): StoredLimit => {
    let share = shares.get(limit)
    if (share === undefined) {
      share = { ...limit, allowance: divided(limit.allowance, replicas) }
      shares.set(limit, share)
    }
    return share
  }
  return {
    replicas,
    take(charges) {
      const own = charges.map((original) => {
        const share = shareOf(original.limit)
        const cost = Math.min(original.cost, mostOf(share.allowance))
        return { limit: share, key: original.key, cost, original }
      })
      const taken = memory.take(own)
      if (taken.kind === 'granted') return { ...taken, over: taken.over.map(({ original }) => original) }
      const standings = taken.standings.map((one) => ({ ...one, charge: one.charge.original }))
      return { kind: 'refused', standings }
    },
  }
}

function divided(allowance: Allowance, replicas: number): Allowance {
  const part = (count: number): number => Math.max(1, Math.floor(count / replicas))
  if (allowance.kind !== 'gcra') return { ...allowance, count: part(allowance.count) }
  // The rate of a bucket may be a fraction.
  return { ...allowance, per: allowance.per * replicas, burst: part(allowance.burst) }
}

/** The most that one charge can take of it. */
function mostOf(allowance: Allowance): number {
  return allowance.kind === 'gcra' ? allowance.burst : allowance.count
}
