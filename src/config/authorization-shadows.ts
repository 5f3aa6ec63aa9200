import { isDeepStrictEqual } from 'node:util'
import { UNCONDITIONAL } from './authorization-schema.ts'
import type { AuthorizationConfig, RuleConfig, ThingsConfig } from './authorization-types.ts'
import { type Glob, anyMatches, glob } from './glob.ts'
import { namedThings } from './named-things.ts'
import type { ConfigPath, Finding } from './problem.ts'

/** A rule or what a scope opens, in one shape. */
interface Place {
  readonly path: ConfigPath
  readonly label: string
  readonly rule: RuleConfig
}

/** Rules after these are not looked at: each is compared with all before it. */
const MAX_COMPARED = 2000

/** Rules that can never decide, because they ask for what cannot be or because an earlier one decides everything they would. */
export function shadows(config: AuthorizationConfig, backends: readonly string[]): readonly Finding[] {
  const places = placesOf(config).slice(0, MAX_COMPARED)
  return places.flatMap(({ path, rule }, index): readonly Finding[] => {
    const contradiction = contradictionOf(rule)
    if (contradiction !== undefined) return [{ path, message: `can never match: ${contradiction}` }]
    const earlier = places.slice(0, index).find((other) => decidesAll(other.rule, rule, backends))
    if (earlier === undefined) return []
    return [{ path, message: `can never match: ${earlier.label} decides everything that it would` }]
  })
}

function placesOf({ rules, scopes }: AuthorizationConfig): readonly Place[] {
  return [
    ...rules.map((rule, index) => ({
      path: ['authorization', 'rules', index],
      label: rule.name ?? `rules[${index}]`,
      rule,
    })),
    ...scopes.map(({ scope, ...things }) => ({
      path: ['authorization', 'scopes', scope],
      label: `scopes[${JSON.stringify(scope)}]`,
      rule: { ...UNCONDITIONAL, effect: 'allow' as const, scopes: [scope], things },
    })),
  ]
}

/** What only somebody known can have. */
const KNOWN = ['subjects', 'groups', 'tenants', 'clients', 'issuers', 'claims'] as const

/** Settings of which one entry has to be true. */
const LISTS = ['subjects', 'groups', 'tenants', 'clients', 'issuers', 'routes', 'backends'] as const

function contradictionOf(rule: RuleConfig): string | undefined {
  const empty = LISTS.find((key) => rule[key]?.length === 0)
  if (empty !== undefined) return `${empty} is empty, so nothing matches`
  const { things, annotations } = rule
  if (
    things !== undefined &&
    [things.tools, things.prompts, things.resources].every(({ length }) => length === 0)
  )
    return 'it is about nothing'
  if (annotations !== undefined && things?.tools.length === 0) return 'only tools have annotations'
  const known = [...KNOWN, 'scopes' as const].find(
    (key) => rule.anonymous === true && rule[key] !== undefined,
  )
  return known === undefined ? undefined : `nobody anonymous has ${known}`
}

/** What else a rule asks for: another rule that asks for the same or less is true whenever it is. */
const DEMANDS = [...KNOWN, 'anonymous', 'scopes', 'routes', 'annotations', 'when'] as const

function decidesAll(earlier: RuleConfig, later: RuleConfig, backends: readonly string[]): boolean {
  return (
    DEMANDS.every((key) => earlier[key] === undefined || isDeepStrictEqual(earlier[key], later[key])) &&
    holdsBackends(earlier.backends, later.backends) &&
    holdsThings(earlier.things, later.things, backends)
  )
}

function holdsBackends(outer: readonly string[] | undefined, inner: readonly string[] | undefined): boolean {
  if (outer === undefined || outer.includes('*')) return true
  const globs = outer.map((text) => glob(text))
  return inner?.every((text) => anyMatches(globs, filled(text))) ?? false
}

function holdsThings(
  outer: ThingsConfig | undefined,
  inner: ThingsConfig | undefined,
  backends: readonly string[],
): boolean {
  if (outer === undefined) return true
  if (inner === undefined) return false
  const resources = outer.resources.map((text) => glob(text))
  return (
    inner.resources.every((text) => anyMatches(resources, filled(text))) &&
    holdsNames(outer.tools, inner.tools, backends) &&
    holdsNames(outer.prompts, inner.prompts, backends)
  )
}

function holdsNames(
  outer: readonly string[],
  inner: readonly string[],
  backends: readonly string[],
): boolean {
  const wide = outer.flatMap((text) => apart(text, backends) ?? [])
  return inner.every((text) => {
    const narrow = apart(text, backends)
    if (narrow === undefined) return outer.includes(text)
    return wide.some(
      ({ at, names }) => at.matches(filled(narrow.at.text)) && names.matches(filled(narrow.names.text)),
    )
  })
}

/** The backend and the name of an entry, where they can be told apart. */
function apart(
  entry: string,
  backends: readonly string[],
): { readonly at: Glob; readonly names: Glob } | undefined {
  const named = namedThings(entry, backends)
  if (named.kind === 'apart') return { at: glob(named.backends), names: glob(named.names) }
  if (named.kind !== 'joined' || !entry.startsWith(`${named.backend}_`)) return undefined
  return { at: glob(named.backend), names: glob(entry.slice(named.backend.length + 1)) }
}

/** The glob as a text that only a glob with a star in the same place matches. */
function filled(text: string): string {
  return text.replaceAll('*', '\uE000')
}
