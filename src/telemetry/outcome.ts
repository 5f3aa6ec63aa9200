import { ERRORS, type ErrorCode } from '../errors.ts'
import type { Outcome, Refusal } from '../filters/rescue.ts'
import { member, rawOf, stringOf } from '../protocol/json.ts'

/**
 * How a call ended. `ok`: with a result. `input_required`: with questions to its client. `tool_error`: the tool says that
 * it failed. `error`: with the backend's own JSON-RPC error. `refused`: the gateway did not let it through. `cancelled`:
 * its client did not want it any more. `failed`: the gateway or the backend could not carry it out.
 */
export type Ending = 'ok' | 'input_required' | 'tool_error' | 'error' | 'refused' | 'cancelled' | 'failed'

/** How a call ended, seen from outside. */
export function endingOf(outcome: Outcome): Ending {
  if (outcome.kind === 'error') return 'error'
  if (outcome.kind === 'refusal') return endingOfRefusal(outcome)
  const { text, result } = outcome
  const failed = member(result, 'isError')
  if (failed !== undefined && rawOf(text, failed) === 'true') return 'tool_error'
  const type = member(result, 'resultType')
  return type !== undefined && stringOf(text, type) === 'input_required' ? 'input_required' : 'ok'
}

/** How an exchange ended that the gateway did not carry out. */
export function endingOfRefusal(refusal: Refusal): Ending {
  const code = codeOf(refusal)
  if (code === 'CANCELLED') return 'cancelled'
  if (code === undefined || code === 'INTERNAL') return 'failed'
  return ERRORS[code].source === 'upstream' && code !== 'CIRCUIT_OPEN' ? 'failed' : 'refused'
}

/** The stable code of a refusal. */
export function codeOf({ error }: Refusal): ErrorCode | undefined {
  const { code } = error.data as { readonly code?: unknown }
  return typeof code === 'string' && Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : undefined
}
