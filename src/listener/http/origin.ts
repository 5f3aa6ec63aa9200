import type { HttpRequest, HttpResponse } from './exchange.ts'
import { isLoopback, isLoopbackAuthority } from '../../config/listen.ts'
import type { GatewaySettings } from '../../config/types.ts'
import { GatewayError } from '../../errors.ts'
import { allowReading, answerPreflight, isPreflight } from './cors.ts'

/** What every request passes first. */
export interface OriginCheck {
  /**
   * Refuses requests that a browser was tricked into making (DNS rebinding, forged requests), and says to browsers what
   * pages of allowed origins may send and read (CORS).
   *
   * @param path without the query
   * @returns true if that was all: a preflight, which has been answered
   * @throws GatewayError ORIGIN_FORBIDDEN, HOST_FORBIDDEN or INVALID_REQUEST
   */
  (request: HttpRequest, response: HttpResponse, path: string): boolean
}

/** Protected resource metadata (RFC 9728): public, and of use to pages before they may call anything. */
export const PUBLIC_PATH = '/.well-known/oauth-protected-resource'

/**
 * `Origin` must be known (2026-07-28, basic/transports/streamable-http "Security & Endpoint"), and while the gateway
 * listens on loopback, `Host` must name this machine. More than one `Host` is refused everywhere (RFC 9112 section 3.2):
 * others may have believed another.
 */
export function originCheck(settings: GatewaySettings): OriginCheck {
  const origins = new Set(settings.allowedOrigins.map((origin) => origin.toLowerCase()))
  const isKnownOrigin = (origin: string): boolean =>
    origins.has(origin.toLowerCase()) || (local && isLoopbackOrigin(origin))
  const local = isLoopback(settings.listen.host)
  const checkHost = hostCheck(settings, local)
  return (request, response, path) => {
    const { origin, host } = request.headers
    if (host?.includes(',') === true)
      throw new GatewayError('INVALID_REQUEST', 'The request has more than one Host header')
    checkHost(host)
    if (origin === undefined) return false
    if (isKnownOrigin(origin)) allowReading(response, origin)
    else if (path.startsWith(PUBLIC_PATH)) allowReading(response, '*')
    else throw new GatewayError('ORIGIN_FORBIDDEN', 'The Origin of the request is not allowed')
    if (!isPreflight(request)) return false
    answerPreflight(request, response)
    return true
  }
}

function hostCheck(settings: GatewaySettings, local: boolean): (host: string | undefined) => void {
  const { allowedHosts, publicUrl } = settings
  // A proxy on this machine passes on the name that clients know.
  const own = local && publicUrl !== undefined ? [new URL(publicUrl).host] : []
  const hosts = new Set([...allowedHosts.map((host) => host.toLowerCase()), ...own])
  if (!local && hosts.size === 0) return () => undefined
  // Requests that follow each other mostly name the same.
  let allowed: string | undefined
  return (host) => {
    // Only HTTP/1.0 may leave it out, which no browser speaks.
    if (host === undefined || host === allowed) return
    if (!(local && isLoopbackAuthority(host)) && !hosts.has(host.toLowerCase()))
      throw new GatewayError('HOST_FORBIDDEN', 'The Host of the request is not allowed')
    allowed = host
  }
}

function isLoopbackOrigin(origin: string): boolean {
  const authority = /^https?:\/\/([^/]*)$/i.exec(origin)?.[1]
  return authority !== undefined && isLoopbackAuthority(authority)
}
