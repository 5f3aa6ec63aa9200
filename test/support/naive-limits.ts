import type { Charge } from '../../src/store/limit-store.ts'

/** Counts calls in the plainest way there is: remembers every call and goes through all of them. */
export interface NaiveLimits {
  /** Whether every charge is within its limit at that time; if so, all are taken. */
  take(charges: readonly Charge[], now: number): boolean
  /** Ends what the n-th granted call holds. */
  release(granted: number): void
}

interface Admitted {
  readonly charge: Charge
  readonly at: number
  readonly call: number
}

/** @param wallTime turns a time into milliseconds since the epoch */
export function createNaiveLimits(wallTime: (now: number) => number): NaiveLimits {
  const admitted: Admitted[] = []
  const released = new Set<number>()
  let calls = 0

  const sameBucket = ({ charge }: Admitted, other: Charge): boolean =>
    charge.limit.id === other.limit.id && charge.key === other.key
  const sum = (entries: readonly Admitted[]): number =>
    entries.reduce((total, { charge }) => total + charge.cost, 0)
  const month = (at: number): string => new Date(wallTime(at)).toISOString().slice(0, 7)
  const day = (at: number): string => new Date(wallTime(at)).toISOString().slice(0, 10)

  const fits = (charge: Charge, now: number): boolean => {
    const { allowance } = charge.limit
    const before = admitted.filter((entry) => sameBucket(entry, charge))
    switch (allowance.kind) {
      case 'window':
        return sum(before.filter(({ at }) => at > now - allowance.per)) + charge.cost <= allowance.count
      case 'quota': {
        const period = allowance.period === 'month' ? month : day
        return sum(before.filter(({ at }) => period(at) === period(now))) + charge.cost <= allowance.count
      }
      case 'concurrency':
        return sum(before.filter(({ call }) => !released.has(call))) + charge.cost <= allowance.count
      case 'gcra': {
        // A bucket of tokens, filled again from the beginning.
        let tokens = allowance.burst
        let last = -Infinity
        for (const entry of [...before, { charge, at: now }]) {
          const since = Math.min(entry.at - last, allowance.per * allowance.burst)
          tokens = Math.min(allowance.burst, tokens + (since * allowance.count) / allowance.per)
          tokens -= entry.charge.cost
          last = entry.at
        }
        return tokens > -1e-6
      }
    }
  }

  return {
    take(charges, now) {
      if (!charges.every((charge) => fits(charge, now))) return false
      for (const charge of charges) admitted.push({ charge, at: now, call: calls })
      calls++
      return true
    },
    release: (granted) => void released.add(granted),
  }
}
