import type { AuthorizationConfig } from '../../config/authorization-types.ts'
import type { Principal, Route } from '../../pipeline/call.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Listed } from '../../pipeline/rights.ts'
import { type Explained, type RuleStep, explain } from './explain.ts'
import { PrincipalRights } from './principal-rights.ts'
import { type Rule, compileRules } from './rule.ts'
import { createScopeBook } from './scopes.ts'
import type { Asked } from './things.ts'
import type { CallRights, Candidate, RuleIndex } from './verdict.ts'

/** The rules of a configuration, compiled and indexed. Nothing in it changes, apart from what it remembers. */
export interface Policy {
  /** The rights of a principal; the same object for the same principal and route. */
  readonly rightsOf: (principal: Principal, route: Route) => CallRights
  /** Whether there is a call of it that somebody could be allowed. */
  isReachable(listed: Listed): boolean
  /** Every rule in its order, and what it says to this call. */
  explain(who: Caller, call: Explained): readonly RuleStep[]
}

/** Who calls, and by which route. */
export interface Caller {
  readonly principal: Principal
  readonly route: Route
}

/** What a policy is made with. */
export interface PolicyPorts {
  readonly clock: Pick<Clock, 'now'>
  /** Names of the backends. */
  readonly backends: readonly string[]
}

/** Things of which it is remembered which rules cover them, and the longest name of one. */
const MAX_REMEMBERED = 20_000
const MAX_NAME = 256

/**
 * Compiles the policy.
 *
 * @returns undefined where there is neither a rule nor a scope: nothing is asked then
 */
export function createPolicy(
  config: AuthorizationConfig | undefined,
  ports: PolicyPorts,
): Policy | undefined {
  if (config === undefined || config.rules.length + config.scopes.length === 0) return undefined
  const rules = compileRules(config, ports)
  const index = createIndex(rules)
  const scopes = createScopeBook(config, rules)
  const known = new WeakMap<Principal, Map<string, PrincipalRights>>()
  const create = (principal: Principal, path: string): PrincipalRights =>
    new PrincipalRights({ principal, path, rules, index, scopes, argumentSize: config.argumentSize })
  const rightsOf = (principal: Principal, route: Route): PrincipalRights => {
    const routes = known.get(principal) ?? new Map<string, PrincipalRights>()
    const key = route.kind === 'aggregate' ? '' : route.backend
    const kept = routes.get(key)
    if (kept !== undefined) return kept
    const rights = create(principal, pathOf(route))
    known.set(principal, routes.set(key, rights))
    return rights
  }
  return {
    rightsOf,
    isReachable: (listed) => isReachable(index(listed)),
    explain: ({ principal, route }, call) => explain(rules, rightsOf(principal, route), call),
  }
}

/** The path by which clients address a route. */
export function pathOf(route: Route): string {
  return route.kind === 'aggregate' ? '/mcp' : `/mcp/${route.backend}`
}

/** Remembers which rules cover what, so that a call asks only those, however many there are. */
function createIndex(rules: readonly Rule[]): RuleIndex {
  // By kind, backend and name, each apart: names are what backends like, and must not pass for another's.
  const kinds = new Map<Asked['kind'], Map<string, Map<string, Remembered>>>()
  let remembered = 0
  const search: RuleIndex = (asked) =>
    rules.flatMap((rule) => {
      const coverage = rule.things.covers(asked)
      return coverage === 'none' ? [] : [{ rule, coverage }]
    })
  return (asked) => {
    const hints = asked.kind === 'method' ? undefined : asked.hints
    const entry = kinds.get(asked.kind)?.get(asked.backend)?.get(asked.key)
    if (entry !== undefined && entry.hints === hints) return entry.found
    // Callers make up URIs: what is remembered of them stays small.
    if (asked.key.length > MAX_NAME) return search(asked)
    if (entry === undefined && ++remembered > MAX_REMEMBERED) {
      kinds.clear()
      remembered = 1
    }
    const found = search(asked)
    const backends = kinds.get(asked.kind) ?? new Map<string, Map<string, Remembered>>()
    const names = backends.get(asked.backend) ?? new Map<string, Remembered>()
    kinds.set(asked.kind, backends.set(asked.backend, names.set(asked.key, { hints, found })))
    return found
  }
}

interface Remembered {
  readonly hints: unknown
  readonly found: readonly Candidate[]
}

/** A tool nobody can call is one that no rule allows, or that a rule without any condition denies first. */
function isReachable(candidates: readonly Candidate[]): boolean {
  for (const { rule, coverage } of candidates) {
    if (rule.effect === 'allow') return true
    const { who, scopes, routes, condition } = rule
    const always = who.length === 0 && scopes.length === 0 && routes === undefined && condition === undefined
    if (always && coverage === 'all') return false
  }
  return false
}
