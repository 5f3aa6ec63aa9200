/** A real OpenID provider on loopback, which approves whatever it is asked. */
import { once } from 'node:events'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, type JWK, SignJWT, exportJWK, generateKeyPair } from 'jose'
import { type Configuration, Provider } from 'oidc-provider'
import { type Journal, createJournal } from './journal.ts'
import type { Scope } from './scope.ts'

/** What a token is asked for with. */
export interface TokenWish {
  readonly scope?: string
  readonly resource: string
  /** `opaque` gets opaque tokens, `gateway` may introspect. Default `machine`. */
  readonly client?: string
  /** A proof for a token that is bound to a key. */
  readonly dpop?: string
}

/** How a token is made by hand, with the keys of the provider unless told otherwise. */
export interface HandMade {
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: CryptoKey | Uint8Array
}

/** A running provider. */
export interface OpenIdProvider {
  readonly issuer: string
  /** Paths that were asked for, in order. */
  readonly requests: Journal<string>
  /** A token by the client credentials grant. */
  token(wish: TokenWish): Promise<string>
  /** Signs claims as the provider would; `iss`, `sub`, `client_id`, `iat` and `exp` are filled in, or left out as undefined. */
  sign(claims: Readonly<Record<string, unknown>>, how?: HandMade): Promise<string>
  /** Its public key, as it is published. */
  publicKey(): JWK
  /** Signs with a new key from now on, and publishes no other. */
  rotateKeys(): Promise<void>
  /** Follows an authorization URL through login and consent to the redirect back to the client. */
  approve(url: URL): Promise<URL>
  revoke(token: string, client: string): Promise<void>
  stop(): Promise<void>
  start(): Promise<void>
}

/** Scopes that its resources know. */
const SCOPES: readonly string[] = ['basic', 'read', 'write']
/** Where browsers come back to. */
export const REDIRECT = 'http://127.0.0.1:1/callback'
/** A public client that is known already, and gets no refresh tokens. */
export const PUBLIC_CLIENT = 'app'
/** Credentials of every confidential client. */
export const CLIENT_SECRET = 'secret-of-a-confidential-client'

interface SigningKey {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly publicJwk: JWK
  readonly privateJwk: JWK
}

/** What a provider is like. */
export interface ProviderOptions {
  /** Seconds that its access tokens are good for; default an hour. */
  readonly accessTokenTtl?: number
  /** Scopes that its resources know; default a few. */
  readonly scopes?: readonly string[]
  /** What it writes into `aud`, whatever resource a client asked for; default the resource. */
  readonly audience?: string
}

