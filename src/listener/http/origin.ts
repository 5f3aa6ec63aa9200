import { GatewayError } from '../../errors.ts'
import type { GatewaySettings } from '../../config/types.ts'

const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i

/** True for an address that only this machine can reach. */
function isLoopback(host: string): boolean {
  return host === '::1' || LOOPBACK_HOST.test(host)
}

/**
 * Refuses requests that a browser was tricked into making (DNS rebinding): `Origin` must be known (2026-07-28,
 * basic/transports/streamable-http "Security & Endpoint"), and while the gateway listens on loopback, `Host` must
 * name this machine. More than one `Host` is refused everywhere (RFC 9112 section 3.2): others may have believed another.
 *
 * @returns a check that throws GatewayError ORIGIN_FORBIDDEN, HOST_FORBIDDEN or INVALID_REQUEST
 */
export function originCheck(
  settings: GatewaySettings,
): (origin: string | undefined, host: string | undefined) => void {
  const origins = new Set(settings.allowedOrigins.map((origin) => origin.toLowerCase()))
  const hosts = new Set(settings.allowedHosts.map((host) => host.toLowerCase()))
  const local = isLoopback(settings.listen.host)
  const checksHost = local || hosts.size > 0
  return (origin, host) => {
    if (host?.includes(',') === true)
      throw new GatewayError('INVALID_REQUEST', 'The request has more than one Host header')
    if (origin !== undefined && !origins.has(origin.toLowerCase()) && !(local && isLoopbackOrigin(origin))) {
      throw new GatewayError('ORIGIN_FORBIDDEN', 'The Origin of the request is not allowed')
    }
    if (!checksHost || host === undefined) return
    if ((local && LOOPBACK_HOST.test(host)) || hosts.has(host.toLowerCase())) return
    throw new GatewayError('HOST_FORBIDDEN', 'The Host of the request is not allowed')
  }
}

function isLoopbackOrigin(origin: string): boolean {
  const host = /^https?:\/\/([^/]*)$/i.exec(origin)?.[1]
  return host !== undefined && LOOPBACK_HOST.test(host)
}
