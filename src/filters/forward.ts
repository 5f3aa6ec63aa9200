import type { Backend, BackendRequest } from '../backend/backend.ts'
import { sendRecorded } from '../backend/recorded.ts'
import { GatewayError } from '../errors.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { Notifications, Permitted, Reply } from '../pipeline/call.ts'
import type { Handler } from '../pipeline/handler.ts'
import { onceEnded, settling } from '../pipeline/settle.ts'
import type { OneTarget } from '../pipeline/target.ts'
import { type Attempt, createAttempt } from '../pipeline/attempt.ts'
import type { AttemptRecord } from '../pipeline/record.ts'
import { subjectOf } from '../protocol/subject.ts'
import type { Catalog } from '../routing/catalog.ts'
import { type Flights, createFlights } from './flights.ts'
import { refuseHeld } from './quarantine.ts'

/** Header mismatch and unsupported version: between gateway and backend they are the gateway's business. */
const OWN_FAULTS: ReadonlySet<number> = new Set([-32020, -32022])

/**
 * Carries a permitted call to its backend: the innermost handler for calls with one target. A header mismatch
 * means that the backend changed a tool since it was listed: the list is fetched again and the call is sent once
 * more (2026-07-28, basic/transports/streamable-http "Client Behavior").
 */
export function forward(
  backends: ReadonlyMap<string, Backend>,
  catalog: Catalog,
  flights: Flights = createFlights(),
): Handler<Permitted> {
  const ways = new Map(
    [...backends].map(([name, backend]) => [name, { backend, flight: flights.of(backend) }]),
  )
  /** What comes of an answer that speaks of the gateway's own request. */
  const mended = async (code: number, trying: Trying): Promise<Reply> => {
    const { call, target, attempt, backend, out } = trying
    if (code === -32020 && call.method === 'tools/call') {
      const fresh = await unlessAborted(refreshed(catalog, target), call.signal)
      const request = requestTo(fresh, call, { attempt })
      const second = await sendRecorded(call.record, backend, { request, out })
      if (second.kind !== 'error' || !OWN_FAULTS.has(second.code)) return second
    }
    const message = `Backend ${target.backend} rejected the gateway's request with error ${code}`
    throw new GatewayError('BACKEND_PROTOCOL', message, { backend: backend.name, outcome: 'not-executed' })
  }
  return (call, out) => {
    const { target } = call.permit
    if (target.kind !== 'one') return Promise.reject(new TypeError('forward takes calls with one target'))
    const way = ways.get(target.backend)
    if (way === undefined)
      return Promise.reject(new GatewayError('UNKNOWN_BACKEND', `Unknown backend: ${target.backend}`))
    const { backend, flight } = way
    const attempt = call.attempt ?? createAttempt()
    const record = call.record?.attempt(backend.name)
    const trying = { call, target, attempt, record, backend, out }
    const land = (): void => void flight.running--
    flight.running++
    // One promise for all that has to be done at the end: this is passed by every call.
    return settling(send, trying).then(
      (reply) => {
        record?.answered(reply)
        if (reply.kind === 'error' && OWN_FAULTS.has(reply.code))
          return onceEnded(mended(reply.code, trying), land)
        land()
        return reply
      },
      (error: unknown) => {
        record?.failed(error)
        land()
        throw attempt.isSent ? error : neverSent(error)
      },
    )
  }
}

/** A try and all that it is about. */
interface Trying {
  readonly call: Permitted
  readonly target: OneTarget
  readonly attempt: Attempt
  readonly record: AttemptRecord | undefined
  readonly backend: Backend
  readonly out: Notifications
}

function send(trying: Trying): Promise<Reply> {
  const { call, target, backend, out } = trying
  return backend.send(requestTo(target, call, trying), out)
}

/** What is sent to a backend for a call. */
export function requestTo(
  target: OneTarget,
  call: Permitted,
  { attempt, record }: Pick<BackendRequest, 'attempt' | 'record'> = {},
): BackendRequest {
  const { message, headers, signal, principal, downstream, within } = call
  const exposedName = subjectOf(message)
  return { message, target, exposedName, principal, downstream, headers, signal, within, attempt, record }
}

/** What has not left the gateway was surely not carried out, whatever it failed of. */
function neverSent(error: unknown): unknown {
  const isKnown = !(error instanceof GatewayError) || error.details.outcome === 'not-executed'
  return isKnown || !error.code.startsWith('BACKEND_') ? error : error.withOutcome('not-executed')
}

/** The target as the backend describes it now. */
async function refreshed(catalog: Catalog, target: OneTarget): Promise<OneTarget> {
  await catalog.refetch('tools', target.backend)
  const found = await catalog.find('tools', { kind: 'backend', backend: target.backend }, target.name ?? '')
  if (found.kind !== 'found') return target
  const { entry, quarantine } = found.shown
  const fresh = { ...target, paramHeaders: entry.paramHeaders, held: quarantine?.reason }
  refuseHeld(fresh)
  return fresh
}
