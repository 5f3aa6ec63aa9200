import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'

const HASH = `sha256:${'0123456789abcdef'.repeat(4)}`

const parse = (apiKeys: string): ReturnType<typeof parseConfig> =>
  parseConfig(
    { name: 't', text: `auth: { apiKeys: ${apiKeys} }\nbackends: { a: http://a }`, dir: '/etc/mcp' },
    {},
  )

function problems(entry: string): readonly string[] {
  const result = parse(`{ keys: [${entry}] }`)
  return result.ok ? [] : result.problems.map((one) => formatProblem(one).replace(/^[^ ]+ /, ''))
}

describe('API keys of a configuration', () => {
  test('are accepted where the section is, even an empty one', () => {
    const read = (text: string): unknown => {
      const result = parse(text)
      return result.ok ? result.config.auth?.apiKeys : result.problems
    }
    assert.deepEqual(read(''), { keys: [] })
    assert.deepEqual(read('{}'), { keys: [] })
    assert.deepEqual(read('{ file: keys.json }'), { keys: [], file: '/etc/mcp/keys.json' })
    assert.deepEqual(read(`{ keys: [{ name: ci, hash: "${HASH}", expires: 2027-01-31, scopes: [a:b] }] }`), {
      keys: [{ name: 'ci', hash: HASH, scopes: ['a:b'], groups: [], expires: Date.UTC(2027, 0, 31) }],
    })
    const without = parseConfig({ name: 't', text: 'auth: {}\nbackends: { a: http://a }', dir: '/' }, {})
    assert.ok(without.ok && without.config.auth?.apiKeys === undefined)
  })

  test('are refused with what is wrong, and never with a key that stands in the wrong place', () => {
    assert.deepEqual(problems('{ name: "a b", hash: tg_secret, scopes: ["a b"], expires: tomorrow }'), [
      'auth.apiKeys.keys[0].name: expected 1 to 64 letters, digits and . _ @ -, starting with a letter or digit; found "a b"',
      'auth.apiKeys.keys[0].hash: expected the hash of a key as `toolgate keys create --inline` prints it, sha256: and 64 hexadecimal digits, never the key itself; found text',
      'auth.apiKeys.keys[0].scopes[0]: expected a scope: visible ASCII without spaces, " and \\; found "a b"',
      'auth.apiKeys.keys[0].expires: expected a day such as 2027-01-31, or an instant such as 2027-01-31T12:00:00Z; found "tomorrow"',
    ])
    assert.deepEqual(problems(`{ name: a, hash: "${HASH}", key: x }`), [
      'auth.apiKeys.keys[0].key: unknown setting; known here: name, hash, scopes, groups, tenant, signature, created, expires',
    ])
  })

  test('may require signatures: with a secret or public keys, never with a private one', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519', {
      publicKeyEncoding: { format: 'pem', type: 'spki' },
      privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
    })
    const entry = (signature: object): string => JSON.stringify({ name: 'a', hash: HASH, signature })
    const key = (more: object): object => ({ keys: [{ keyId: 'k', algorithm: 'ed25519', ...more }] })
    assert.deepEqual(problems(entry(key({ key: publicKey }))), [])
    const path = 'auth.apiKeys.keys[0].signature'
    const wrong = `${path}.keys[0].key: expected a public key for Ed25519 in PEM; found text`
    assert.deepEqual(problems(entry(key({ key: privateKey }))), [wrong])
    assert.deepEqual(problems(entry(key({ key: 'x'.repeat(40) }))), [wrong])
    assert.deepEqual(problems(entry({ keys: [{ keyId: 'k', key: 'short' }] })), [
      `${path}.keys[0].key: expected a secret of at least 32 bytes; found text`,
    ])
    assert.deepEqual(problems(entry({ keys: [] })), [`${path}.keys: expected 1 to 8 keys; found a list`])
  })

  test('warn of signatures that can be sent again', () => {
    const signature = { form: 'sorted-json', keys: [{ key: 'x'.repeat(32) }] }
    const result = parse(JSON.stringify({ keys: [{ name: 'a', hash: HASH, signature }] }))
    assert.ok(result.ok)
    assert.deepEqual(
      result.warnings.map(({ path }) => path),
      ['auth.apiKeys.keys[0].signature.form'],
    )
  })

  test('have names and secrets of their own', () => {
    const entry = (name: string): string => `{ name: ${name}, hash: "${HASH}" }`
    assert.deepEqual(problems(`${entry('a')}, ${entry('b')}`), [
      'auth.apiKeys.keys[1].hash: expected a hash of its own, but entry 1 has the same; found text',
    ])
    const other = entry('a').replace('0123', '3210')
    assert.deepEqual(problems(`${entry('a')}, ${other}`), [
      'auth.apiKeys.keys[1].name: expected a name of its own, but entry 1 has the same; found "a"',
    ])
  })
})
