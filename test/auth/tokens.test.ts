/** Which tokens open the door, and what exactly is said to the others. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import { type JWTPayload, exportSPKI, generateKeyPair, importJWK } from 'jose'
import { bearer, listAs } from '../language/as.ts'
import { modernServer } from '../language/http-backend.ts'
import { gateway } from '../language/house.ts'
import { type HandMade, type OpenIdProvider, openIdProvider } from '../language/provider.ts'
import type { RawAnswer } from '../language/raw.ts'
import { fileScope } from '../language/scope.ts'

const scope = fileScope()
const provider = await openIdProvider(scope)
const other = await openIdProvider(scope)
const backend = await modernServer(scope)
const house = await gateway({
  backends: { a: backend },
  auth: {
    issuers: [
      { issuer: provider.issuer, audience: 'mcp-gateway' },
      { issuer: other.issuer, algorithms: ['RS256'] },
    ],
    scopesSupported: ['basic'],
  },
})
scope.after(async () => house.close())

const now = (): number => Math.floor(Date.now() / 1000)
const metadataUrl = (path: string): string =>
  `${new URL(house.url).origin}/.well-known/oauth-protected-resource${path}`

function assertRefused(answer: RawAnswer, sentence: string, path = '/mcp'): void {
  assert.equal(answer.status, 401)
  assert.equal(
    answer.headers.get('www-authenticate'),
    `Bearer error="invalid_token", error_description="${sentence}", scope="basic", ` +
      `resource_metadata="${metadataUrl(path)}"`,
  )
  assert.deepEqual(answer.response, {
    jsonrpc: '2.0',
    error: {
      code: -31401,
      message: sentence,
      data: {
        code: 'UNAUTHENTICATED',
        retryable: false,
        hint: 'Get an access token as the WWW-Authenticate header says, and send it.',
      },
    },
  })
}

describe('a token is accepted', () => {
  test('that the provider issued for this route', async () => {
    const answer = await listAs(house.raw, await provider.token({ scope: 'read', resource: house.url }))
    assert.equal(answer.status, 200)
    assert.equal(answer.response.result?.tools?.length, 4)
    assert.equal(answer.headers.get('www-authenticate'), null)
  })

  test('that was issued for one backend, at that backend only', async () => {
    const token = await provider.token({ resource: `${house.url}/a` })
    assert.equal((await listAs(house.raw, token, 'a')).status, 200)
    assertRefused(await listAs(house.raw, token), 'The access token is meant for another resource')
  })

  test('with an audience of the operator, on every route', async () => {
    const token = await provider.sign({ aud: ['mcp-gateway', 'something-else'] })
    assert.equal((await listAs(house.raw, token)).status, 200)
    assert.equal((await listAs(house.raw, token, 'a')).status, 200)
  })

  test('whatever name of this machine, and whatever case of it, it was issued for', async () => {
    const { port } = new URL(house.url)
    for (const base of [`http://localhost:${port}`, `HTTP://LOCALHOST:${port}`, `http://[::1]:${port}`])
      assert.equal((await listAs(house.raw, await provider.sign({ aud: `${base}/mcp` }))).status, 200, base)
  })

  test('in any spelling of the scheme, and as often as one likes', async () => {
    const token = await provider.sign({ aud: house.url })
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      assert.equal(
        (await house.raw.modern('tools/list', {}, { headers: { authorization: `${scheme} ${token}` } }))
          .status,
        200,
      )
  })

  test('with clocks that differ by less than half a minute', async () => {
    const aud = house.url
    for (const claims of [{ exp: now() - 20 }, { nbf: now() + 20 }])
      assert.equal((await listAs(house.raw, await provider.sign({ aud, ...claims }))).status, 200)
  })
})

/** Signs with the public key as if it were a secret: what a verifier falls for that believes `alg`. */
async function confused(how: 'pem' | 'jwk'): Promise<string> {
  const jwk = provider.publicKey()
  const key = await importJWK(jwk, 'ES256', { extractable: true })
  const secret = how === 'jwk' || key instanceof Uint8Array ? JSON.stringify(jwk) : await exportSPKI(key)
  const text = unsigned({ alg: 'HS256', kid: jwk.kid, typ: 'at+jwt' })
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

function unsigned(header: object, claims: JWTPayload = {}): string {
  const all = { iss: provider.issuer, sub: 'alice', aud: house.url, exp: now() + 60, ...claims }
  return [header, all].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
}

const signed = (
  claims: Readonly<Record<string, unknown>>,
  how: HandMade = {},
  by: OpenIdProvider = provider,
): Promise<string> => by.sign({ aud: house.url, ...claims }, how)

const strange = await generateKeyPair('ES256')
const ALGORITHM = 'The access token is signed by an algorithm that is not allowed'
const UNKNOWN_KEY = 'The access token is signed by a key that its issuer does not publish'

const REFUSED: readonly (readonly [what: string, make: () => Promise<string> | string, sentence: string])[] =
  [
    [
      'for somebody else',
      () => signed({ aud: 'https://elsewhere.example/mcp' }),
      'The access token is meant for another resource',
    ],
    ['for nobody', () => signed({ aud: [] }), 'The access token is meant for another resource'],
    [
      'for the gateway, at a path below the route',
      () => signed({ aud: `${house.url}/` }),
      'The access token is meant for another resource',
    ],
    [
      'of an issuer that is not configured',
      () => signed({ iss: 'https://elsewhere.example' }),
      'The access token is not from an issuer that is trusted here',
    ],
    [
      'of an issuer with a slash too many',
      () => signed({ iss: `${provider.issuer}/` }),
      'The access token is not from an issuer that is trusted here',
    ],
    [
      'that claims one issuer and is signed by another',
      () => signed({ iss: provider.issuer }, {}, other),
      'The signature of the access token is wrong',
    ],
    ['that is expired', () => signed({ exp: now() - 31 }), 'The access token is expired'],
    [
      'that never expires',
      () => signed({ exp: undefined }),
      'The access token lacks a claim that is required',
    ],
    ['of the future', () => signed({ nbf: now() + 40 }), 'The access token is not valid yet'],
    [
      'of nobody',
      () => signed({ sub: undefined, client_id: undefined }),
      'The access token lacks a claim that is required',
    ],
    ['without a signature', () => `${unsigned({ alg: 'none' })}.`, ALGORITHM],
    [
      'without a signature, of a known key',
      () => `${unsigned({ alg: 'none', kid: provider.publicKey().kid })}.`,
      ALGORITHM,
    ],
    ['signed with the public key as a secret (PEM)', () => confused('pem'), ALGORITHM],
    ['signed with the public key as a secret (JWK)', () => confused('jwk'), ALGORITHM],
    ['signed by an algorithm that this issuer must not use', () => signed({}, {}, other), ALGORITHM],
    [
      'signed by a stranger who knows the name of the key',
      () => signed({}, { key: strange.privateKey }),
      'The signature of the access token is wrong',
    ],
    [
      'signed by a key that nobody published',
      () => signed({}, { header: { kid: 'unheard-of' } }),
      UNKNOWN_KEY,
    ],
    [
      'that brings its own key',
      () => signed({}, { header: { kid: undefined, jwk: { kty: 'EC' } }, key: strange.privateKey }),
      'The signature of the access token is wrong',
    ],
    [
      'of another kind',
      () => signed({}, { header: { typ: 'logout+jwt' } }),
      'The token is of another kind than an access token',
    ],
    [
      'with an extension that must be understood',
      () => `${unsigned({ alg: 'ES256', kid: provider.publicKey().kid, crit: ['x'], x: 1 })}.c2ln`,
      'The access token is malformed',
    ],
    [
      'whose claims were changed',
      async () => {
        const [head = '', , signature = ''] = (await signed({})).split('.')
        return `${head}.${unsigned({}, { sub: 'mallory' }).split('.')[1]}.${signature}`
      },
      'The signature of the access token is wrong',
    ],
    [
      'bound to a certificate that nobody showed',
      () => signed({ cnf: { 'x5t#S256': 'x' } }),
      'The access token is bound to another client certificate',
    ],
    [
      'bound in a way that is not known',
      () => signed({ cnf: { kid: 'x' } }),
      'The access token is bound in a way that is not supported here',
    ],
    ['that is opaque where nobody can be asked', () => 'opaque-token', 'The access token is malformed'],
    ['with dots in it', () => 'a.b.c', 'The access token is malformed'],
    [
      'that is an API key of nobody',
      () => `tg_00000000_${'a'.repeat(43)}`,
      'The API key is unknown, expired or revoked',
    ],
  ]

describe('a token is refused', () => {
  for (const [what, make, sentence] of REFUSED) {
    test(what, async () => {
      const token = await make()
      assertRefused(await listAs(house.raw, token), sentence)
      // Once more, from what is remembered.
      assertRefused(await listAs(house.raw, token), sentence)
    })
  }
})

describe('a request without a token', () => {
  test('is told where to get one, and for which scopes', async () => {
    for (const [route, path] of [
      [undefined, '/mcp'],
      ['a', '/mcp/a'],
    ] as const) {
      const answer = await house.raw.modern('tools/list', {}, route === undefined ? {} : { route })
      assert.equal(answer.status, 401)
      const challenge = answer.headers.get('www-authenticate')
      assert.equal(challenge, `Bearer scope="basic", resource_metadata="${metadataUrl(path)}"`)
    }
  })

  test('is none the better for another scheme', async () => {
    const answer = await house.raw.modern('tools/list', {}, { headers: { authorization: 'Basic YTpi' } })
    assert.equal(answer.status, 401)
    assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer scope="basic", resource/)
  })

  test('is refused before its body is read', async () => {
    const answer = await fetch(house.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: 'not even JSON',
    })
    assert.equal(answer.status, 401)
  })
})

