import { type LookupFunction, isIP } from 'node:net'
import { callbackify } from 'node:util'
import { Agent, fetch } from 'undici'
import type { Fetch } from './outbound.ts'
import { isPublicAddress } from './public-address.ts'

/** The addresses of a host: `dns.promises.lookup` with `all`. */
export type Resolve = (
  host: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>

/** What a guarded fetch needs. */
export interface GuardedFetchPorts {
  readonly resolve: Resolve
  /** Which addresses may be connected to. Default {@link isPublicAddress}. */
  readonly isAllowed?: (address: string) => boolean
}

/** A fetch that holds connections. */
export interface GuardedFetch {
  readonly fetch: Fetch
  readonly close: () => Promise<void>
}

/** Largest body, in bytes; callers may want less. */
const LARGEST = 1024 * 1024
/** Milliseconds to connect, to get headers, and between two pieces of the body. */
const PATIENCE = 5000

/**
 * A fetch for URLs that somebody else than the operator chose, such as those in the metadata of an issuer: without it,
 * whoever chooses them could make the gateway ask hosts that only the gateway can reach (server-side request forgery).
 *
 * - Only https, on whatever port, without user and password in the URL.
 * - Only public addresses. They are looked up once, all are checked, and the connection goes to those that were checked,
 *   so that a name cannot mean another address a moment later (DNS rebinding).
 * - No redirects, no proxies of the environment, no cookies; bounded in time and size.
 *
 * The promise rejects with a TypeError, like that of any fetch; it or its cause says why.
 */
export function createGuardedFetch(ports: GuardedFetchPorts): GuardedFetch {
  const { resolve, isAllowed = isPublicAddress } = ports
  const agent = new Agent({
    connect: { lookup: guardedLookup(resolve, isAllowed), timeout: PATIENCE },
    headersTimeout: PATIENCE,
    bodyTimeout: PATIENCE,
    maxResponseSize: LARGEST,
    pipelining: 1,
  })
  return {
    fetch: async (url, init) => {
      requireGuardable(url, isAllowed)
      const { method, headers, body, signal } = init ?? {}
      return fetch(url, {
        dispatcher: agent,
        redirect: 'error',
        credentials: 'omit',
        ...(method === undefined ? {} : { method }),
        ...(headers === undefined ? {} : { headers }),
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      })
    },
    close: () => agent.close(),
  }
}

/** @throws TypeError for a URL that is refused by what it says */
function requireGuardable(text: string, isAllowed: (address: string) => boolean): void {
  const url = URL.parse(text)
  if (url === null) throw refused('it is no URL')
  if (url.protocol !== 'https:') throw refused('it is not https')
  if (url.username !== '' || url.password !== '') throw refused('it holds credentials')
  // Addresses are not looked up before connecting, so that they are looked at here. The parser has made them canonical.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !isAllowed(host)) throw refused('its address is not public')
}

function guardedLookup(resolve: Resolve, isAllowed: (address: string) => boolean): LookupFunction {
  const checked = callbackify(async (host: string) => {
    const found = await resolve(host)
    // One private address among public ones is no accident.
    if (found.length === 0 || !found.every(({ address }) => isAllowed(address))) {
      throw refused(`${host} has an address that is not public`)
    }
    return found
  })
  return (host, options, callback) =>
    checked(host, (error, found) => {
      const [first] = found ?? []
      if (first === undefined) callback(error, '')
      else if (options.all === true) callback(null, [...found])
      else callback(null, first.address, first.family)
    })
}

function refused(reason: string): TypeError {
  return new TypeError(`The URL is not followed: ${reason}`)
}
