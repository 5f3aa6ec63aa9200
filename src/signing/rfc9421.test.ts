import assert from 'node:assert/strict'
import { createPublicKey, createSecretKey } from 'node:crypto'
import { describe, test } from 'node:test'
import { type VerifyAlgorithm, signBytes, verifyBytes } from './algorithms.ts'
import { type SignedMessage, signatureBase } from './components.ts'
import { digestMatches } from './digest.ts'

// RFC 9421 Appendix B.1 and B.2, with RFC 9530 for the content.
const pem = (base64: string) =>
  createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' })

const KEYS = {
  rsa: pem(
    'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB',
  ),
  ecc: pem(
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==',
  ),
  ed25519: pem('MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs='),
  shared: createSecretKey(
    'uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==',
    'base64',
  ),
}

const fieldsOf =
  (fields: Readonly<Record<string, string>>) =>
  (name: string): string | undefined =>
    fields[name]

const REQUEST_DIGEST =
  'sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:'

const REQUEST: SignedMessage = {
  method: 'POST',
  url: new URL('http://example.com/foo?param=Value&Pet=dog'),
  field: fieldsOf({
    date: 'Tue, 20 Apr 2021 02:07:55 GMT',
    'content-type': 'application/json',
    'content-digest': REQUEST_DIGEST,
    'content-length': '18',
  }),
}

const RESPONSE: SignedMessage = {
  ...REQUEST,
  status: 200,
  field: fieldsOf({
    'content-type': 'application/json',
    'content-digest':
      'sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:',
    'content-length': '23',
  }),
}

interface Vector {
  readonly section: string
  readonly message: SignedMessage
  readonly components: readonly (string | readonly [name: string, param: string])[]
  readonly parameters: string
  readonly algorithm: VerifyAlgorithm
  readonly key: keyof typeof KEYS
  readonly signature: string
}

const VECTORS: readonly Vector[] = [
  {
    section: 'B.2.1',
    message: REQUEST,
    components: [],
    parameters: '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
    algorithm: 'rsa-pss-sha512',
    key: 'rsa',
    signature:
      'd2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==',
  },
  {
    section: 'B.2.2',
    message: REQUEST,
    components: ['@authority', 'content-digest', ['@query-param', 'Pet']],
    parameters:
      '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
    algorithm: 'rsa-pss-sha512',
    key: 'rsa',
    signature:
      'LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==',
  },
  {
    section: 'B.2.3',
    message: REQUEST,
    components: [
      'date',
      '@method',
      '@path',
      '@query',
      '@authority',
      'content-type',
      'content-digest',
      'content-length',
    ],
    parameters:
      '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"',
    algorithm: 'rsa-pss-sha512',
    key: 'rsa',
    signature:
      'bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==',
  },
  {
    section: 'B.2.4',
    message: RESPONSE,
    components: ['@status', 'content-type', 'content-digest', 'content-length'],
    parameters:
      '("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"',
    algorithm: 'ecdsa-p256-sha256',
    key: 'ecc',
    signature: 'wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==',
  },
  {
    section: 'B.2.5',
    message: REQUEST,
    components: ['date', '@authority', 'content-type'],
    parameters: '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    algorithm: 'hmac-sha256',
    key: 'shared',
    signature: 'pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=',
  },
  {
    section: 'B.2.6',
    message: REQUEST,
    components: ['date', '@method', '@path', '@authority', 'content-type', 'content-length'],
    parameters:
      '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    algorithm: 'ed25519',
    key: 'ed25519',
    signature: 'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==',
  },
]

describe('RFC 9421 Appendix B', () => {
  for (const { section, message, components, parameters, algorithm, key, signature } of VECTORS) {
    test(`${section}: the signature of ${algorithm} is verified, and no other`, () => {
      const named = components.map((component) =>
        typeof component === 'string' ? { name: component } : { name: component[0], param: component[1] },
      )
      const base = signatureBase(message, named, parameters)
      const signed = { bytes: Buffer.from(base), signature: Buffer.from(signature, 'base64') }
      assert.equal(verifyBytes(algorithm, KEYS[key], signed), true)
      assert.equal(verifyBytes(algorithm, KEYS[key], { ...signed, bytes: Buffer.from(`${base} `) }), false)
    })
  }

  test('B.2.5: the HMAC is the same to the byte when we sign', () => {
    const base = signatureBase(
      REQUEST,
      [{ name: 'date' }, { name: '@authority' }, { name: 'content-type' }],
      '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    )
    assert.equal(
      signBytes('hmac-sha256', KEYS.shared, Buffer.from(base)).toString('base64'),
      'pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=',
    )
  })

  test('the digest of its content', () => {
    assert.equal(digestMatches(REQUEST_DIGEST, '{"hello": "world"}'), true)
    assert.equal(digestMatches(REQUEST_DIGEST, '{"hello": "World"}'), false)
  })
})

test('derived components of RFC 9421 §2.2', () => {
  const value = (url: string, name: string, param?: string): string => {
    const message = { method: 'GET', url: new URL(url), field: () => undefined }
    const component = param === undefined ? { name } : { name, param }
    return signatureBase(message, [component], '()').split('\n')[0]?.split(': ').at(-1) ?? ''
  }
  assert.equal(value('https://www.EXAMPLE.com:443/path?q=1', '@authority'), 'www.example.com')
  assert.equal(value('https://example.com:8443/', '@authority'), 'example.com:8443')
  assert.equal(value('https://example.com', '@path'), '/')
  assert.equal(value('https://example.com/a', '@query'), '?')
  assert.equal(value('https://example.com/a?b=c', '@request-target'), '/a?b=c')
  assert.equal(value('https://example.com/a?b=c', '@scheme'), 'https')
  assert.equal(value('https://example.com/a?b=c', '@target-uri'), 'https://example.com/a?b=c')
  const url = 'https://example.com/?param=value&foo=bar&baz=batman&qux=&ue=%C3%A9+x'
  assert.deepEqual(
    ['baz', 'qux', 'ue'].map((name) => value(url, '@query-param', name)),
    ['batman', '', '%C3%A9%20x'],
  )
  assert.throws(() => value('https://example.com/?a=1&a=2', '@query-param', 'a'), /exactly once/)
  assert.throws(() => value('https://example.com/', '@status'), /no @status/)
  assert.throws(() => value('https://example.com/', '@signature-params'), /Unknown component/)
  assert.throws(() => value('https://example.com/', 'date'), /no field date/)
})
