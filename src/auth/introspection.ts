import {
  ClientSecretBasic,
  allowInsecureRequests,
  customFetch,
  introspectionRequest,
  processIntrospectionResponse,
} from 'oauth4webapi'
import type { IntrospectionConfig, IssuerConfig } from '../config/auth-types.ts'
import { GatewayError } from '../errors.ts'
import type { Log } from '../pipeline/log.ts'
import { type Claims, readClaims } from './claims.ts'
import type { IssuerKeys } from './keys.ts'
import { type Fetch, type Outbound, fetchBounded, fetchFor, reasonOf } from './outbound.ts'
import type { VerifiedToken } from './verified.ts'

/** What asking one issuer about opaque tokens needs. */
export interface IntrospectionPorts {
  readonly config: IssuerConfig
  readonly keys: IssuerKeys
  readonly outbound: Outbound
  readonly log: Log
  /** Milliseconds. */
  readonly clockSkew: number
}

/**
 * Asks the issuer about an opaque token (RFC 7662).
 *
 * @returns undefined where the issuer does not know it, or knows it as spent
 * @throws CredentialError for an answer that lacks what is needed, GatewayError ISSUER_UNAVAILABLE
 */
export async function introspect(
  token: string,
  asked: IntrospectionConfig,
  ports: IntrospectionPorts,
): Promise<VerifiedToken | undefined> {
  const { config, outbound, clockSkew } = ports
  const claims = await ask(token, asked, ports)
  const now = outbound.clock.wallTime()
  if (claims['active'] !== true || !isTimely(claims, now, clockSkew)) return undefined
  // RFC 7662 §2.2: what the answer says about its issuer must be this one.
  if (claims['iss'] !== undefined && claims['iss'] !== config.issuer) return undefined
  const exp = claims['exp']
  const until = typeof exp === 'number' ? exp * 1000 + clockSkew : Infinity
  const verified = readClaims(claims, config, until)
  const principal = until === Infinity ? { ...verified.principal, expiresAt: undefined } : verified.principal
  return {
    ...verified,
    principal,
    until: Math.min(until, now + asked.cacheFor),
    isStanding: () => true,
  }
}

function isTimely({ exp, nbf }: Claims, now: number, skew: number): boolean {
  if (typeof exp === 'number' && exp * 1000 + skew <= now) return false
  return typeof nbf !== 'number' || nbf * 1000 - skew <= now
}

async function ask(token: string, asked: IntrospectionConfig, ports: IntrospectionPorts): Promise<Claims> {
  const { config, outbound, keys, log } = ports
  const found = asked.endpoint ?? (await keys.metadata()).introspectionEndpoint
  try {
    if (found === undefined) throw new Error('its metadata names no introspection_endpoint')
    const fetch = asked.endpoint === undefined ? fetchFor(found, config.issuer, outbound) : outbound.fetch
    const server = { issuer: config.issuer, introspection_endpoint: found }
    const client = { client_id: asked.clientId }
    const response = await introspectionRequest(
      server,
      client,
      ClientSecretBasic(asked.clientSecret),
      token,
      {
        [customFetch]: bounded(fetch, outbound),
        // The configuration allows http on loopback only.
        [allowInsecureRequests]: true,
      },
    )
    return { ...(await processIntrospectionResponse(server, client, response)) }
  } catch (error) {
    log('warn', 'an issuer does not answer about tokens', { issuer: config.issuer, reason: reasonOf(error) })
    throw new GatewayError(
      'ISSUER_UNAVAILABLE',
      'The access token cannot be checked, because its issuer cannot be reached',
      { retryAfterMs: 5000 },
    )
  }
}

function bounded(fetch: Fetch, { clock }: Outbound): (url: string, init: object) => Promise<Response> {
  return (url, init) => fetchBounded(fetch, url, { ...init, clock })
}
