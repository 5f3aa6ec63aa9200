import { Canceller } from '../pipeline/signal.ts'
import type { HedgeConfig } from '../config/resilience.ts'
import { GatewayError } from '../errors.ts'
import type { Notifications, Permitted, Reply } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Filter, Handler } from '../pipeline/handler.ts'
import type { OneTarget } from '../pipeline/target.ts'
import type { Repeatable } from './repeatable.ts'
import type { RetryBudget } from './retry-budget.ts'

/** What hedging needs. */
export interface HedgePorts {
  readonly budget: RetryBudget
  readonly repeatable: Repeatable
  readonly clock: Clock
}

/**
 * Sends a call that may run twice once more where its answer takes long. The first answer wins, and the other try is
 * cancelled at the backend. The second counts as a retry; it is not begun once the client has heard of the first, and
 * the client only ever hears of one of them.
 *
 * @param hedgeOf undefined for what is not hedged
 */
export function hedge(
  hedgeOf: (target: OneTarget) => HedgeConfig | undefined,
  ports: HedgePorts,
): Filter<Permitted> {
  return (next) => (call, out) => {
    const { target } = call.permit
    const config = target.kind === 'one' ? hedgeOf(target) : undefined
    if (config === undefined || !ports.repeatable.mayBe(call) || !ports.repeatable.is(call))
      return next(call, out)
    return race({ next, call, out }, config, ports)
  }
}

interface Hedged<C extends Permitted> {
  readonly next: Handler<C>
  readonly call: C
  readonly out: Notifications
}

/** One of the two tries. */
interface Try {
  readonly own: Canceller
  failed: boolean
}

async function race<C extends Permitted>(
  { next, call, out }: Hedged<C>,
  { after }: HedgeConfig,
  { budget, clock }: HedgePorts,
): Promise<Reply> {
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const tries: Try[] = []
  let heard: Try | undefined
  let unknown: unknown
  const fail = (one: Try, error: unknown): void => {
    one.failed = true
    const isUnknown = !(error instanceof GatewayError) || error.details.outcome !== 'not-executed'
    if (isUnknown) unknown ??= error
    // As long as the other may still answer nothing is lost; what the first failed of is for whoever retries.
    if (tries.every(({ failed }) => failed)) reject(unknown ?? error)
  }
  const begin = (): void => {
    const one: Try = { own: new Canceller(), failed: false }
    const relay: Notifications = {
      send(notification) {
        heard ??= one
        return heard === one ? out.send(notification) : undefined
      },
    }
    tries.push(one)
    next({ ...call, signal: one.own }, relay).then(resolve, (error: unknown) => fail(one, error))
  }
  const onAbort = (): void => tries.forEach(({ own }) => own.abort(call.signal.reason))
  call.signal.addEventListener('abort', onAbort)
  begin()
  if (call.signal.aborted) onAbort()
  const cancelTimer = clock.after(after, () => {
    if (heard === undefined && tries[0]?.failed === false && budget.withdraw()) {
      call.record?.note('hedge')
      begin()
    }
  })
  try {
    return await promise
  } finally {
    cancelTimer()
    call.signal.removeEventListener('abort', onAbort)
    const reason = new GatewayError('CANCELLED', 'Another try of the call has answered first')
    for (const { own } of tries) own.abort(reason)
  }
}
