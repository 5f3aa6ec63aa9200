import { HIDDEN_IN_NAME } from './hidden.ts'

/** Longest name that becomes part of a path, in UTF-16 units. */
const LONGEST = 256

/** What a server, or a proxy before it, takes for a step in the path, even where it is encoded (RFC 3986 §5.2.4). */
const DOTS = /(?:^|[/\\])\.{1,2}(?:$|[/\\])/

/**
 * A name as one segment of a path: everything but unreserved characters is encoded, so that `/`, `%` and `?` stay part of
 * it (RFC 3986 §2.3, §3.3). Undefined for a name that no encoding makes safe: empty or very long, with characters that
 * nobody sees, or with `.` or `..` as a step, which many servers resolve after they have decoded the path.
 */
export function pathSegment(name: string): string | undefined {
  if (name === '' || name.length > LONGEST || HIDDEN_IN_NAME.test(name) || DOTS.test(name)) return undefined
  return encodeURIComponent(name).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
