import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type JWK, exportJWK, generateKeyPair } from 'jose'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import type { IssuerConfig } from '../config/auth-types.ts'
import { silentLog } from '../pipeline/log.ts'
import { createIssuerKeys } from './keys.ts'
import type { Fetch } from './outbound.ts'

const ISSUER = 'https://issuer.example'
const CONFIG: IssuerConfig = {
  issuer: ISSUER,
  audience: [],
  algorithms: ['ES256'],
  dpop: 'optional',
  claims: { scopes: [], client: [], groups: [], tenant: [] },
}
const pair = await generateKeyPair('ES256', { extractable: true })
const PUBLIC: JWK = { ...(await exportJWK(pair.publicKey)), kid: 'a' }
const PRIVATE: JWK = { ...(await exportJWK(pair.privateKey)), kid: 'private' }

function keysOf(answer: (url: string) => Response, over: Partial<IssuerConfig> = {}) {
  const clock = createFakeClock()
  const asked: { readonly how: string; readonly url: string; readonly redirect: string | undefined }[] = []
  const by =
    (how: string): Fetch =>
    (url, init) => {
      asked.push({ how, url, redirect: init?.redirect })
      return Promise.resolve(answer(url))
    }
  const outbound = { clock, fetch: by('plain'), guardedFetch: by('guarded') }
  const keys = createIssuerKeys({ ...CONFIG, ...over }, { outbound, log: silentLog, staleFor: 3_600_000 })
  return { keys, clock, asked }
}

const withJwks =
  (jwksUri: string, keys: readonly object[]) =>
  (url: string): Response =>
    url === jwksUri ? Response.json({ keys }) : Response.json({ issuer: ISSUER, jwks_uri: jwksUri })

const token = { payload: '', signature: '' }

describe('the keys of an issuer', () => {
  test('are public keys for signatures, whatever else is published', async () => {
    const published = [
      PUBLIC,
      PRIVATE,
      { kty: 'oct', kid: 'secret', k: 'AAAA' },
      { ...PUBLIC, kid: 'enc', use: 'enc' },
      null,
    ]
    const { keys } = keysOf(withJwks(`${ISSUER}/jwks`, published as object[]))
    const { find } = await keys.current()
    assert.ok(await find({ alg: 'ES256', kid: 'a' }, token))
    for (const [alg, kid] of [
      ['ES256', 'private'],
      ['HS256', 'secret'],
      ['ES256', 'enc'],
    ] as const)
      await assert.rejects(async () => find({ alg, kid }, token), kid)
  })

  test('are fetched by the guarded way where the issuer names another host, without redirects anywhere', async () => {
    const { keys, asked } = keysOf(withJwks('https://keys.example/jwks', [PUBLIC]))
    await keys.current()
    assert.deepEqual(
      asked.map(({ how, url }) => `${how} ${url}`),
      [`plain ${ISSUER}/.well-known/oauth-authorization-server`, 'guarded https://keys.example/jwks'],
    )
    assert.deepEqual(new Set(asked.map(({ redirect }) => redirect)), new Set(['error']))
  })

  test('are not fetched over http from another host', async () => {
    const { keys, asked } = keysOf(withJwks('http://169.254.169.254/keys', [PUBLIC]))
    await assert.rejects(keys.current(), { code: 'ISSUER_UNAVAILABLE' })
    assert.ok(asked.every(({ url }) => !url.includes('169.254')))
  })

  test('are fetched from where the operator says, without asking for metadata', async () => {
    const { keys, asked } = keysOf(withJwks('http://127.0.0.1/keys', [PUBLIC]), {
      jwksUri: 'http://127.0.0.1/keys',
    })
    await keys.current()
    assert.deepEqual(
      asked.map(({ how, url }) => `${how} ${url}`),
      ['plain http://127.0.0.1/keys'],
    )
  })

  test('are none where the document is another, or endless', async () => {
    for (const body of ['{"keys":5}', '[]', 'null', '"x"', ' '.repeat(300_000)]) {
      const { keys } = keysOf((url) =>
        url.endsWith('/jwks')
          ? new Response(body)
          : Response.json({ issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` }),
      )
      await assert.rejects(keys.current(), { code: 'ISSUER_UNAVAILABLE' })
    }
  })

  test('of an issuer that does not answer are waited for no longer than five seconds', async () => {
    const clock = createFakeClock()
    const fetch: Fetch = (_url, init) =>
      new Promise((_, reject) => {
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error))
      })
    const outbound = { clock, fetch, guardedFetch: fetch }
    const keys = createIssuerKeys(CONFIG, { outbound, log: silentLog, staleFor: 0 })
    const waiting = assert.rejects(keys.current(), { code: 'ISSUER_UNAVAILABLE' })
    // Two places may have the metadata.
    await clock.advance(5000)
    await clock.advance(5000)
    await waiting
  })
})
