import type { RetryConfig } from '../config/resilience.ts'
import { GatewayError } from '../errors.ts'
import type { Notifications, Permitted, Reply } from '../pipeline/call.ts'
import { pauseFor } from '../pipeline/abort.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Filter, Handler } from '../pipeline/handler.ts'
import { classifyError } from './classify.ts'
import type { Repeatable } from './repeatable.ts'
import type { RetryBudget } from './retry-budget.ts'

/** What trying again needs. */
export interface RetryPorts {
  readonly budget: RetryBudget
  readonly repeatable: Repeatable
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
}

/**
 * Tries a call again that failed: where surely nothing of it was sent; and where it was, only what may run twice, and
 * only as long as its client has heard nothing of it. Pauses are drawn at random up to a length that doubles; a pause
 * that the time of the call does not allow is not begun.
 */
export function retry(config: RetryConfig, ports: RetryPorts): Filter<Permitted> {
  const { budget, repeatable } = ports
  return (next) => (call, out) => {
    budget.deposit()
    const watched = repeatable.mayBe(call) ? new WatchedNotifications(out) : undefined
    const relay = watched ?? out
    return next(call, relay).catch((error: unknown) =>
      again({ config, ports, next, watched }, call, { error, out: relay }),
    )
  }
}

interface Attempts<C extends Permitted> {
  readonly config: RetryConfig
  readonly ports: RetryPorts
  readonly next: Handler<C>
  /** Set for a call that may run twice. */
  readonly watched: WatchedNotifications | undefined
}

async function again<C extends Permitted>(
  attempts: Attempts<C>,
  call: C,
  first: { readonly error: unknown; readonly out: Notifications },
): Promise<Reply> {
  const { config, ports, next } = attempts
  let { error } = first
  let someMayHaveRun = mayHaveRun(error)
  for (let tries = 1; tries < config.tries && mayRepeat(attempts, call, error); tries++) {
    const pause = ports.random() * Math.min(config.maxBackoff, config.backoff * 2 ** (tries - 1))
    const left = (call.deadline ?? Number.POSITIVE_INFINITY) - ports.clock.now()
    if (pause >= left || !ports.budget.withdraw()) break
    await pauseFor(pause, ports.clock, call.signal)
    if (call.signal.aborted) break
    call.record?.noteRetry(error instanceof GatewayError ? error.code : 'INTERNAL')
    try {
      return await next(call, first.out)
    } catch (second) {
      // That the gateway itself had no room or patience for one more try is not what the call failed of.
      if (second instanceof GatewayError && GATEWAYS_OWN.has(second.code)) break
      error = second
      someMayHaveRun ||= mayHaveRun(second)
    }
  }
  throw someMayHaveRun && error instanceof GatewayError && !mayHaveRun(error)
    ? error.withOutcome('unknown')
    : error
}

const GATEWAYS_OWN: ReadonlySet<string> = new Set(['CIRCUIT_OPEN', 'TOO_MANY'])

/** False only where the backend surely has done nothing. */
function mayHaveRun(error: unknown): boolean {
  return !(error instanceof GatewayError) || error.details.outcome !== 'not-executed'
}

function mayRepeat<C extends Permitted>({ ports, watched }: Attempts<C>, call: C, error: unknown): boolean {
  if (call.signal.aborted || classifyError(error) !== 'failure') return false
  if (!mayHaveRun(error)) return error instanceof GatewayError && error.isRetryable
  return watched !== undefined && !watched.isUsed && ports.repeatable.is(call)
}

/** Knows whether the client has heard anything. */
class WatchedNotifications implements Notifications {
  isUsed = false
  readonly #out: Notifications

  constructor(out: Notifications) {
    this.#out = out
  }

  send(notification: Parameters<Notifications['send']>[0]): Promise<void> | undefined {
    this.isUsed = true
    return this.#out.send(notification)
  }
}