describe('credentials in the wrong place', () => {
  const refusedAs = async (url: string, headers: Readonly<Record<string, string>>, sentence: string) => {
    const answer = await fetch(url, { method: 'POST', headers })
    assert.equal(answer.status, 400)
    const challenge = `Bearer error="invalid_request", error_description="${sentence}"`
    assert.equal(answer.headers.get('www-authenticate'), challenge)
    const { error } = (await answer.json()) as {
      readonly error: { readonly message: string; readonly data: object }
    }
    assert.equal(error.message, sentence)
    assert.equal('code' in error.data && error.data.code, 'INVALID_REQUEST')
  }

  test('are refused in the query string, even where they are good', async () => {
    const token = await signed({})
    const sentence = 'Credentials must not be sent in the query string: use the Authorization header'
    for (const name of ['access_token', 'api_key', 'Authorization'])
      await refusedAs(`${house.url}?x=1&${name}=${token}`, {}, sentence)
    await refusedAs(`${house.url}?access_token=${token}`, bearer(token), sentence)
  })

  test('are refused where they come twice', async () => {
    const sentence = 'Credentials must be sent once: in Authorization or in X-API-Key, not in both'
    await refusedAs(house.url, { ...bearer(await signed({})), 'x-api-key': 'tg_x' }, sentence)
  })

  test('are refused where they are malformed', async () => {
    for (const authorization of ['Bearer', 'Bearer a b', 'Bearer "quoted"', 'DPoP ä'])
      await refusedAs(house.url, { authorization }, 'The Authorization header is malformed')
  })
})

