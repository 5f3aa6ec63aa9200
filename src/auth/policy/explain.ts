import { toValue } from './condition.ts'
import type { PrincipalRights } from './principal-rights.ts'
import type { Rule } from './rule.ts'
import { type Asked, isTreacherous } from './things.ts'

/** What one rule says to a call. */
export interface RuleStep {
  /** The label of the rule; `default` for what happens where none decides. */
  readonly rule: string
  readonly effect: 'allow' | 'deny'
  /** Whether it decides. Nothing after it does. */
  readonly decides: boolean
  /** Why it does, or does not. */
  readonly reason: string
}

/** A call that is only imagined. */
export interface Explained {
  readonly asked: Asked
  /** The value of its arguments. */
  readonly args: unknown
}

/** Asks every rule in its order, without any index, until one decides. */
export function explain(
  rules: readonly Rule[],
  rights: PrincipalRights,
  { asked, args }: Explained,
): readonly RuleStep[] {
  const steps: RuleStep[] = []
  const value = toValue(args)
  const denied = { rule: 'default', effect: 'deny', decides: true } as const
  if (asked.kind === 'resources' && isTreacherous(asked.key))
    return [{ ...denied, reason: 'the URI could mean another one: it holds dot segments or is too long' }]
  for (const rule of rules) {
    const { label, effect } = rule
    const passes = (reason: string): void => void steps.push({ rule: label, effect, decides: false, reason })
    const unmet = rights.unmet(rule, true)
    const outcome = unmet === undefined ? rights.ask(rule, asked, value) : undefined
    if (rule.things.covers(asked) === 'none') passes('is about something else')
    else if (unmet !== undefined) passes(`${unmet} does not match`)
    else if (outcome?.kind === 'false') passes('when is false')
    else if (outcome?.kind === 'error') {
      const reason = `when cannot be evaluated, which denies: ${outcome.reason}`
      return [...steps, { rule: label, effect: 'deny', decides: true, reason }]
    } else {
      const reason = rule.condition === undefined ? 'matches' : 'matches, and when is true'
      return [...steps, { rule: label, effect, decides: true, reason }]
    }
  }
  return [...steps, { ...denied, reason: 'nothing allows it' }]
}
