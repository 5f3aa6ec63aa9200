import type { Route } from '../pipeline/call.ts'

/** The gateway as a protected resource: each route is one of its own (RFC 8707 §2, RFC 9728 §3). */
export interface Resources {
  /** The identifier of a route, in the spelling by which the client addresses it. */
  idOf(route: Route, at: Address): string
  /** Where the metadata of a route is. */
  metadataUrlOf(route: Route, at: Address): string
  /** The URL that the client sees for a path of the gateway. */
  urlOf(path: string, at: Address): string
  /** Whether one of the audiences (canonical) is the route. */
  includes(audiences: ReadonlySet<string>, route: Route, at: Address): boolean
  /** The route whose metadata is at that path; undefined for any other path. */
  routeOf(path: string): Route | undefined
}

/** How a request came here. */
export interface Address {
  /** `Host`; only ever chooses among spellings that are known. */
  readonly host: string | undefined
  /** The port of this end of the connection. */
  readonly port: number | undefined
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** Names of this machine, under any of which a loopback listener may be addressed. */
const LOOPBACK = ['127.0.0.1', 'localhost', '[::1]'] as const

/**
 * A URI in canonical spelling: scheme and host in lower case, no default port (2026-07-28, basic/authorization "Canonical
 * Server URI"). What is no URL stays as it is.
 */
export function canonicalUri(text: string): string {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return text
  // A URL without a path gets a slash that nobody wrote.
  return url.pathname === '/' && url.search === '' && url.hash === '' ? url.origin : url.href
}

/**
 * Names the routes.
 *
 * @param publicUrl undefined where the gateway is reached at the loopback address that it listens on
 * @param backends their names, now
 */
export function createResources(publicUrl: string | undefined, backends: () => readonly string[]): Resources {
  const routeAt = (path: string): Route | undefined => {
    if (path === '/mcp') return { kind: 'aggregate' }
    const backend = backends().find((name) => path === `/mcp/${name}`)
    return backend === undefined ? undefined : { kind: 'backend', backend }
  }
  const prefix = publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/\/$/, '')
  const basesAt = baseFinder(publicUrl)
  const baseOf = ({ host, port }: Address): string => {
    const bases = basesAt(port)
    const asked = `http://${host?.toLowerCase()}`
    return bases.find((base) => base === asked) ?? bases[0] ?? ''
  }
  const idsAt = spellings(basesAt)
  return {
    idOf: (route, at) => canonicalUri(baseOf(at) + pathOf(route)),
    metadataUrlOf(route, at) {
      const base = new URL(baseOf(at))
      return `${base.origin}${WELL_KNOWN}${prefix}${pathOf(route)}`
    },
    urlOf: (path, at) => canonicalUri(baseOf(at) + path),
    includes: (audiences, route, { port }) => idsAt(route, port).some((id) => audiences.has(id)),
    routeOf(path) {
      if (!path.startsWith(WELL_KNOWN)) return undefined
      const rest = path.slice(WELL_KNOWN.length)
      // At the root stands what the path-aware document of the aggregate says.
      if (rest === '') return routeAt('/mcp')
      return routeAt(rest) ?? (rest.startsWith(prefix) ? routeAt(rest.slice(prefix.length)) : undefined)
    },
  }
}

/** The spellings of the gateway's own URL, by the port that was connected to. */
function baseFinder(publicUrl: string | undefined): (port: number | undefined) => readonly string[] {
  if (publicUrl !== undefined) {
    const bases = [publicUrl]
    return () => bases
  }
  let known: { readonly port: number | undefined; readonly bases: readonly string[] } | undefined
  return (port) => {
    if (known?.port !== port) known = { port, bases: LOOPBACK.map((host) => `http://${host}:${port}`) }
    return known?.bases ?? []
  }
}

/** The identifiers of a route in every spelling, made once for each: this is asked for every request. */
function spellings(
  basesAt: (port: number | undefined) => readonly string[],
): (route: Route, port: number | undefined) => readonly string[] {
  const known = new WeakMap<Route, { readonly bases: readonly string[]; readonly ids: readonly string[] }>()
  return (route, port) => {
    const bases = basesAt(port)
    const found = known.get(route)
    if (found?.bases === bases) return found.ids
    const ids = bases.map((base) => canonicalUri(base + pathOf(route)))
    known.set(route, { bases, ids })
    return ids
  }
}

function pathOf(route: Route): string {
  return route.kind === 'aggregate' ? '/mcp' : `/mcp/${route.backend}`
}
