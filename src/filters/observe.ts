import { GatewayError } from '../errors.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { Answerer, Outcome } from './rescue.ts'
import { toRefusal } from './rescue.ts'

/** Counts of calls since the gateway started. */
export interface Meter {
  /** Calls that are being carried out. */
  inFlight: number
  total: number
  /** Calls that the gateway itself refused or failed. */
  refused: number
}

/** What observing needs. */
export interface ObservePorts {
  readonly meter: Meter
  readonly clock: Clock
  readonly log: Log
  /** Calls in flight above which new ones are refused. */
  readonly maxCalls: number
}

/**
 * Sees every call begin and truly end, and refuses those above the limit before anything is done for them. Stands
 * outside of everything else, so that refusals are seen too.
 */
export function observe(next: Answerer, ports: ObservePorts): Answerer {
  const { meter, clock, log } = ports
  const end = (outcome: Outcome): Outcome => {
    meter.inFlight--
    if (outcome.kind === 'refusal') meter.refused++
    return outcome
  }
  return async (call, out) => {
    meter.total++
    meter.inFlight++
    if (meter.inFlight > ports.maxCalls) {
      const error = new GatewayError('TOO_MANY', 'Too many calls are in flight', { retryAfterMs: 1000 })
      return end(toRefusal(error, log))
    }
    const begun = clock.now()
    const outcome = end(await next(call, out))
    if (outcome.kind === 'refusal') {
      const ms = Math.round(clock.now() - begun)
      log('debug', 'call refused', {
        method: call.method.slice(0, 64),
        status: outcome.status,
        reason: outcome.error.message,
        ms,
      })
    }
    return outcome
  }
}
