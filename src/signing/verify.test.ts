import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { SigningAlgorithm, SigningConfig } from '../config/signing-schema.ts'
import { createSigner, sortedJsonHmac } from './sign.ts'
import { type IncomingRequest, type VerificationKey, createVerifier, verifySortedJson } from './verify.ts'

const secret = createSecretKey(randomBytes(32))
const ed25519 = generateKeyPairSync('ed25519')
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const KEYS: Readonly<
  Record<SigningAlgorithm, { readonly sign: typeof secret; readonly verify: typeof secret }>
> = {
  'hmac-sha256': { sign: secret, verify: secret },
  ed25519: { sign: ed25519.privateKey, verify: ed25519.publicKey },
  'ecdsa-p256-sha256': { sign: p256.privateKey, verify: p256.publicKey },
}

const NOW = 1_800_000_000_000
const BODY = '{"jsonrpc":"2.0","id":1,"method":"tools/call"}'
const URL_OF = new URL('https://crm.example/mcp?team=a')

function signed(algorithm: SigningAlgorithm, body: string | null = BODY, at = NOW): IncomingRequest {
  const config: SigningConfig = {
    form: 'rfc9421',
    algorithm,
    key: KEYS[algorithm].sign,
    keyId: 'gateway-1',
    components: ['@method', '@target-uri'],
    expires: 60_000,
  }
  const headers = ['content-type', 'application/json']
  const request = { method: 'POST', url: URL_OF, headers, body: body ?? undefined }
  const added = createSigner(config, { wallTime: () => at })(request)
  const all = [...headers, ...added]
  const pairs = all.flatMap((name, index) => (index % 2 === 0 ? [[name, all[index + 1] ?? ''] as const] : []))
  return { method: 'POST', url: URL_OF, headers: Object.fromEntries(pairs), body: body ?? '' }
}

function verifier(
  algorithm: SigningAlgorithm,
  over: { readonly now?: () => number; readonly key?: VerificationKey; readonly window?: number } = {},
) {
  return createVerifier({
    keyOf: (keyId) =>
      keyId === 'gateway-1' ? (over.key ?? { algorithm, key: KEYS[algorithm].verify }) : undefined,
    wallTime: over.now ?? (() => NOW),
    ...(over.window === undefined ? {} : { window: over.window }),
  })
}

/** Without white space between items and spare bits of Base64. */
const canonical = (field: string): string =>
  field
    .replaceAll(/\s/g, '')
    .replaceAll(/:([^:]*):/g, (_, base64: string) => `:${Buffer.from(base64, 'base64').toString('base64')}:`)

const reasonOf = (verdict: ReturnType<ReturnType<typeof createVerifier>>): string =>
  verdict.kind === 'valid' ? 'valid' : verdict.reason

