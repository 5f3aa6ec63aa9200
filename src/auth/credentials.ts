import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../errors.ts'

/** An HTTP request, as far as authentication looks at it. */
export interface DoorRequest {
  readonly method?: string | undefined
  /** Path and query. */
  readonly url?: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly socket: { readonly remoteAddress?: string | undefined; readonly localPort?: number | undefined }
}

/** What a request says of its sender. */
export interface Credentials {
  readonly scheme: 'bearer' | 'dpop' | 'api-key'
  /** Secret. */
  readonly secret: string
}

/** What API keys begin with, so that they are told from tokens. */
const API_KEY_PREFIX = 'tg_'

/** RFC 6750 §2.1. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/

/** Names under which a token must not stand in a URL, where logs and referrers would keep it. */
const IN_QUERY = /[?&](?:access_token|api[-_]?key|authorization)=/i

/**
 * Reads what a request says of its sender; undefined where it says nothing, or in a scheme that is not known here.
 *
 * @throws GatewayError INVALID_REQUEST for credentials in the query string, in two places, or malformed (RFC 6750 §3.1)
 */
export function readCredentials({ url, headers }: DoorRequest): Credentials | undefined {
  if (url?.includes('?') === true && IN_QUERY.test(url))
    throw badRequest('Credentials must not be sent in the query string: use the Authorization header')
  const { authorization } = headers
  const apiKey = headers['x-api-key']
  if (apiKey !== undefined) {
    if (authorization !== undefined)
      throw badRequest('Credentials must be sent once: in Authorization or in X-API-Key, not in both')
    if (typeof apiKey !== 'string' || !TOKEN.test(apiKey)) throw badRequest('X-API-Key is malformed')
    return { scheme: 'api-key', secret: apiKey }
  }
  return authorization === undefined ? undefined : readAuthorization(authorization)
}

function readAuthorization(header: string): Credentials | undefined {
  const space = header.indexOf(' ')
  const name = (space === -1 ? header : header.slice(0, space)).toLowerCase()
  if (name !== 'bearer' && name !== 'dpop') return undefined
  const secret = space === -1 ? '' : header.slice(space + 1).trim()
  if (!TOKEN.test(secret)) throw badRequest('The Authorization header is malformed')
  if (name === 'bearer' && secret.startsWith(API_KEY_PREFIX)) return { scheme: 'api-key', secret }
  return { scheme: name, secret }
}

function badRequest(message: string): GatewayError {
  const challenge = `Bearer error="invalid_request", error_description="${message}"`
  return new GatewayError('INVALID_REQUEST', message, { headers: { 'www-authenticate': challenge } })
}
