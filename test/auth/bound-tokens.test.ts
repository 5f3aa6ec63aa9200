/** Tokens that are of no use to whoever stole them: bound to a key (RFC 9449) or to a certificate (RFC 8705). */
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { describe, test } from 'node:test'
import { type CryptoKey, type JWK, SignJWT, calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { bearer, listAs } from '../language/as.ts'
import { modernServer } from '../language/http-backend.ts'
import { gateway } from '../language/house.ts'
import { openIdProvider } from '../language/provider.ts'
import type { RawAnswer } from '../language/raw.ts'
import { fileScope } from '../language/scope.ts'

const scope = fileScope()
const provider = await openIdProvider(scope)
const strict = await openIdProvider(scope)
const house = await gateway({
  backends: { a: await modernServer(scope) },
  auth: {
    issuers: [{ issuer: provider.issuer }, { issuer: strict.issuer, dpop: 'required' }],
    clientCertificate: { header: 'client-cert', trustedProxies: ['127.0.0.0/8'] },
  },
})
scope.after(async () => house.close())

interface Holder {
  readonly privateKey: CryptoKey
  readonly jwk: JWK
  readonly thumbprint: string
}

async function holder(): Promise<Holder> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  return { privateKey, jwk, thumbprint: await calculateJwkThumbprint(jwk) }
}

const alice = await holder()
const mallory = await holder()
const token = await provider.sign({ aud: house.url, cnf: { jkt: alice.thumbprint } })
const digestOf = (text: string): string => createHash('sha256').update(text).digest('base64url')

interface ProofParts {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly by?: Holder
}

function proof({ claims, header, by = alice }: ProofParts = {}): Promise<string> {
  const all = {
    htm: 'POST',
    htu: house.url,
    ath: digestOf(token),
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    ...claims,
  }
  return new SignJWT(all)
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: by.jwk, ...header })
    .sign(by.privateKey)
}

const listWith = (headers: Readonly<Record<string, string>>): Promise<RawAnswer> =>
  house.raw.modern('tools/list', {}, { headers })

const proven = async (parts: ProofParts = {}): Promise<RawAnswer> =>
  listWith({ authorization: `DPoP ${token}`, dpop: await proof(parts) })

function assertRefused(answer: RawAnswer, error: string, sentence: string): void {
  assert.equal(answer.status, 401)
  const challenge = answer.headers.get('www-authenticate') ?? ''
  assert.ok(challenge.startsWith(`DPoP error="${error}", error_description="${sentence}", `), challenge)
  assert.match(challenge, /resource_metadata="http:[^"]*\/mcp", algs="[^"]*\bES256\b[^"]*"$/)
  assert.equal(answer.response.error?.message, sentence)
}

