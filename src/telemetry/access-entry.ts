import type { RefusedExchange } from '../filters/observe.ts'
import type { Outcome } from '../filters/rescue.ts'
import type { AccessLevel } from '../config/telemetry-types.ts'
import type { AttemptRecord, CallRecord } from '../pipeline/record.ts'
import { type Ending, codeOf, endingOf } from './outcome.ts'
import { type CallSubject, callSubject } from './subject.ts'
import { traceIdOf } from './trace.ts'

/** What the access log says of one call. Durations are milliseconds. */
export interface CallEntry {
  readonly kind: 'call'
  readonly level: AccessLevel
  readonly ending: Ending
  readonly record: CallRecord
  readonly outcome: Outcome
  readonly subject: CallSubject | undefined
  readonly backend: string | undefined
  /** As the backend calls it; undefined where there is no such name. */
  readonly backendName: string | undefined
  /** Where the last try went, where the backend has several endpoints. */
  readonly endpoint: string | undefined
  readonly duration: number
  /** For which at least one backend worked on it. */
  readonly backendTime: number
  readonly last: AttemptRecord | undefined
  readonly bytesIn: number
  readonly bytesOut: number
  readonly traceId: string | undefined
  /** The part of calls like it that have a line; undefined where all have. */
  readonly sample: number | undefined
}

/** What the access log says of an HTTP exchange that became no call. */
export interface ExchangeEntry {
  readonly kind: 'http'
  readonly level: AccessLevel
  readonly ending: Ending
  /** Wall-clock milliseconds. */
  readonly at: number
  readonly exchange: RefusedExchange
  readonly code: string
}

/** What stands in one line. */
export type Entry = CallEntry | ExchangeEntry

const LEVEL: Readonly<Record<Ending, AccessLevel>> = {
  ok: 'info',
  input_required: 'info',
  cancelled: 'info',
  tool_error: 'warn',
  backend_error: 'warn',
  refused: 'warn',
  failed: 'error',
}

/** What is to be said of a call that has ended so. */
export function callEntry(
  record: CallRecord,
  outcome: Outcome,
  { ending, sample }: { readonly ending: Ending; readonly sample: number | undefined },
): CallEntry {
  const { call, target, attempts } = record
  const last = attempts.at(-1)
  const text = outcome.kind === 'refusal' ? JSON.stringify(outcome.error) : outcome.text
  return {
    kind: 'call',
    level: LEVEL[ending],
    ending,
    record,
    outcome,
    subject: callSubject(call.message),
    backend: target?.kind === 'one' ? target.backend : last?.backend,
    backendName: target?.kind === 'one' ? target.name : undefined,
    endpoint: last?.endpoint,
    duration: record.ended - record.begun,
    backendTime: timeIn(attempts, record.ended),
    last,
    bytesIn: Buffer.byteLength(call.message.text),
    bytesOut: Buffer.byteLength(text) + record.notificationBytes,
    traceId: record.trace?.traceId ?? traceIdOf(call),
    sample,
  }
}

/** What is to be said of an exchange that was refused. */
export function exchangeEntry(exchange: RefusedExchange, at: number): ExchangeEntry {
  const ending = endingOf(exchange.refusal)
  return {
    kind: 'http',
    level: LEVEL[ending],
    ending,
    at,
    exchange,
    code: codeOf(exchange.refusal),
  }
}

/** How a call ended, and whether it went as it should. */
export function isFine(outcome: Outcome): { readonly ending: Ending; readonly fine: boolean } {
  const ending = endingOf(outcome)
  return { ending, fine: ending === 'ok' || ending === 'input_required' }
}

/** Tries that overlap count once. They stand in the order of their begin. */
function timeIn(attempts: readonly AttemptRecord[], now: number): number {
  let total = 0
  let until = Number.NEGATIVE_INFINITY
  for (const { begun, ended = now } of attempts) {
    const end = Math.min(ended, now)
    if (end <= until) continue
    total += end - Math.max(begun, until)
    until = end
  }
  return total
}
