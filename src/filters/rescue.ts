import { type GatewayError, toGatewayError } from '../errors.ts'
import type { Call, Notifications, Reply } from '../pipeline/call.ts'
import type { Handler } from '../pipeline/handler.ts'
import type { Log } from '../pipeline/log.ts'
import { settling } from '../pipeline/settle.ts'

/** A failure of the gateway's own, ready to be written: the only form in which clients see one. */
export interface Refusal {
  readonly kind: 'refusal'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Every scope that the call needs, where that is what it lacks. */
  readonly scopes?: readonly string[] | undefined
  /** The `error` member of the JSON-RPC response. */
  readonly error: { readonly code: number; readonly message: string; readonly data: object }
}

/** What the listener writes. */
export type Outcome = Reply | Refusal

/** Answers a call, and never rejects. */
export type Answerer = (call: Call, out: Notifications) => Promise<Outcome>

/** Renders any error as a refusal; what was not foreseen is logged in full and told to nobody. */
export function toRefusal(error: unknown, log: Log): Refusal {
  const known = toGatewayError(error)
  if (known.code === 'INTERNAL') {
    const cause =
      known.cause instanceof Error ? (known.cause.stack ?? known.cause.message) : String(known.cause)
    log('error', 'internal error', { cause })
  }
  const { scopes } = known.details
  return {
    kind: 'refusal',
    status: known.status,
    headers: headersOf(known),
    ...(scopes === undefined ? {} : { scopes }),
    error: known.toRpcError(),
  }
}

function headersOf(error: GatewayError): Readonly<Record<string, string>> {
  const { retryAfterMs, headers } = error.details
  if (retryAfterMs === undefined) return headers ?? {}
  return { ...headers, 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }
}

/** Turns what the pipeline throws into refusals: the one place where that happens. */
export function rescue(next: Handler, log: Log): Answerer {
  const refuse = (error: unknown): Outcome => toRefusal(error, log)
  return (call, out) => settling(() => next(call, out), undefined).catch(refuse)
}
