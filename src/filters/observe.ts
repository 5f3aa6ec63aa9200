import { GatewayError } from '../errors.ts'
import type { Call, Notifications } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import { CallRecord } from '../pipeline/record.ts'
import { type Answerer, type Outcome, type Refusal, toRefusal } from './rescue.ts'

/** Counts of calls since the gateway started. */
export interface Meter {
  /** Calls that are being carried out. */
  inFlight: number
  total: number
  /** Calls that the gateway itself refused or failed. */
  refused: number
}

/** An HTTP exchange that was refused before there was a call. */
export interface RefusedExchange {
  /** Of HTTP. */
  readonly method: string
  /** Without its query. */
  readonly path: string
  /** Where the client is, as far as trusted proxies say. */
  readonly address: string | undefined
  readonly refusal: Refusal
}

/** Follows calls: metrics, traces, logs. Never throws, never waits. */
export interface CallObserver {
  /** A call begins; nothing has been done for it yet. */
  begun?(record: CallRecord): void
  /** The call has truly ended, a stream included, and the record says how it went. */
  ended(record: CallRecord, outcome: Outcome): void
  /** Something was refused before it could become a call: its sender is not known, or it is no message. */
  refused?(exchange: RefusedExchange): void
}

/** Tells every observer of it that wants to know; undefined where none does. */
export function refusalsTo(
  observers: readonly CallObserver[],
): ((exchange: RefusedExchange) => void) | undefined {
  const told = observers.filter((observer) => 'refused' in observer)
  if (told.length === 0) return undefined
  return (exchange) => told.forEach((observer) => observer.refused?.(exchange))
}

/** What observing needs. */
export interface ObservePorts {
  readonly meter: Meter
  readonly clock: Clock
  readonly log: Log
  /** Calls in flight above which new ones are refused. */
  readonly maxCalls: number
  /** Whoever follows calls; where nobody does, nothing is kept of them. */
  readonly observers: readonly CallObserver[]
}

/**
 * Sees every call begin and truly end, and refuses those above the limit before anything is done for them. Stands
 * outside of everything else, so that refusals are seen too.
 */
export function observe(next: Answerer, ports: ObservePorts): Answerer {
  const { meter, clock, log, observers } = ports
  const isFollowed = observers.length > 0
  const begin = (call: Call): CallRecord => {
    const record = new CallRecord(call, clock)
    for (const observer of observers) observer.begun?.(record)
    return record
  }
  const follow = (record: CallRecord, out: Notifications): Promise<Outcome> =>
    next({ ...record.call, record }, new CountedNotifications(out, record))
  return (call, out) => {
    meter.total++
    meter.inFlight++
    const record = isFollowed ? begin(call) : undefined
    const ended = (outcome: Outcome): Outcome => {
      meter.inFlight--
      if (outcome.kind === 'refusal') refused(ports, call, outcome)
      if (record !== undefined) {
        record.end()
        for (const observer of observers) observer.ended(record, outcome)
      }
      return outcome
    }
    if (meter.inFlight > ports.maxCalls) return Promise.resolve(ended(toRefusal(tooMany(), log)))
    return (record === undefined ? next(call, out) : follow(record, out)).then(ended)
  }
}

function refused({ meter, log }: ObservePorts, call: Call, { status, error }: Refusal): void {
  meter.refused++
  // Not the message: it may hold what the caller wrote.
  const { code } = error.data as { readonly code?: string }
  log('debug', 'call refused', { method: call.method.slice(0, 64), status, code })
}

function tooMany(): GatewayError {
  return new GatewayError('TOO_MANY', 'Too many calls are in flight', { retryAfterMs: 1000 })
}

/** Counts what is passed on. */
class CountedNotifications implements Notifications {
  readonly #out: Notifications
  readonly #record: CallRecord

  constructor(out: Notifications, record: CallRecord) {
    this.#out = out
    this.#record = record
  }

  send(notification: Parameters<Notifications['send']>[0]): Promise<void> | undefined {
    this.#record.notifications++
    this.#record.notificationBytes += Buffer.byteLength(notification.text)
    return this.#out.send(notification)
  }
}
