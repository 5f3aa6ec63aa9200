import type { AuthorizationConfig } from '../../config/authorization-types.ts'
import { scopesBelow } from '../../config/authorization-check.ts'
import type { Glob } from '../../config/glob.ts'
import type { Rule } from './rule.ts'

/** The scopes of a configuration: which come with which, and which can be asked for. */
export interface ScopeBook {
  /** Everything that whoever has these scopes holds. */
  heldWith(scopes: Iterable<string>): ReadonlySet<string>
  /** A scope to ask for by name that the pattern matches; undefined where none is known. */
  nameFor(pattern: Glob): string | undefined
}

/** Reads the book. Scopes with `*` are patterns, and nobody is told to ask for one. */
export function createScopeBook(
  { scopeHierarchy }: Pick<AuthorizationConfig, 'scopeHierarchy'>,
  rules: readonly Rule[],
): ScopeBook {
  const below = new Map(
    Object.keys(scopeHierarchy).map((scope) => [scope, scopesBelow(scope, scopeHierarchy)]),
  )
  const literal = rules.flatMap(({ scopes }) => scopes.filter((each) => each.literal).map(({ text }) => text))
  const named = [
    ...new Set([...literal, ...[...below.values()].flatMap((each) => [...each]), ...below.keys()]),
  ]
  const askable = named.filter((scope) => !scope.includes('*'))
  return {
    heldWith(scopes) {
      const held = new Set(scopes)
      for (const scope of scopes) below.get(scope)?.forEach((each) => held.add(each))
      return held
    },
    nameFor: (pattern) => (pattern.literal ? pattern.text : askable.find((scope) => pattern.matches(scope))),
  }
}

/** Whether one of the scopes is what the pattern asks for. */
export function holdsScope(held: ReadonlySet<string>, pattern: Glob): boolean {
  if (pattern.literal || held.size === 0) return held.has(pattern.text)
  for (const scope of held) if (pattern.matches(scope)) return true
  return false
}
