import { authorizationSchema } from './authorization-schema.ts'
import { shadows } from './authorization-shadows.ts'
import type { AuthorizationConfig, ThingsConfig } from './authorization-types.ts'
import { anyMatches, glob } from './glob.ts'
import { type NamedThings, namedThings } from './named-things.ts'
import { nearest } from './nearest.ts'
import type { ConfigPath, Finding } from './problem.ts'
import { isMapping, valueAt } from './tree.ts'

/** What holds for a section only together with the backends of the file. */
export interface AuthorizationFindings {
  readonly problems: readonly Finding[]
  readonly warnings: readonly Finding[]
}

/** An entry of a list of tools or prompts, and where it stands. */
interface Entry {
  readonly path: ConfigPath
  readonly text: string
}

/**
 * Checks entries against the backends: one that could be about several is a problem, because it would open or close what
 * its author did not mean; one that is about none is a doubt. A hierarchy that goes round in circles is a problem. Looks at
 * raw values, so that it speaks even if other sections are wrong.
 */
export function authorizationFindings(root: unknown): AuthorizationFindings {
  const section = authorizationSchema.safeParse(valueAt(root, ['authorization']))
  const backends = valueAt(root, ['backends'])
  if (!section.success || !isMapping(backends)) return { problems: [], warnings: [] }
  return findingsOf(section.data, Object.keys(backends), (path) => valueAt(root, path))
}

/** What is written at a path. */
type Written = (path: ConfigPath) => unknown

function findingsOf(
  config: AuthorizationConfig,
  backends: readonly string[],
  written: Written,
): AuthorizationFindings {
  const problems: Finding[] = [...circles(config)]
  const warnings: Finding[] = [...shadows(config, backends)]
  for (const { path, text } of entriesOf(config, written)) {
    const named = namedThings(text, backends)
    if (named.kind === 'ambiguous') problems.push({ path, message: ambiguous(text, named.backends) })
    else if (!isAboutSomebody(named, backends)) warnings.push({ path, ...aboutNobody(text, backends) })
  }
  config.rules.forEach((rule, index) => {
    rule.backends?.forEach((text, place) => {
      if (anyMatches([glob(text)], 'gateway') || backends.some((name) => glob(text).matches(name))) return
      const path: ConfigPath = ['authorization', 'rules', index, 'backends']
      warnings.push({ path: placeOf(path, place, written), ...aboutNobody(text, backends) })
    })
  })
  return { problems, warnings }
}

function ambiguous(text: string, backends: readonly string[]): string {
  const apart = backends.map((backend) => {
    const prefix = `${backend}_`
    return text.startsWith(prefix) ? `${backend}/${text.slice(prefix.length)}` : `${backend}/…`
  })
  return (
    `${JSON.stringify(text)} could be about tools of ${backends.join(' and ')}: ` +
    `write the backend and a slash in front (${apart.join(', ')}, or */… for all backends)`
  )
}

function isAboutSomebody(named: NamedThings, backends: readonly string[]): boolean {
  if (named.kind !== 'apart') return named.kind === 'joined'
  return [...backends, 'gateway'].some((backend) => glob(named.backends).matches(backend))
}

function aboutNobody(text: string, backends: readonly string[]): Pick<Finding, 'message' | 'suggestion'> {
  const meant = nearest(/^[^_/]*/.exec(text)?.[0] ?? '', backends)
  return {
    message: `no backend is called so, so nothing is matched: ${JSON.stringify(text)}`,
    ...(meant === undefined ? {} : { suggestion: meant }),
  }
}

/** A text alone may stand for a list of one. */
function placeOf(path: ConfigPath, index: number, written: Written): ConfigPath {
  return Array.isArray(written(path)) ? [...path, index] : path
}

function entriesOf({ scopes, rules }: AuthorizationConfig, written: Written): readonly Entry[] {
  const ofThings = (things: ThingsConfig, path: ConfigPath): readonly Entry[] =>
    (['tools', 'prompts'] as const).flatMap((kind) => {
      // Tools may be written without saying so.
      const own = isMapping(written(path)) ? [...path, kind] : path
      return things[kind].map((text, index) => ({ path: placeOf(own, index, written), text }))
    })
  return [
    ...scopes.flatMap((grant) => ofThings(grant, ['authorization', 'scopes', grant.scope])),
    ...rules.flatMap(({ things }, index) =>
      things === undefined ? [] : ofThings(things, ['authorization', 'rules', index]),
    ),
  ]
}

function circles({ scopeHierarchy }: AuthorizationConfig): readonly Finding[] {
  return Object.keys(scopeHierarchy)
    .filter((scope) => scopesBelow(scope, scopeHierarchy).has(scope))
    .map((scope) => ({
      path: ['authorization', 'scopeHierarchy', scope],
      message: `${scope} comes with itself: a hierarchy has a top`,
    }))
}

/** The scopes that come with a scope, and those that come with these, without the scope itself unless it goes in circles. */
export function scopesBelow(
  scope: string,
  hierarchy: AuthorizationConfig['scopeHierarchy'],
): ReadonlySet<string> {
  const below = new Set<string>()
  const add = (from: string): void => {
    if (!Object.hasOwn(hierarchy, from)) return
    for (const each of hierarchy[from] ?? []) {
      if (below.has(each)) continue
      below.add(each)
      add(each)
    }
  }
  add(scope)
  return below
}