describe('signing and verifying', () => {
  for (const algorithm of ['hmac-sha256', 'ed25519', 'ecdsa-p256-sha256'] as const) {
    test(`${algorithm}: what is signed is valid, once`, () => {
      const verify = verifier(algorithm)
      const request = signed(algorithm)
      assert.deepEqual(verify(request), { kind: 'valid', keyId: 'gateway-1' })
      assert.match(reasonOf(verify(request)), /used before/)
      assert.equal(
        reasonOf(verify(signed(algorithm))),
        'valid',
        'the same request signed again is another one',
      )
    })
  }

  test('the other signature that ECDSA has for everything is no second use', () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const request = signed('ecdsa-p256-sha256')
    const bytes = Buffer.from(String(request.headers['signature']).slice('toolgate=:'.length, -1), 'base64')
    const s = order - BigInt(`0x${bytes.toString('hex', 32)}`)
    const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')])
    const headers = { ...request.headers, signature: `toolgate=:${twin.toString('base64')}:` }
    const verify = verifier('ecdsa-p256-sha256')
    assert.equal(reasonOf(verify({ ...request, headers })), 'valid')
    assert.match(reasonOf(verify(request)), /used before/)
  })

  test('nothing of a request can be changed', () => {
    const change: Readonly<Record<string, (request: IncomingRequest) => IncomingRequest>> = {
      method: (request) => ({ ...request, method: 'PUT' }),
      path: (request) => ({ ...request, url: new URL('https://crm.example/other?team=a') }),
      query: (request) => ({ ...request, url: new URL('https://crm.example/mcp?team=b') }),
      host: (request) => ({ ...request, url: new URL('https://evil.example/mcp?team=a') }),
      content: (request) => ({ ...request, body: BODY.replace('1', '2') }),
      type: (request) => ({ ...request, headers: { ...request.headers, 'content-type': 'text/plain' } }),
      digest: (request) => ({
        ...request,
        headers: { ...request.headers, 'content-digest': 'sha-256=:AAAA:' },
      }),
    }
    for (const [what, changed] of Object.entries(change)) {
      assert.notEqual(reasonOf(verifier('ed25519')(changed(signed('ed25519')))), 'valid', what)
    }
  })

  test('any other bytes in a signature field are refused and never throw', () => {
    const request = signed('hmac-sha256')
    const field = fc.constantFrom('signature', 'signature-input', 'content-digest')
    fc.assert(
      fc.property(field, fc.nat(), fc.string({ minLength: 1, maxLength: 3 }), (name, position, put) => {
        const value = String(request.headers[name])
        const at = position % value.length
        const changed = value.slice(0, at) + put + value.slice(at + put.length)
        fc.pre(changed !== value)
        const verdict = verifier('hmac-sha256')({
          ...request,
          headers: { ...request.headers, [name]: changed },
        })
        // Another spelling of the same list and the same bytes is the same signature.
        if (verdict.kind === 'valid') assert.equal(canonical(changed), canonical(value))
      }),
      { numRuns: 2000 },
    )
  })

  test('time: too old, expired, from the future', () => {
    const at = (ms: number): string =>
      reasonOf(verifier('ed25519', { now: () => NOW + ms })(signed('ed25519')))
    assert.equal(at(0), 'valid')
    assert.equal(at(60_000 + 29_000), 'valid')
    assert.match(at(60_000 + 31_000), /expired/)
    assert.match(at(331_000), /too old/)
    assert.equal(at(-29_000), 'valid')
    assert.match(at(-31_000), /future/)
  })

  test('the content must be covered where there is some', () => {
    const bare = signed('ed25519', null)
    assert.equal(reasonOf(verifier('ed25519')(bare)), 'valid')
    assert.match(reasonOf(verifier('ed25519')({ ...bare, body: '{}' })), /does not cover content-digest/)
  })

  test('a key only serves its own algorithm', () => {
    const confused = { algorithm: 'hmac-sha256', key: ed25519.publicKey } as const
    assert.match(reasonOf(verifier('ed25519', { key: confused })(signed('ed25519'))), /alg is not/)
    const request = signed('ed25519')
    const input = String(request.headers['signature-input']).replace(';alg="ed25519"', '')
    const headers = { ...request.headers, 'signature-input': input }
    assert.match(reasonOf(verifier('ed25519', { key: confused })({ ...request, headers })), /does not fit/)
  })

  test('unknown keys and missing or broken fields say what is wrong', () => {
    const request = signed('ed25519')
    const without = (name: string, value?: string): string =>
      reasonOf(verifier('ed25519')({ ...request, headers: { ...request.headers, [name]: value } }))
    assert.match(reasonOf(createVerifier({ keyOf: () => undefined })(request)), /No signature names a key/)
    assert.match(without('signature'), /Signature is missing/)
    assert.match(without('signature-input'), /Signature-Input is missing/)
    assert.match(without('signature', 'toolgate='), /not a dictionary/)
    assert.match(without('signature', 'other=:AAAA:'), /lacks/)
    assert.match(without('signature-input', 'toolgate=1'), /must hold lists/)
    assert.match(without('signature-input', `a="${'x'.repeat(9000)}"`), /too long/)
    assert.match(
      without('signature-input', 'toolgate=("@method";req);keyid="gateway-1";created=1800000000'),
      /parameter req of a component is not supported/,
    )
    assert.match(without('signature-input', 'toolgate=("@method");keyid="gateway-1"'), /created is missing/)
  })

  test('the replay window is bounded, and refuses rather than forgets', () => {
    let now = NOW
    const verify = verifier('hmac-sha256', { now: () => now, window: 2 })
    const first = signed('hmac-sha256')
    assert.equal(reasonOf(verify(first)), 'valid')
    assert.equal(reasonOf(verify(signed('hmac-sha256'))), 'valid')
    assert.match(reasonOf(verify(signed('hmac-sha256'))), /Too many signatures/)
    assert.match(reasonOf(verify(first)), /used before/)
    now += 331_000
    assert.equal(reasonOf(verify(signed('hmac-sha256', BODY, now))), 'valid')
  })
})

test('the form of the gateway pattern: every accepted key, nothing else', () => {
  const old = createSecretKey('old', 'utf8')
  const signature = sortedJsonHmac(old, BODY)
  assert.equal(verifySortedJson(BODY, signature, [secret, old]), true)
  assert.equal(verifySortedJson(BODY.replace('"id":1', '"id": 1'), signature, [old]), true)
  assert.equal(verifySortedJson(BODY.replace('1', '2'), signature, [old]), false)
  assert.equal(verifySortedJson(BODY, signature, [secret]), false)
  assert.equal(verifySortedJson(BODY, signature.toUpperCase(), [old]), false)
  assert.equal(verifySortedJson(BODY, undefined, [old]), false)
  assert.equal(verifySortedJson('{', signature, [old]), false)
  const sign = createSigner(
    { form: 'sorted-json', key: old, header: 'x-signature', keyId: 'k1', keyIdHeader: 'x-key-id' },
    { wallTime: () => NOW },
  )
  const request = { method: 'POST', url: URL_OF, headers: [], body: BODY }
  assert.deepEqual(sign(request), ['x-signature', signature, 'x-key-id', 'k1'])
  assert.deepEqual(sign({ ...request, body: undefined }), [])
})
