import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import type { ApiKeyEntry } from '../config/api-keys-schema.ts'
import { createSigner } from '../signing/sign.ts'
import { createKey, readKey, storedHash } from './api-key.ts'
import { changeApiKeys, readApiKeys } from './api-key-file.ts'
import { type ApiKeys, createApiKeys } from './api-keys.ts'

/** A key and what is stored of it. */
function make(
  name: string,
  more: Partial<ApiKeyEntry> = {},
): { readonly key: string; readonly entry: ApiKeyEntry } {
  const key = createKey()
  const parts = readKey(key)
  assert.ok(parts)
  return { key, entry: { name, hash: storedHash(parts), scopes: [], groups: [], ...more } }
}

interface Setting {
  readonly folder: string
  readonly file: string
  readonly clock: ReturnType<typeof createFakeClock>
  readonly revoked: string[]
  readonly logged: string[]
  readonly open: (keys?: readonly ApiKeyEntry[], file?: string) => ApiKeys
}

function setUp(t: TestContext): Setting {
  const folder = mkdtempSync(join(tmpdir(), 'toolgate-keys-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'api-keys.json')
  const clock = createFakeClock()
  const revoked: string[] = []
  const logged: string[] = []
  return {
    folder,
    file,
    clock,
    revoked,
    logged,
    open(keys = [], path = file) {
      const log = (level: string, _: string, fields = {}): void =>
        void logged.push(`${level} ${(fields as { reason?: string }).reason ?? ''}`.trim())
      const all = createApiKeys(
        { keys, file: path },
        { clock, log, onRevoked: (id) => void revoked.push(id) },
      )
      t.after(() => all.close())
      return all
    },
  }
}

const store = (file: string, ...entries: readonly ApiKeyEntry[]): void => changeApiKeys(file, () => entries)
/** Longer than the time between two looks at the file. */
const LOOK = 6000

describe('whose key it is', () => {
  test('is said by issuer, name, id, scopes, groups and tenant', (t) => {
    const { open, file } = setUp(t)
    const expires = Date.UTC(2027, 0, 1)
    const { key, entry } = make('ci', { scopes: ['a:b'], groups: ['dev'], tenant: 'acme', expires })
    store(file, entry)
    const principal = open().verify(key)
    assert.ok(principal)
    const { id, ...rest } = principal
    assert.match(id, /^[\w-]{43}$/)
    assert.deepEqual(rest, {
      anonymous: false,
      issuer: 'toolgate:keys',
      subject: 'ci',
      client: key.slice(3, 11),
      tenant: 'acme',
      scopes: new Set(['a:b']),
      groups: new Set(['dev']),
      claims: {},
      expiresAt: expires,
    })
    assert.ok(!JSON.stringify(rest).includes(key.slice(12)))
  })

  test('is nobody for unknown and damaged keys, and for keys with a known id and another secret', (t) => {
    const { key, entry } = make('ci')
    const { open } = setUp(t)
    const keys = open([entry])
    assert.ok(keys.verify(key))
    const other = createKey()
    for (const wrong of [other, key.slice(0, 12) + other.slice(12), `${key} `, '', 'Bearer', entry.hash]) {
      assert.equal(keys.verify(wrong), undefined)
    }
  })

  test('is compared beyond the id that shows: a stored key with the same id does not open', (t) => {
    const { key, entry } = make('ci')
    const forged = `${entry.hash.slice(0, 15)}${'0'.repeat(56)}`
    const { open } = setUp(t)
    assert.equal(open([{ ...entry, hash: forged }]).verify(key), undefined)
  })

  test('is nobody from the moment of expiry on', async (t) => {
    const { clock, open } = setUp(t)
    const { key, entry } = make('ci', { expires: clock.wallTime() + 1000 })
    const keys = open([entry])
    await clock.advance(999)
    assert.ok(keys.verify(key))
    await clock.advance(1)
    assert.equal(keys.verify(key), undefined)
  })

  test('differs for a key that got the name of a revoked one', (t) => {
    const { open } = setUp(t)
    const [first, second] = [make('ci'), make('ci')]
    const [one, two] = [open([first.entry]).verify(first.key), open([second.entry]).verify(second.key)]
    assert.ok(one && two && one.id !== two.id)
    assert.equal(one.subject, two.subject)
  })
})

describe('a running gateway', () => {
  test('takes new keys, refuses revoked ones and says whose they were', async (t) => {
    const { open, file, clock, revoked } = setUp(t)
    const [a, b] = [make('a'), make('b')]
    const keys = open()
    assert.equal(keys.verify(a.key), undefined)
    store(file, a.entry, b.entry)
    await clock.advance(LOOK)
    const principal = keys.verify(a.key)
    assert.ok(principal && keys.verify(b.key))
    assert.deepEqual(revoked, [])
    const stays = keys.verify(b.key)
    store(file, b.entry)
    await clock.advance(LOOK)
    assert.equal(keys.verify(a.key), undefined)
    assert.equal(keys.verify(b.key), stays)
    assert.deepEqual(revoked, [principal.id])
    rmSync(file)
    await clock.advance(LOOK)
    assert.equal(keys.verify(b.key), undefined)
    assert.equal(revoked.length, 2)
  })

  test('notices without waiting for the next look', async (t) => {
    const { folder, file, clock } = setUp(t)
    const { key, entry } = make('a')
    const noticed = Promise.withResolvers<void>()
    const watching = {
      ...clock,
      after: (ms: number, action: () => void) => {
        if (ms < 1000) queueMicrotask(() => (action(), noticed.resolve()))
        return () => undefined
      },
    }
    const ports = { clock: watching, log: () => undefined, onRevoked: () => undefined }
    const keys = createApiKeys({ keys: [], file }, ports)
    t.after(() => keys.close())
    writeFileSync(join(folder, 'next'), JSON.stringify({ keys: [entry] }), { mode: 0o600 })
    await noticed.promise
    renameSync(join(folder, 'next'), file)
    // Events of the folder come when the system likes: each of them is followed by a look.
    while (keys.verify(key) === undefined) await new Promise((resolve) => void setImmediate(resolve))
  })

  test('notices the swap of a folder of links, as Kubernetes mounts secrets', async (t) => {
    const { folder, clock, open } = setUp(t)
    const [a, b] = [make('a'), make('b')]
    for (const { entry } of [a, b]) {
      mkdirSync(join(folder, entry.name))
      store(join(folder, entry.name, 'keys.json'), entry)
    }
    symlinkSync('a', join(folder, '..data'))
    symlinkSync(join('..data', 'keys.json'), join(folder, 'keys.json'))
    const keys = open([], join(folder, 'keys.json'))
    assert.ok(keys.verify(a.key))
    symlinkSync('b', join(folder, '..next'))
    renameSync(join(folder, '..next'), join(folder, '..data'))
    await clock.advance(LOOK)
    assert.ok(keys.verify(b.key))
    assert.equal(keys.verify(a.key), undefined)
  })

  test('ends what runs under a key whose rights have changed', async (t) => {
    const { open, file, clock, revoked } = setUp(t)
    const { key, entry } = make('a', { scopes: ['x', 'y'] })
    store(file, entry)
    const keys = open()
    const before = keys.verify(key)
    store(file, { ...entry, scopes: ['x'] })
    await clock.advance(LOOK)
    assert.deepEqual(keys.verify(key)?.scopes, new Set(['x']))
    assert.deepEqual(revoked, [before?.id])
  })

  test('keeps the keys it has while the file is broken, and says so once', async (t) => {
    const { open, file, clock, logged, revoked } = setUp(t)
    const { key, entry } = make('a')
    store(file, entry)
    const keys = open()
    writeFileSync(file, '{"keys": [{"name": "a", "hash": "hunter2"}]}')
    await clock.advance(3 * LOOK)
    writeFileSync(file, '{"keys": [')
    await clock.advance(3 * LOOK)
    assert.ok(keys.verify(key))
    assert.match(logged[0] ?? '', /^error is wrong at keys\[0\]\.hash: expected the hash of a key/)
    assert.deepEqual(logged.slice(1), ['error is not JSON'])
    assert.ok(!logged.join('').includes('hunter2'))
    overwrite(file, entry)
    await clock.advance(LOOK)
    assert.deepEqual(logged.slice(2), ['info'])
    assert.ok(keys.verify(key))
    assert.deepEqual(revoked, [])
  })

  test('does not take a file that others may write, and does not start with one', async (t) => {
    const { open, file, clock } = setUp(t)
    const [a, b] = [make('a'), make('b')]
    store(file, a.entry)
    const keys = open()
    store(file, b.entry)
    chmodSync(file, 0o620)
    await clock.advance(LOOK)
    assert.ok(keys.verify(a.key))
    assert.equal(keys.verify(b.key), undefined)
    assert.throws(() => open(), /api-keys\.json, cannot be taken: it may be written by others.*chmod 600/)
    chmodSync(file, 0o600)
    await clock.advance(LOOK)
    assert.ok(keys.verify(b.key))
  })

  test('lets the configuration have the say where a name stands in both', (t) => {
    const { open, file, logged } = setUp(t)
    const [own, filed] = [make('ci'), make('ci')]
    store(file, filed.entry)
    const keys = open([own.entry])
    assert.ok(keys.verify(own.key))
    assert.equal(keys.verify(filed.key), undefined)
    assert.deepEqual(logged, ['warn'])
  })
})

/** Written in place: a file that is broken cannot be changed. */
function overwrite(file: string, entry: ApiKeyEntry): void {
  writeFileSync(file, JSON.stringify({ keys: [entry] }))
}

describe('the file of keys', () => {
  test('comes back as it was written, times included', (t) => {
    const { file } = setUp(t)
    const entries = [
      make('a', { created: 1_800_000_000_000, expires: 1_900_000_000_000, tenant: 't' }).entry,
      make('b', { scopes: ['s'], groups: ['g h'] }).entry,
    ]
    store(file, ...entries)
    assert.deepEqual(readApiKeys(file), entries)
  })
})

describe('a key that requires signatures', () => {
  const secret = createSecretKey('a secret of a caller and of the gateway', 'utf8')
  const signature = {
    form: 'rfc9421',
    keys: [{ keyId: 'k', algorithm: 'hmac-sha256', key: secret }],
    components: ['@method', '@target-uri'],
    maxAge: 60_000,
  } as const

  function signedBy(clock: Setting['clock']) {
    const sign = createSigner(
      {
        form: 'rfc9421',
        algorithm: 'hmac-sha256',
        key: secret,
        keyId: 'k',
        components: ['@method', '@target-uri'],
        expires: 60_000,
      },
      clock,
    )
    const request = { method: 'POST', url: new URL('http://g/mcp'), body: '{}' }
    const own = sign({ ...request, headers: ['content-type', 'application/json'] })
    const headers = Object.fromEntries(
      own.flatMap((name, at) => (at % 2 === 0 ? [[name, own[at + 1] ?? '']] : [])),
    )
    return { ...request, headers: { ...headers, 'content-type': 'application/json' } }
  }

  function checkOf(keys: ApiKeys, key: string) {
    const principal = keys.verify(key)
    assert.ok(principal)
    return keys.signatureOf(principal)
  }

  test('survives the file, and asks nothing of others', (t) => {
    const { open, file, clock } = setUp(t)
    const { publicKey } = generateKeyPairSync('ed25519')
    const some = [...signature.keys, { keyId: 'new', algorithm: 'ed25519', key: publicKey } as const]
    const [one, two] = [make('one', { signature: { ...signature, keys: some } }), make('two')]
    store(file, one.entry, two.entry)
    const [read] = readApiKeys(file)
    assert.deepEqual(read?.signature, { ...signature, keys: some })
    const keys = open()
    assert.equal(checkOf(keys, two.key), undefined)
    assert.equal(checkOf(keys, one.key)?.(signedBy(clock)), undefined)
  })

  test('remembers what was used when its rights change, and forgets nothing for it', async (t) => {
    const { open, file, clock, revoked } = setUp(t)
    const { key, entry } = make('ci', { signature })
    store(file, entry)
    const keys = open()
    const request = signedBy(clock)
    assert.equal(checkOf(keys, key)?.(request), undefined)
    store(file, { ...entry, scopes: ['a:b'] })
    await clock.advance(LOOK)
    assert.ok(keys.verify(key)?.scopes.has('a:b'))
    assert.equal(checkOf(keys, key)?.(request), 'The signature was used before')
    assert.equal(checkOf(keys, key)?.(signedBy(clock)), undefined)
    assert.equal(revoked.length, 1)
  })

  test('is another key as soon as it is to be signed with another', async (t) => {
    const { open, file, clock, revoked } = setUp(t)
    const { key, entry } = make('ci', { signature })
    store(file, entry)
    const keys = open()
    const other = createSecretKey('another secret of a caller and the gateway', 'utf8')
    store(file, { ...entry, signature: { ...signature, keys: [{ ...signature.keys[0], key: other }] } })
    await clock.advance(LOOK)
    assert.equal(checkOf(keys, key)?.(signedBy(clock)), 'The signature is wrong')
    assert.equal(revoked.length, 1, 'what runs in its name ends')
  })
})