describe('protected resource metadata', () => {
  const documentAt = async (path: string): Promise<Readonly<Record<string, unknown>>> => {
    const answer = await fetch(metadataUrl(path))
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'application/json')
    return (await answer.json()) as Readonly<Record<string, unknown>>
  }

  test('describes each route at its own place, and the aggregate at the root', async () => {
    assert.deepEqual(
      [await documentAt(''), await documentAt('/mcp'), await documentAt('/mcp/a')].map(
        (one) => one['resource'],
      ),
      [house.url, house.url, `${house.url}/a`],
    )
  })

  test('names the issuers, and the few scopes to begin with', async () => {
    const document = await documentAt('/mcp')
    assert.deepEqual(document['authorization_servers'], [provider.issuer, other.issuer])
    assert.deepEqual(document['scopes_supported'], ['basic'])
    assert.deepEqual(document['bearer_methods_supported'], ['header'])
  })

  test('speaks the name by which the gateway was addressed, and no other name', async () => {
    const { port } = new URL(house.url)
    const answer = await fetch(`http://localhost:${port}/.well-known/oauth-protected-resource/mcp`)
    assert.equal(((await answer.json()) as { resource: string }).resource, `http://localhost:${port}/mcp`)
  })

  test('is not there for what is not served', async () => {
    for (const path of ['/mcp/b', '/mcp/', '/other', 'x', '/mcp/a/'])
      assert.equal((await fetch(metadataUrl(path))).status, 404, path)
  })
})

test('nothing of a token gets into the log or into the metadata', async () => {
  const secret = 'canary-claim-value'
  const tokens = await Promise.all([
    signed({ secret }),
    signed({ secret, exp: 1 }),
    signed({ secret, aud: 'x' }),
    signed({ secret }, { header: { kid: secret } }),
  ])
  const answers = await Promise.all(tokens.map((token) => listAs(house.raw, token)))
  const lines = JSON.stringify([house.log.entries, answers.map(({ response }) => response)])
  for (const token of tokens) for (const part of token.split('.')) assert.ok(!lines.includes(part))
  assert.ok(!lines.includes(secret))
  assert.ok(house.log.entries.some(({ message }) => message === 'credentials refused'))
})
