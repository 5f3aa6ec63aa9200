import { type Outbound, getJson, reasonOf } from './outbound.ts'

/** What the gateway wants to know of an authorization server (RFC 8414 §2). */
export interface IssuerMetadata {
  readonly issuer: string
  readonly jwksUri: string | undefined
  readonly introspectionEndpoint: string | undefined
}

/**
 * Where the metadata of an issuer may be, in the order of 2026-07-28, basic/authorization "Authorization Server Metadata
 * Discovery": RFC 8414 §3.1 and OpenID Connect Discovery, each with the path inserted, then with it in front.
 */
export function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const inserted = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
  ]
  return path === '' ? inserted : [...inserted, `${origin}${path}/.well-known/openid-configuration`]
}

/**
 * Finds the metadata of an issuer. A document about another issuer is not believed, character by character
 * (RFC 8414 §3.3).
 *
 * @throws Error that says what every place answered
 */
export async function discover(issuer: string, { fetch, clock }: Outbound): Promise<IssuerMetadata> {
  const failures: string[] = []
  for (const url of metadataUrls(issuer)) {
    try {
      const { value } = await getJson(fetch, url, clock)
      if (value['issuer'] !== issuer) throw new Error(`${url} is about another issuer`)
      return {
        issuer,
        jwksUri: urlOf(value['jwks_uri']),
        introspectionEndpoint: urlOf(value['introspection_endpoint']),
      }
    } catch (error) {
      failures.push(reasonOf(error))
    }
  }
  throw new Error(failures.join('; '))
}

function urlOf(value: unknown): string | undefined {
  return typeof value === 'string' && URL.canParse(value) ? value : undefined
}
