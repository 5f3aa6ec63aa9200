import { canBeginWith } from './glob.ts'

/** The name under which the gateway's own tools are written in rules: `gateway_metrics`, `gateway/metrics`. */
export const OWN = 'gateway'

/** What an entry such as `github_list_*` or `github/list_*` means. */
export type NamedThings =
  /** Names at backends of that pattern. */
  | { readonly kind: 'apart'; readonly backends: string; readonly names: string }
  /** `<backend>_<name>` of that one backend. */
  | { readonly kind: 'joined'; readonly backend: string; readonly whole: string }
  /** No backend is called so. */
  | { readonly kind: 'nobody' }
  /** It could be about several backends, and nobody can tell. */
  | { readonly kind: 'ambiguous'; readonly backends: readonly string[] }

/**
 * Finds out whose tools (or prompts) an entry is about, by the names of the backends alone: no list of a backend can make
 * it mean something else later. `<backend>_<name>` is taken apart only where exactly one backend fits.
 */
export function namedThings(entry: string, backends: readonly string[]): NamedThings {
  const slash = entry.indexOf('/')
  if (slash !== -1) return { kind: 'apart', backends: entry.slice(0, slash), names: entry.slice(slash + 1) }
  const all = entry.startsWith(`${OWN}_`) ? [...backends, OWN] : backends
  const fitting = all.filter((backend) => canBeginWith(entry, `${backend}_`))
  const [first, ...others] = fitting
  if (first === undefined) return { kind: 'nobody' }
  return others.length > 0
    ? { kind: 'ambiguous', backends: fitting }
    : { kind: 'joined', backend: first, whole: entry }
}
