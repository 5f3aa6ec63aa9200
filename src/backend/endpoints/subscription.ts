import { type SubscriptionFilter, unionOf } from '../../protocol/subscription.ts'
import type { Backend, BackendSubscription, Subscriber } from '../backend.ts'

/**
 * Follows the changes of every endpoint: one may announce what the others do not know of. What is honoured is what any
 * endpoint that is there honours; those that are away do not keep anybody waiting.
 */
export function subscribeToAll(
  endpoints: readonly Backend[],
  filter: SubscriptionFilter,
  subscriber: Subscriber,
): BackendSubscription {
  const open = endpoints.map((endpoint) => endpoint.subscribe(filter, subscriber))
  const there = open.filter((_, index) => endpoints[index]?.status().condition.state === 'up')
  const honoured = (subscriptions: readonly BackendSubscription[]): Promise<SubscriptionFilter>[] =>
    subscriptions.map((subscription) => subscription.honoured)
  return {
    honoured:
      there.length === 0
        ? Promise.race(honoured(open))
        : Promise.all(honoured(there)).then((filters) => unionOf(filters)),
    close: () => open.forEach((subscription) => subscription.close()),
  }
}