/** Starts a provider. */
export async function openIdProvider(
  scope: Scope,
  { accessTokenTtl = 3600, scopes = SCOPES, audience }: ProviderOptions = {},
): Promise<OpenIdProvider> {
  const requests = createJournal<string>('the OpenID provider')
  let serve: (request: IncomingMessage, response: ServerResponse) => void = () => undefined
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    requests.record(new URL(request.url ?? '/', 'http://x').pathname)
    serve(request, response)
  }
  let server = await listen(listener, 0)
  const { port } = server.address() as AddressInfo
  const issuer = `http://127.0.0.1:${port}`
  let number = 0
  let key = await makeKey(`key-${number}`)
  const install = (): void => {
    const known = { keys: [key.privateJwk], accessTokenTTL: accessTokenTtl, scopes, audience }
    serve = handlerOf(new Provider(issuer, configuration(known)))
  }
  install()
  const stop = async (): Promise<void> => {
    const closed = server.listening ? once(server, 'close') : Promise.resolve()
    server.close()
    server.closeAllConnections()
    await closed
  }
  scope.after(stop)
  const post = async (path: string, client: string, form: Readonly<Record<string, string>>, headers = {}) =>
    fetch(`${issuer}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${client}:${CLIENT_SECRET}`).toString('base64')}`,
        ...headers,
      },
      body: new URLSearchParams(form),
    })
  return {
    issuer,
    requests,
    async token({ scope: wanted = '', resource, client = 'machine', dpop }) {
      const form = { grant_type: 'client_credentials', scope: wanted, resource }
      const answer = await post('/token', client, form, dpop === undefined ? {} : { dpop })
      const body = (await answer.json()) as { readonly access_token?: string }
      if (body.access_token === undefined) throw new Error(`no token: ${JSON.stringify(body)}`)
      return body.access_token
    },
    sign(claims, { header, key: own } = {}) {
      const now = Math.floor(Date.now() / 1000)
      return new SignJWT({
        iss: issuer,
        sub: 'alice',
        client_id: 'app',
        iat: now,
        exp: now + 3600,
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'at+jwt', ...header })
        .sign(own ?? key.privateKey)
    },
    publicKey: () => key.publicJwk,
    async rotateKeys() {
      key = await makeKey(`key-${++number}`)
      install()
    },
    approve: (url) => approve(url, issuer),
    async revoke(token, client) {
      await post('/token/revocation', client, { token })
    },
    stop,
    async start() {
      server = await listen(listener, port)
    },
  }
}

async function listen(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  port: number,
): Promise<Server> {
  const server = createServer(listener).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function makeKey(kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const facts = { kid, alg: 'ES256', use: 'sig' }
  const [privateJwk, publicJwk] = await Promise.all([exportJWK(privateKey), exportJWK(publicKey)])
  return { kid, privateKey, publicJwk: { ...publicJwk, ...facts }, privateJwk: { ...privateJwk, ...facts } }
}

function confidential(
  client_id: string,
  grants: readonly string[],
): NonNullable<Configuration['clients']>[number] {
  return {
    client_id,
    client_secret: CLIENT_SECRET,
    grant_types: [...grants],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_basic',
  }
}

interface Known {
  readonly keys: JWK[]
  readonly accessTokenTTL: number
  readonly scopes: readonly string[]
  readonly audience: string | undefined
}

function configuration({ keys, accessTokenTTL, scopes, audience }: Known): Configuration {
  return {
    jwks: { keys },
    cookies: { keys: ['cookie-key'] },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    scopes: ['openid', 'offline_access', ...scopes],
    clients: [
      ...['machine', 'other', 'opaque', 'gateway'].map((id) => confidential(id, ['client_credentials'])),
      {
        client_id: PUBLIC_CLIENT,
        application_type: 'native',
        grant_types: ['authorization_code'],
        redirect_uris: [REDIRECT],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
      },
    ],
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    ttl: {
      AccessToken: accessTokenTTL,
      ClientCredentials: accessTokenTTL,
      Grant: 3600,
      Interaction: 600,
      Session: 3600,
      RefreshToken: 3600,
      AuthorizationCode: 60,
      IdToken: 60,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      registration: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1) },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => [],
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, resource, client) => ({
          scope: scopes.join(' '),
          audience: audience ?? resource,
          accessTokenTTL,
          accessTokenFormat: client.clientId === 'opaque' ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  }
}

/** The provider, with a page that says yes to everything. */
function handlerOf(provider: Provider): (request: IncomingMessage, response: ServerResponse) => void {
  const callback = provider.callback()
  return (request, response) => {
    if (request.url?.startsWith('/interaction/') !== true) return void callback(request, response)
    consent(provider, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error))
    })
  }
}

async function consent(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { params } = await provider.interactionDetails(request, response)
  const { client_id: clientId, scope, resource } = params as Record<string, string | string[]>
  const grant = new provider.Grant({ accountId: 'alice', clientId: String(clientId) })
  grant.addOIDCScope(String(scope ?? ''))
  for (const one of [resource ?? []].flat()) grant.addResourceScope(one, String(scope ?? ''))
  const grantId = await grant.save()
  const result = { login: { accountId: 'alice' }, consent: { grantId } }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
}

/** A browser that knows cookies and redirects. */
async function approve(start: URL, issuer: string): Promise<URL> {
  const cookies = new Map<string, string>()
  let url = start
  for (let hop = 0; hop < 10; hop++) {
    if (url.origin !== issuer) return url
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie } })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      cookies.set(name, value)
    }
    const location = answer.headers.get('location')
    if (location === null) throw new Error(`the provider answered ${answer.status}: ${await answer.text()}`)
    url = new URL(location, url)
  }
  throw new Error('the provider redirects without end')
}
