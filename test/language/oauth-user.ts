/** A person with a browser, for the OAuth clients of both SDK generations. */
import type { OAuthClientProvider as ProviderV2 } from '@modelcontextprotocol/client'
import type { OAuthClientProvider as ProviderV1 } from '@modelcontextprotocol/sdk/client/auth.js'
import { type OpenIdProvider, REDIRECT } from './provider.ts'

/** What a client keeps, and what its user did. */
export interface OAuthUser {
  /** What the SDK asks, in the form that both generations share. */
  readonly sdk: ProviderV1 & ProviderV2
  /** Where the browser was sent, in order. */
  readonly visits: readonly URL[]
  /** Where it came back to, last. */
  readonly cameBack: () => URL
  readonly accessToken: () => string | undefined
  /** Changes what is kept, as if it had been spoilt. */
  spoilAccessToken(token: string): void
}

/**
 * A user who signs in at that provider, and agrees to everything.
 *
 * @param clientId of a client that is registered already; by default the client registers itself, for the scopes that
 *   it is told of first
 */
export function oauthUser(provider: OpenIdProvider, clientId?: string): OAuthUser {
  type Tokens = NonNullable<Awaited<ReturnType<ProviderV1['tokens']>>>
  type Information = NonNullable<Awaited<ReturnType<ProviderV1['clientInformation']>>>
  let tokens: Tokens | undefined
  let information: Information | undefined = clientId === undefined ? undefined : { client_id: clientId }
  let verifier = ''
  let cameBack: URL | undefined
  const visits: URL[] = []
  return {
    visits,
    cameBack() {
      if (cameBack === undefined) throw new Error('the browser never came back')
      return cameBack
    },
    accessToken: () => tokens?.access_token,
    spoilAccessToken(token) {
      if (tokens !== undefined) tokens = { ...tokens, access_token: token }
    },
    sdk: {
      redirectUrl: REDIRECT,
      clientMetadata: {
        client_name: 'test client',
        redirect_uris: [REDIRECT],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
      clientInformation: () => information,
      saveClientInformation(saved: Information) {
        information = saved
      },
      tokens: () => tokens,
      saveTokens(saved: Tokens) {
        tokens = saved
      },
      async redirectToAuthorization(url: URL) {
        visits.push(url)
        cameBack = await provider.approve(url)
      },
      saveCodeVerifier(saved: string) {
        verifier = saved
      },
      codeVerifier: () => verifier,
    },
  }
}
