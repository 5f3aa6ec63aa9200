/** Scheme of qualified strings that have no usable scheme of their own. */
const BARE = 'toolgate'

/**
 * A URI or URI template that two backends list, in the form in which clients see the later one: the backend stands
 * in the scheme (`file:///a` of `db` is `file+db:///a`), and for `ui://`, whose scheme hosts look at, in front of
 * the path (`ui://db/…`). Still a valid URI (RFC 3986 section 3.1 allows `+` and `.` in schemes).
 */
export function qualifyUri(uri: string, backend: string): string {
  const label = labelOf(backend)
  if (/^ui:\/\//i.test(uri)) return `${uri.slice(0, 5)}${label}/${uri.slice(5)}`
  const scheme = /^[a-z][a-z0-9+.-]*(?=:)/i.exec(uri)?.[0]
  if (scheme === undefined || scheme.startsWith(BARE)) return `${BARE}+${label}:${uri}`
  return `${scheme}+${label}${uri.slice(scheme.length)}`
}

/** The URI that {@link qualifyUri} was given, or undefined when this is not its form for that backend. */
export function unqualifyUri(uri: string, backend: string): string | undefined {
  const label = labelOf(backend)
  if (/^ui:\/\//i.test(uri)) {
    return hasAt(uri, 5, `${label}/`) ? uri.slice(0, 5) + uri.slice(5 + label.length + 1) : undefined
  }
  const bare = `${BARE}+${label}:`
  if (hasAt(uri, 0, bare)) return uri.slice(bare.length)
  const colon = uri.indexOf(':')
  const from = colon - label.length - 1
  return from > 0 && hasAt(uri, from, `+${label}:`) ? uri.slice(0, from) + uri.slice(colon) : undefined
}

/** Schemes know no `_`, and compare without case. Names of backends hold no `.`, so that nothing is lost but the case. */
function labelOf(backend: string): string {
  return backend.toLowerCase().replaceAll('_', '.')
}

function hasAt(text: string, at: number, part: string): boolean {
  return text.slice(at, at + part.length).toLowerCase() === part
}
