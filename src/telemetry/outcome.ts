import type { Outcome } from '../filters/rescue.ts'
import type { ErrorCode } from '../errors.ts'
import { member, stringOf } from '../protocol/json.ts'
import { type OutcomeName, endingOf as endingInMetrics, refusalCode } from './metrics/outcome.ts'

/** How a call ended: as metrics count it, and apart from them a result that asks its client for input. */
export type Ending = OutcomeName | 'input_required'

/** How a call ended, seen from outside. */
export function endingOf(outcome: Outcome): Ending {
  const { outcome: name } = endingInMetrics(outcome)
  if (name !== 'ok' || outcome.kind !== 'result') return name
  const type = member(outcome.result, 'resultType')
  return type !== undefined && stringOf(outcome.text, type) === 'input_required' ? 'input_required' : 'ok'
}

/** The stable code of a refusal. */
export function codeOf({ error }: Extract<Outcome, { readonly kind: 'refusal' }>): ErrorCode {
  return refusalCode(error.data) ?? 'INTERNAL'
}
