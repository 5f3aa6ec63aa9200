import type { Rights } from '../../pipeline/rights.ts'
import type { RequestMessage } from '../../protocol/message.ts'
import type { Rule } from './rule.ts'
import type { Asked, Coverage } from './things.ts'

/** What was decided, and by which rule. */
export interface Verdict {
  readonly effect: 'allow' | 'deny'
  /** The label of the rule, or `default` where none is true of the call. */
  readonly by: string
  /** Why no rule could be asked, or what is wrong with the rule that was. */
  readonly problem?: string
}

/** What one principal may do on one route, call by call. */
export interface CallRights extends Rights {
  /** The verdict on a call, by its arguments where rules ask for them. */
  decide(asked: Asked, message: RequestMessage): Verdict
  /** The scopes that would let a denied call pass: all that are needed, held or not. Undefined where no scope would. */
  scopesFor(asked: Asked, message: RequestMessage): readonly string[] | undefined
}

/** A rule that covers something, and how much of it. */
export interface Candidate {
  readonly rule: Rule
  readonly coverage: Coverage
}

/** Finds the rules about something, in their order. */
export type RuleIndex = (asked: Asked) => readonly Candidate[]
