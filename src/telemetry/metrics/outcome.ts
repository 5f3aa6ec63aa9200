import { type ErrorCode, ERRORS, GatewayError } from '../../errors.ts'
import type { Outcome } from '../../filters/rescue.ts'
import type { Reply } from '../../pipeline/call.ts'
import type { AttemptRecord } from '../../pipeline/record.ts'
import { member, rawOf } from '../../protocol/json.ts'
import { OTHER, TOOL_ERROR, codeValue } from '../conventions.ts'

/**
 * How something ended. `ok`: a result. `tool_error`: a result with `isError`, which is the tool's own affair.
 * `backend_error`: the backend answered with a JSON-RPC error. `failed`: no answer of the backend, or none that could be
 * used. `refused`: the gateway did not let it through. `cancelled`: whoever asked did not want it any more.
 */
export const OUTCOMES = ['ok', 'tool_error', 'backend_error', 'failed', 'refused', 'cancelled'] as const

/** One of {@link OUTCOMES}. */
export type OutcomeName = (typeof OUTCOMES)[number]

/** How something ended, with what tells it apart in the conventions: from closed sets, so it can be a label. */
export interface Ending {
  readonly outcome: OutcomeName
  /** `error.type`; undefined for what ended well. */
  readonly errorType: string | undefined
  /** `rpc.response.status_code`; undefined where there was no error answer. */
  readonly statusCode: string | undefined
}

const endings = new Map<string, Ending>()

/** The one ending of that kind: several codes of ours are one for whoever is told by JSON-RPC. */
function ending(outcome: OutcomeName, errorType?: string, statusCode?: string): Ending {
  const key = `${outcome} ${errorType} ${statusCode}`
  const kept = endings.get(key) ?? { outcome, errorType, statusCode }
  endings.set(key, kept)
  return kept
}

const OK = ending('ok')
const TOOL = ending('tool_error', TOOL_ERROR)

/** The codes of the closed table, in an order that gives each a number. */
export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[]

const known = new Set<string>(ERROR_CODES)

function outcomeOf(code: ErrorCode): OutcomeName {
  if (code === 'CANCELLED') return 'cancelled'
  return code === 'INTERNAL' || (code !== 'CIRCUIT_OPEN' && ERRORS[code].source === 'upstream')
    ? 'failed'
    : 'refused'
}

/** As clients are told: the code of JSON-RPC is the type of the error too (docs/gen-ai/mcp.md, note on `error.type`). */
const refusals = new Map<string, Ending>(
  ERROR_CODES.map((code) => {
    const rpcCode = String(ERRORS[code].rpcCode)
    return [code, ending(outcomeOf(code), rpcCode, rpcCode)]
  }),
)

/** Between gateway and backend, where there is no JSON-RPC code: by our own code. */
const failures = new Map<string, Ending>(ERROR_CODES.map((code) => [code, ending(outcomeOf(code), code)]))
const INTERNAL = ending('failed', 'INTERNAL')
const CANCELLED = ending('cancelled', 'CANCELLED')

function ofReply(reply: Reply): Ending {
  if (reply.kind === 'error') {
    const code = codeValue(reply.code)
    return ending('backend_error', code, code)
  }
  const isError = member(reply.result, 'isError')
  return isError !== undefined && rawOf(reply.text, isError) === 'true' ? TOOL : OK
}

/** How a call ended. The same object for the same ending, so that it can be looked up by. */
export function endingOf(outcome: Outcome): Ending {
  if (outcome.kind !== 'refusal') return ofReply(outcome)
  return refusals.get(refusalCode(outcome.error.data) ?? '') ?? INTERNAL
}

/** The code of our own in the data of a refusal; undefined where there is none that is known. */
export function refusalCode(data: object): ErrorCode | undefined {
  const code: unknown = 'code' in data ? data.code : undefined
  return typeof code === 'string' && known.has(code) ? (code as ErrorCode) : undefined
}

/** How a try ended; one that still runs is the loser of two, and is being cancelled. */
export function endingOfTry({ end }: AttemptRecord): Ending {
  if (end === undefined) return CANCELLED
  if (end.kind === 'reply') return ofReply(end.reply)
  const { error } = end
  return error instanceof GatewayError ? (failures.get(error.code) ?? INTERNAL) : INTERNAL
}

/** A name as a label: what is longer than people can read is none, nor what cannot be written. */
export function nameValue(name: string): string {
  return name.length > LONGEST_NAME || !name.isWellFormed() ? OTHER : name
}

const LONGEST_NAME = 256
