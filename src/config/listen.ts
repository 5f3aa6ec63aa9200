import { isIP, isIPv6 } from 'node:net'
import type { ListenAddress } from './types.ts'
import { type Parsed, parseCount } from './units.ts'

const EXPECTED = 'expected an address as host:port, such as 127.0.0.1:8080 or [::1]:8080'
const EXPLICIT = 'listening on every address must be explicit'
const HOSTNAME =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/

/** Reads `host:port` or `[IPv6]:port`. A missing host is refused, because many programs then listen everywhere. */
export function parseListen(found: unknown): Parsed<ListenAddress> {
  if (typeof found === 'number' || (typeof found === 'string' && /^[:*]?:?\d+$/.test(found))) {
    const port = String(found).replace(/^\D+/, '')
    return {
      expected: `${EXPECTED} (${EXPLICIT})`,
      hint: `127.0.0.1:${port} for this machine only, or 0.0.0.0:${port}`,
    }
  }
  if (typeof found !== 'string') return { expected: EXPECTED }
  const colon = found.lastIndexOf(':')
  const bracketed = /^\[([^\]]*)\]$/.exec(found.slice(0, Math.max(colon, 0)))?.[1]
  const host = bracketed ?? found.slice(0, Math.max(colon, 0))
  const port = parseCount(found.slice(colon + 1), 0, 65_535)
  if (bracketed === undefined && isIPv6(host)) return { expected: `${EXPECTED}, with IPv6 in brackets` }
  const known = bracketed === undefined ? isIP(host) === 4 || isName(host) : isIPv6(bracketed)
  if (!known) return { expected: EXPECTED }
  return 'value' in port
    ? { value: { host, port: port.value } }
    : { expected: `${EXPECTED}, port 0 to 65535` }
}

/** Names of digits and dots only are mistyped IPv4 addresses. */
function isName(host: string): boolean {
  return HOSTNAME.test(host) && !/^[\d.]+$/.test(host)
}

/** True if nothing outside this machine can reach the host: 127.0.0.0/8, ::1, localhost. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^::ffff:/, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

const LOOPBACK_AUTHORITY = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i

/** True for a `Host` (with or without its port) that means this machine wherever it is resolved. */
export function isLoopbackAuthority(host: string): boolean {
  return LOOPBACK_AUTHORITY.test(host)
}

/** The address as it is written in a configuration or a URL. */
export function formatListen({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
