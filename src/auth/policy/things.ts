import type { ThingsConfig } from '../../config/authorization-types.ts'
import { type Glob, anyMatches, canMeet, glob } from '../../config/glob.ts'
import { OWN, namedThings } from '../../config/named-things.ts'
import type { Listed } from '../../pipeline/rights.ts'
import type { ListKind } from '../../protocol/methods.ts'

/** What a call is for: something that is or could be listed, or a method of an extension. */
export type Asked = Listed | { readonly kind: 'method'; readonly backend: string; readonly key: string }

/** Whether rules are about all that something stands for, only some of it (as with templates), or none. */
export type Coverage = 'all' | 'some' | 'none'

/** What a rule is about. */
export interface Things {
  covers(asked: Asked): Coverage
  /** Whether it could cover anything of that kind at that backend. */
  reaches(backend: string, kind: ListKind | undefined): boolean
}

/** Every tool, prompt, resource and method of the backends that match. */
export function everything(backends: readonly Glob[] | undefined): Things {
  const fits = (backend: string): boolean => backends === undefined || anyMatches(backends, backend)
  return { covers: ({ backend }) => (fits(backend) ? 'all' : 'none'), reaches: fits }
}

/** The tools, prompts and resources that the entries mean. */
export function someThings(config: ThingsConfig, backends: readonly string[]): Things {
  const tools = named(config.tools, backends)
  const prompts = named(config.prompts, backends)
  const resources = config.resources.map((text) => glob(text))
  return {
    covers(asked) {
      switch (asked.kind) {
        case 'tools':
          return tools.has(asked.backend, asked.key) ? 'all' : 'none'
        case 'prompts':
          return prompts.has(asked.backend, asked.key) ? 'all' : 'none'
        case 'resources':
          return anyMatches(resources, asked.key) ? 'all' : 'none'
        case 'resourceTemplates':
          return coversTemplate(resources, asked.key)
        case 'method':
          return 'none'
      }
    },
    reaches(backend, kind) {
      if (kind === 'tools') return tools.reaches(backend)
      if (kind === 'prompts') return prompts.reaches(backend)
      return (
        resources.length > 0 || (kind === undefined && (tools.reaches(backend) || prompts.reaches(backend)))
      )
    },
  }
}

/** Names of one kind at several backends. */
interface Named {
  has(backend: string, name: string): boolean
  reaches(backend: string): boolean
}

interface Pattern {
  readonly backends: Glob
  /** Of the name alone, or of backend and name joined by `_`. */
  readonly names: Glob
  readonly joined: boolean
}

/** Entries without `*`, which are nearly all, are looked up; the others are tried one after the other. */
function named(entries: readonly string[], backends: readonly string[]): Named {
  const exact = new Map<string, Set<string>>()
  // A tool of the gateway itself may be called as if it were another's: it is what clients see under that name.
  const whole = new Set(entries.filter((entry) => !/[*/]/.test(entry)))
  const patterns: Pattern[] = []
  for (const entry of entries) {
    const pattern = patternOf(entry, backends)
    if (pattern === undefined) continue
    const { backends: at, names } = pattern
    if (!at.literal || !names.literal) patterns.push(pattern)
    else exact.set(at.text, (exact.get(at.text) ?? new Set()).add(names.text))
  }
  return {
    has: (backend, name) =>
      exact.get(backend)?.has(name) === true ||
      (backend === OWN && whole.has(name)) ||
      patterns.some(
        ({ backends: at, names, joined }) =>
          at.matches(backend) && names.matches(joined ? `${backend}_${name}` : name),
      ),
    reaches: (backend) =>
      exact.has(backend) ||
      (backend === OWN && whole.size > 0) ||
      patterns.some(({ backends: at }) => at.matches(backend)),
  }
}

function patternOf(entry: string, backends: readonly string[]): Pattern | undefined {
  const meant = namedThings(entry, backends)
  switch (meant.kind) {
    case 'apart':
      return { backends: glob(meant.backends), names: glob(meant.names), joined: false }
    case 'joined': {
      const prefix = `${meant.backend}_`
      const at = glob(meant.backend)
      if (!meant.whole.startsWith(prefix)) return { backends: at, names: glob(meant.whole), joined: true }
      return { backends: at, names: glob(meant.whole.slice(prefix.length)), joined: false }
    }
    case 'nobody':
      return undefined
    case 'ambiguous':
      throw new TypeError(`An entry is about several backends: ${entry}`)
  }
}

/** What is in braces can become anything: a character that no pattern holds, which only `*` matches. */
function coversTemplate(resources: readonly Glob[], template: string): Coverage {
  const any = template.replaceAll(/\{[^{}]*\}/g, '\uE000')
  if (anyMatches(resources, any)) return 'all'
  const open = any.replaceAll('\uE000', '*')
  return resources.some(({ text }) => canMeet(text, open)) ? 'some' : 'none'
}

/** A step that resolves to the same or the parent folder (RFC 3986 section 5.2.4), or that some servers take for one. */
const DOT_SEGMENT = /(?:^|[/\\])\.{1,2}(?:$|[/\\?#])/

/** Encodings of encodings that are undone; what is wrapped deeper is meant to deceive. */
const MAX_DECODED = 3

/** Longest URI that rules judge, in characters. */
const MAX_URI = 8192

/** Whether a URI could mean another one than it seems to, once its server decodes and resolves it. */
export function isTreacherous(uri: string): boolean {
  if (uri.length > MAX_URI) return true
  let decoded = uri
  for (let round = 0; round <= MAX_DECODED; round++) {
    if (DOT_SEGMENT.test(decoded)) return true
    const next = decoded.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    if (next === decoded) return false
    decoded = next
  }
  return true
}
