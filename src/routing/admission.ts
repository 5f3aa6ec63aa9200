import { GatewayError } from '../errors.ts'
import { type Call, holderOf } from '../pipeline/call.ts'
import { type SubscriptionFilter, readFilter } from '../protocol/subscription.ts'
import { requireTasks } from './tasks.ts'

/** Most resources that one subscription may follow, and most tasks. */
const MAX_RESOURCES = 1000

/**
 * Counts the open subscriptions of each holder.
 *
 * @returns takes a call in and returns the way out; throws GatewayError TOO_MANY
 */
export function createAdmission(limit: number): (call: Call) => () => void {
  const counts = new Map<string, number>()
  return (call) => {
    const key = holderOf(call)
    const count = counts.get(key) ?? 0
    if (count >= limit) {
      const message = `There are ${limit} open subscriptions already`
      throw new GatewayError('TOO_MANY', message, { retryAfterMs: 1000 })
    }
    counts.set(key, count + 1)
    return () => {
      const left = (counts.get(key) ?? 1) - 1
      if (left === 0) counts.delete(key)
      else counts.set(key, left)
    }
  }
}

/**
 * What a call of `subscriptions/listen` asks for.
 *
 * @throws GatewayError INVALID_PARAMS
 */
export function filterOf(call: Call): SubscriptionFilter {
  const filter = readFilter(call.message)
  if (filter === undefined) {
    const message = `${call.method} needs "params.notifications": an object of booleans, with lists of strings as "resourceSubscriptions" and "taskIds"`
    throw new GatewayError('INVALID_PARAMS', message)
  }
  if (filter.tasks.length > 0) requireTasks(call)
  if (Math.max(filter.resources.length, filter.tasks.length) > MAX_RESOURCES) {
    const message = `One subscription follows ${MAX_RESOURCES} resources and as many tasks at most`
    throw new GatewayError('INVALID_PARAMS', message)
  }
  return filter
}
