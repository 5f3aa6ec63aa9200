import type { AuthorizationConfig, GrantConfig, RuleConfig } from '../../config/authorization-types.ts'
import { parseExpression } from '../../config/expression.ts'
import { type Glob, anyMatches, glob } from '../../config/glob.ts'
import type { Principal } from '../../pipeline/call.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { HINT_NAMES, type ToolHints, toolHints } from '../../protocol/tool-hints.ts'
import { type Condition, createCondition } from './condition.ts'
import { type Things, everything, someThings } from './things.ts'

/** A rule, or what a scope opens, ready to be asked. */
export interface Rule {
  /** What logs and explanations call it. */
  readonly label: string
  readonly effect: 'allow' | 'deny'
  readonly things: Things
  /** What the principal must be, apart from scopes; undefined: anybody. */
  readonly who: readonly Demand[]
  /** Every one must be held. */
  readonly scopes: readonly Glob[]
  readonly routes: readonly Glob[] | undefined
  readonly condition: Condition | undefined
}

/** One thing that a rule asks of principals, by the name of its setting. */
export interface Demand {
  readonly setting: string
  readonly holds: (principal: Principal) => boolean
}

/** What rules are made with. */
export interface RulePorts {
  readonly clock: Pick<Clock, 'now'>
  /** Names of the backends. */
  readonly backends: readonly string[]
}

/**
 * The rules of a configuration in the order in which they are asked: first the rules, then what each scope opens.
 *
 * @throws TypeError for what `authorizationFindings` and the schema refuse
 */
export function compileRules(
  { rules, scopes }: Pick<AuthorizationConfig, 'rules' | 'scopes'>,
  ports: RulePorts,
): readonly Rule[] {
  return [
    ...rules.map((rule, index) => compileRule(rule, rule.name ?? `rules[${index}]`, ports)),
    ...scopes.map((grant) => compileGrant(grant, ports)),
  ]
}

function compileGrant(grant: GrantConfig, { backends }: RulePorts): Rule {
  return {
    label: `scopes[${JSON.stringify(grant.scope)}]`,
    effect: 'allow',
    things: someThings(grant, backends),
    who: [],
    scopes: [glob(grant.scope)],
    routes: undefined,
    condition: undefined,
  }
}

function compileRule(rule: RuleConfig, label: string, ports: RulePorts): Rule {
  return {
    label,
    effect: rule.effect,
    things: thingsOf(rule, ports.backends),
    who: demandsOf(rule),
    scopes: globs(rule.scopes) ?? [],
    routes: globs(rule.routes),
    condition: rule.when === undefined ? undefined : conditionOf(rule.when, ports.clock),
  }
}

function conditionOf(text: string, clock: Pick<Clock, 'now'>): Condition {
  const parsed = parseExpression(text)
  if ('value' in parsed) return createCondition(parsed.value, clock)
  throw new TypeError(`${text}: ${parsed.expected}`)
}

function globs(texts: readonly string[] | undefined): readonly Glob[] | undefined {
  return texts?.map((text) => glob(text))
}

function thingsOf({ things, backends, annotations }: RuleConfig, known: readonly string[]): Things {
  const everywhere = everything(globs(backends))
  const inner = things === undefined ? everywhere : someThings(things, known)
  if (things !== undefined && backends === undefined && annotations === undefined) return inner
  const wanted = Object.entries(annotations ?? {})
  const fits = (hints: ToolHints): boolean =>
    HINT_NAMES.every((name) => wanted.every(([key, value]) => key !== name || hints[name] === value))
  return {
    covers(asked) {
      if (everywhere.covers(asked) === 'none') return 'none'
      if (annotations === undefined) return inner.covers(asked)
      return asked.kind === 'tools' && fits(asked.hints ?? toolHints()) ? inner.covers(asked) : 'none'
    },
    reaches(backend, kind) {
      if (annotations !== undefined && kind !== undefined && kind !== 'tools') return false
      return (
        everywhere.reaches(backend, kind) &&
        inner.reaches(backend, annotations === undefined ? kind : 'tools')
      )
    },
  }
}

type Known = Exclude<Principal, { readonly anonymous: true }>

function demandsOf(rule: RuleConfig): readonly Demand[] {
  const demands: Demand[] = []
  const { anonymous } = rule
  if (anonymous !== undefined)
    demands.push({ setting: 'anonymous', holds: (principal) => principal.anonymous === anonymous })
  // Whoever is anonymous has no subject, no group and nothing else, so nothing matches, not even `*`.
  const add = (
    setting: string,
    texts: readonly string[] | undefined,
    valuesOf: (principal: Known) => Iterable<string>,
  ): void => {
    const patterns = globs(texts)
    if (patterns === undefined) return
    const holds = (principal: Principal): boolean =>
      !principal.anonymous && [...valuesOf(principal)].some((value) => anyMatches(patterns, value))
    demands.push({ setting, holds })
  }
  const one = (value: string | undefined): readonly string[] => (value === undefined ? [] : [value])
  add('subjects', rule.subjects, ({ subject }) => [subject])
  add('groups', rule.groups, ({ groups }) => groups)
  add('tenants', rule.tenants, ({ tenant }) => one(tenant))
  add('clients', rule.clients, ({ client }) => one(client))
  add('issuers', rule.issuers, ({ issuer }) => [issuer])
  for (const [claim, texts] of Object.entries(rule.claims ?? {}))
    add(`claims.${claim}`, texts, ({ claims }) =>
      textsOf(Object.hasOwn(claims, claim) ? claims[claim] : undefined),
    )
  return demands
}

/** A claim is one value or a list of values. */
function textsOf(claim: unknown): readonly string[] {
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim]
  return values.flatMap((value) => {
    const simple = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    return simple ? [String(value)] : []
  })
}
