import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { parseConfig } from './load.ts'

const SECRET = 'a secret of the gateway and its backend'

function read(signing: unknown) {
  const text = JSON.stringify({ backends: { crm: { url: 'https://crm.example/mcp', signing } } })
  const result = parseConfig({ name: 'toolgate.yaml', text, dir: '/' }, {})
  if (!result.ok) return result.problems.map(({ path, message }) => `${path}: ${message}`)
  const [backend] = result.config.backends
  return backend?.transport === 'http' ? backend.signing : undefined
}

const pem = (type: 'ed25519' | 'ec'): string => {
  const pair =
    type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  return pair.privateKey.export({ format: 'pem', type: 'pkcs8' })
}

test('a secret and a name are enough', () => {
  const signing = read({ key: SECRET, keyId: 'k1' })
  assert.ok(signing !== undefined && 'form' in signing && signing.form === 'rfc9421')
  const { key, ...rest } = signing
  assert.equal(key.export().toString(), SECRET)
  assert.deepEqual(rest, {
    form: 'rfc9421',
    algorithm: 'hmac-sha256',
    keyId: 'k1',
    components: ['@method', '@target-uri'],
    expires: 60_000,
  })
})

test('private keys fit their algorithm', () => {
  const typeOf = (algorithm: string, key: string): unknown => {
    const signing = read({ algorithm, key, keyId: 'k1' })
    return signing !== undefined && 'key' in signing ? signing.key.asymmetricKeyType : signing
  }
  assert.equal(typeOf('ed25519', pem('ed25519')), 'ed25519')
  assert.equal(typeOf('ecdsa-p256-sha256', pem('ec')), 'ec')
  assert.deepEqual(typeOf('ed25519', pem('ec')), [
    'backends.crm.signing.key: expected a private key for Ed25519 in PEM; found text',
  ])
})

test('the form of the gateway pattern', () => {
  const signing = read({ form: 'sorted-json', key: SECRET, header: 'X-Gateway-Signature' })
  assert.ok(signing !== undefined && 'form' in signing && signing.form === 'sorted-json')
  assert.deepEqual([signing.header, signing.keyId], ['x-gateway-signature', undefined])
})

test('what is wrong is said without the key', () => {
  assert.deepEqual(read({ key: 'short', keyId: 'k1' }), [
    'backends.crm.signing.key: expected a secret of at least 32 bytes; found text',
  ])
  assert.match(
    JSON.stringify(read({ key: SECRET, keyId: 'k1', components: ['host'] })),
    /name of a header that is sent/,
  )
  assert.match(JSON.stringify(read({ key: SECRET })), /signing.keyId: missing/)
  assert.ok(!JSON.stringify(read({ key: SECRET, keyId: 'k1', expires: 5 })).includes(SECRET))
})

test('what has no HTTP request cannot be signed, and is told so', () => {
  const text = JSON.stringify({ backends: { a: { command: 'x', signing: { key: SECRET, keyId: 'k' } } } })
  const result = parseConfig({ name: 'toolgate.yaml', text, dir: '/' }, {})
  assert.ok(!result.ok)
  assert.deepEqual(
    result.problems.map(({ message }) => message),
    ['belongs to a backend with a url (http), but it has a command'],
  )
})
