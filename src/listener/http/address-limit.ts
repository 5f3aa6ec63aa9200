import type { LimitConfig, RateConfig } from '../../config/types.ts'
import { networkOf } from '../../pipeline/network.ts'
import { refusal } from '../../filters/limits/refusal.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { createMemoryStore } from '../../store/memory.ts'

/** Lets a request from an address in. @throws GatewayError RATE_LIMITED */
export type AddressLimit = (address: string) => void

/**
 * The limit that stands before everything else, against floods of callers that nobody knows: one number for each
 * address, in the memory of this gateway alone.
 */
export function addressLimit(rate: RateConfig, clock: Clock): AddressLimit {
  const config: LimitConfig = {
    name: 'address',
    key: ['address'],
    methods: ['*'],
    match: { backend: undefined, tool: undefined },
    allowance: { kind: 'gcra', ...rate, burst: rate.count },
    weights: [],
    queue: undefined,
    shadow: false,
  }
  const store = createMemoryStore(clock)
  const limit = { id: config.name, allowance: config.allowance, shadow: false }
  const rule = { config, stored: limit }
  return (address) => {
    const taken = store.take([{ rule, limit, key: networkOf(address), cost: 1 }])
    if (taken.kind === 'refused') throw refusal(taken.standings)
  }
}