describe('a token that is bound to a key', () => {
  test('is accepted with a fresh proof for each request', async () => {
    assert.equal((await proven()).status, 200)
    assert.equal((await proven()).status, 200)
    assert.equal((await proven({ claims: { htu: `${house.url}?x#y` } })).status, 200)
  })

  test('as a real provider binds it, is accepted too', async () => {
    const own = await provider.token({
      resource: house.url,
      dpop: await proof({ claims: { htu: `${provider.issuer}/token`, ath: undefined } }),
    })
    const dpop = await proof({ claims: { ath: digestOf(own) } })
    assert.equal((await listWith({ authorization: `DPoP ${own}`, dpop })).status, 200)
  })

  test('is refused as a mere bearer token', async () => {
    const sentence = 'The access token is bound to a key: it must be sent with a DPoP proof'
    assertRefused(await listAs(house.raw, token), 'invalid_token', sentence)
    assertRefused(await listWith({ ...bearer(token), dpop: await proof() }), 'invalid_token', sentence)
  })

  const seconds = Math.floor(Date.now() / 1000)
  const BAD: readonly (readonly [what: string, parts: ProofParts])[] = [
    ['for another method', { claims: { htm: 'GET' } }],
    ['for another URL', { claims: { htu: `${house.url}/a` } }],
    ['for another host', { claims: { htu: 'https://elsewhere.example/mcp' } }],
    ['for another token', { claims: { ath: digestOf('another') } }],
    ['for no token', { claims: { ath: undefined } }],
    ['without an id', { claims: { jti: undefined } }],
    ['with an endless id', { claims: { jti: 'x'.repeat(257) } }],
    ['of long ago', { claims: { iat: seconds - 120 } }],
    ['of the future', { claims: { iat: seconds + 120 } }],
    ['of no time', { claims: { iat: undefined } }],
    ['of another type', { header: { typ: 'at+jwt' } }],
    ['whose key is another than it was signed by', { header: { jwk: mallory.jwk } }],
    ['without a key', { header: { jwk: undefined } }],
  ]
  for (const [what, parts] of BAD) {
    test(`is refused with a proof ${what}`, async () => {
      assertRefused(await proven(parts), 'invalid_dpop_proof', 'The DPoP proof is missing or wrong')
    })
  }

  test('is refused without a proof, with two, or with garbage', async () => {
    const sentence = 'The DPoP proof is missing or wrong'
    assertRefused(await listWith({ authorization: `DPoP ${token}` }), 'invalid_dpop_proof', sentence)
    for (const dpop of ['garbage', `${await proof()}, ${await proof()}`])
      assertRefused(await listWith({ authorization: `DPoP ${token}`, dpop }), 'invalid_dpop_proof', sentence)
  })

  test('is refused with the proof of somebody else', async () => {
    const sentence = 'The access token is not bound to the key of the DPoP proof'
    assertRefused(await proven({ by: mallory }), 'invalid_token', sentence)
  })

  test('is refused with a proof that was used before', async () => {
    const headers = { authorization: `DPoP ${token}`, dpop: await proof() }
    assert.equal((await listWith(headers)).status, 200)
    assertRefused(await listWith(headers), 'invalid_dpop_proof', 'The DPoP proof has been used before')
  })

  test('is told from one that is not, whatever proof comes with that', async () => {
    const loose = await provider.sign({ aud: house.url })
    const dpop = await proof({ claims: { ath: digestOf(loose) } })
    const sentence = 'The access token is not bound to the key of the DPoP proof'
    assertRefused(await listWith({ authorization: `DPoP ${loose}`, dpop }), 'invalid_token', sentence)
  })

  test('is the only kind that a strict issuer may issue', async () => {
    const loose = await strict.sign({ aud: house.url })
    const sentence = 'Access tokens of this issuer must be bound to a key (DPoP)'
    assertRefused(await listAs(house.raw, loose), 'invalid_token', sentence)
  })
})

describe('a token that is bound to a certificate', () => {
  const certificate = Buffer.from('not a certificate, but its digest is what counts')
  const shown = `:${certificate.toString('base64')}:`
  const bound = (): Promise<string> =>
    provider.sign({
      aud: house.url,
      cnf: { 'x5t#S256': createHash('sha256').update(certificate).digest('base64url') },
    })

  test('is accepted where a trusted proxy saw that certificate', async () => {
    assert.equal((await listWith({ ...bearer(await bound()), 'client-cert': shown })).status, 200)
  })

  test('is refused with another certificate, without one, or with a garbled one', async () => {
    const headers = bearer(await bound())
    for (const more of [{}, { 'client-cert': ':AAAA:' }, { 'client-cert': 'garbage' }]) {
      const answer = await listWith({ ...headers, ...more })
      assert.equal(answer.status, 401)
      const sentence = 'The access token is bound to another client certificate'
      assert.equal(answer.response.error?.message, sentence)
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer error="invalid_token"/)
    }
  })

  test('is refused where the word is not that of a trusted proxy', async () => {
    await using wary = await gateway({
      backends: {},
      auth: {
        issuer: provider.issuer,
        audience: house.url,
        clientCertificate: { header: 'client-cert', trustedProxies: ['192.0.2.1'] },
      },
    })
    const headers = { ...bearer(await bound()), 'client-cert': shown }
    assert.equal((await wary.raw.modern('tools/list', {}, { headers })).status, 401)
  })
})
