/** API keys whose requests have to be signed: what passes, what does not, and that nothing acts on what does not. */
import assert from 'node:assert/strict'
import { type KeyObject, createSecretKey, generateKeyPairSync } from 'node:crypto'
import { describe, test } from 'node:test'
import { createKey, readKey, storedHash } from '../src/auth/api-key.ts'
import type { HttpSignatureConfig } from '../src/config/signing-schema.ts'
import { sortedJsonHmac, createSigner } from '../src/signing/sign.ts'
import { type House, gateway } from './language/house.ts'
import { type HttpBackend, modernServer } from './language/http-backend.ts'
import { type Scope, scopeOf } from './language/scope.ts'

const SECRET = 'a secret of a caller and of the gateway'
const OTHER = 'a secret of another caller and the gateway'

/** A key for the configuration, and the header that it is sent in. */
function apiKey(name: string, signature?: object) {
  const key = createKey()
  const parts = readKey(key)
  if (parts === undefined) throw new TypeError('no key')
  const entry = { name, hash: storedHash(parts), ...(signature === undefined ? {} : { signature }) }
  return { entry, headers: { authorization: `Bearer ${key}` } }
}

const hmac = (keyId: string, key = SECRET) => ({ keys: [{ keyId, key }] })

const CI = apiKey('ci', hmac('ci-1'))
const ROBOT = apiKey('robot', hmac('robot-1', OTHER))
const PLAIN = apiKey('plain')
const SORTED = apiKey('sorted', { form: 'sorted-json', keys: [{ key: OTHER }, { key: SECRET }] })

/** What differs from how the gateway itself would sign. */
interface Signing {
  readonly keyId?: string
  readonly key?: KeyObject
  readonly algorithm?: HttpSignatureConfig['algorithm']
  readonly components?: readonly string[]
  readonly expires?: number
  /** Milliseconds by which the signer's clock differs. */
  readonly skew?: number
}

interface Sent {
  readonly method?: 'POST' | 'GET' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** The headers that sign a request. */
function signed({ method = 'POST', url, headers = {}, body }: Sent, signing: Signing = {}) {
  const { skew = 0, ...over } = signing
  const sign = createSigner(
    {
      form: 'rfc9421',
      algorithm: 'hmac-sha256',
      key: createSecretKey(SECRET, 'utf8'),
      keyId: 'ci-1',
      components: ['@method', '@target-uri'],
      expires: 60_000,
      ...over,
    },
    { wallTime: () => Date.now() + skew },
  )
  const flat = [...Object.entries(headers), ['content-type', 'application/json']].flat()
  const own = sign({ method, url: new URL(url), headers: flat, body })
  return Object.fromEntries(own.flatMap((name, at) => (at % 2 === 0 ? [[name, own[at + 1] ?? '']] : [])))
}

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}
const CALL_HEADERS = {
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'a_echo',
}
const bodyOf = (who: string): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: { name: 'a_echo', arguments: { who }, _meta: META },
  })

async function send({ method = 'POST', url, headers = {}, body }: Sent) {
  const answer = await fetch(url, {
    method,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}

/** What the refusal says, which must be one. */
function reasonIn({ status, text }: Awaited<ReturnType<typeof send>>): string {
  assert.equal(status, 403, text)
  const { error } = JSON.parse(text) as {
    readonly error: { readonly message: string; readonly data: { readonly code: string } }
  }
  assert.equal(error.data.code, 'SIGNATURE_REQUIRED')
  assert.ok(error.message.startsWith('This API key needs signed requests: '), error.message)
  return error.message.slice('This API key needs signed requests: '.length)
}

interface Desk {
  readonly house: House
  readonly backend: HttpBackend
  /** Who has called the tool of the backend. */
  readonly callers: () => readonly unknown[]
  readonly call: (who: string, headers: Readonly<Record<string, string>>) => ReturnType<typeof send>
}

async function desk(scope: Scope, entries: readonly object[], sse = false): Promise<Desk> {
  const backend = await modernServer(scope)
  const house = await gateway({
    backends: { a: backend },
    auth: { apiKeys: { keys: entries } },
    gateway: { sse },
  })
  scope.after(async () => house.close())
  return {
    house,
    backend,
    callers: () => backend.journal.entries.flatMap((saw) => (saw.kind === 'call' ? [saw.args['who']] : [])),
    call: (who, headers) =>
      send({ url: house.url, headers: { ...CALL_HEADERS, ...headers }, body: bodyOf(who) }),
  }
}

const entries = [CI, ROBOT, PLAIN, SORTED].map(({ entry }) => entry)

describe('an API key that requires signatures', () => {
  test('lets through what is signed with its own key, once', async (t) => {
    const { house, call, callers } = await desk(scopeOf(t), entries)
    const headers = { ...CI.headers, ...signed({ url: house.url, body: bodyOf('ada') }) }
    const answer = await call('ada', headers)
    assert.equal(answer.status, 200, answer.text)
    assert.match(answer.text, /ada/)
    assert.equal(reasonIn(await call('ada', headers)), 'The signature was used before')
    const anew = { ...CI.headers, ...signed({ url: house.url, body: bodyOf('ada') }) }
    assert.equal((await call('ada', anew)).status, 200)
    assert.deepEqual(callers(), ['ada', 'ada'])
  })

  test('is of no use without, and says so', async (t) => {
    const { house, call, callers } = await desk(scopeOf(t), entries)
    assert.equal(reasonIn(await call('x', CI.headers)), 'Signature-Input is missing')
    const half = signed({ url: house.url, body: bodyOf('x') })
    const { signature: _, ...without } = half
    assert.equal(reasonIn(await call('x', { ...CI.headers, ...without })), 'Signature is missing')
    assert.deepEqual(callers(), [])
    const lines = house.log.entries.filter(({ message }) => message === 'signature refused')
    assert.deepEqual(
      lines.map(({ fields }) => fields['reason']),
      ['Signature-Input is missing', 'Signature is missing'],
    )
  })

  const wrong: readonly (readonly [string, Signing & { readonly signed?: Partial<Sent> }, string])[] = [
    ['of other content', { signed: { body: bodyOf('eve') } }, 'Content-Digest is not that of the content'],
    [
      'of no content',
      { signed: { body: undefined } as never },
      'The signature does not cover content-digest',
    ],
    ['of another method', { signed: { method: 'DELETE' } }, 'The signature is wrong'],
    ['of another URL', { signed: { url: 'http://127.0.0.1:1/mcp' } }, 'The signature is wrong'],
    ['that is too old', { skew: -400_000, expires: 900_000 }, 'The signature is too old'],
    ['that has expired', { skew: -120_000 }, 'The signature has expired'],
    ['of the future', { skew: 120_000 }, 'The signature is from the future'],
    ['that leaves out the method', { components: ['@target-uri'] }, 'The signature does not cover @method'],
    ['that leaves out the URL', { components: ['@method'] }, 'The signature does not cover @target-uri'],
    [
      'with the key of another caller',
      { key: createSecretKey(OTHER, 'utf8'), keyId: 'robot-1' },
      'No signature names a key that is known',
    ],
    [
      'with the key of another caller under its own name',
      { key: createSecretKey(OTHER, 'utf8') },
      'The signature is wrong',
    ],
    [
      'with another algorithm',
      { algorithm: 'ed25519', key: generateKeyPairSync('ed25519').privateKey },
      'alg is not that of the key',
    ],
  ]
  for (const [title, { signed: over = {}, ...signing }, reason] of wrong) {
    test(`refuses a signature ${title}`, async (t) => {
      const { house, call, callers } = await desk(scopeOf(t), entries)
      const request = { url: house.url, body: bodyOf('ada'), ...over }
      const answer = await call('ada', { ...CI.headers, ...signed(request, signing) })
      assert.equal(reasonIn(answer), reason)
      assert.equal(answer.headers.get('www-authenticate'), null)
      assert.deepEqual(callers(), [], 'nothing acted on it')
    })
  }

  test('asks nothing of others', async (t) => {
    const { call, callers } = await desk(scopeOf(t), entries)
    assert.equal((await call('bob', PLAIN.headers)).status, 200)
    assert.deepEqual(callers(), ['bob'])
  })

  for (const [algorithm, pair] of [
    ['ed25519', generateKeyPairSync('ed25519')],
    ['ecdsa-p256-sha256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ] as const) {
    test(`can be held to a public key, and to several while they are changed: ${algorithm}`, async (t) => {
      const publicKey = pair.publicKey.export({ format: 'pem', type: 'spki' })
      const keys = [
        { keyId: 'old', key: SECRET },
        { keyId: 'new', algorithm, key: publicKey },
      ]
      const one = apiKey('one', { keys })
      const { house, call } = await desk(scopeOf(t), [one.entry])
      const request = { url: house.url, body: bodyOf('x') }
      const how = { keyId: 'new', algorithm, key: pair.privateKey }
      assert.equal((await call('x', { ...one.headers, ...signed(request, how) })).status, 200)
      assert.equal((await call('x', { ...one.headers, ...signed(request, { keyId: 'old' }) })).status, 200)
    })
  }

  test('takes the form of the gateway pattern, over content alone', async (t) => {
    const { house, call, callers } = await desk(scopeOf(t), entries)
    const signature = sortedJsonHmac(createSecretKey(SECRET, 'utf8'), bodyOf('é'))
    const headers = { ...SORTED.headers, 'x-signature': signature }
    assert.equal((await call('é', headers)).status, 200)
    assert.equal(reasonIn(await call('other', headers)), 'The signature is wrong')
    assert.equal(reasonIn(await call('é', SORTED.headers)), 'x-signature is missing')
    const get = await send({ method: 'GET', url: house.url, headers })
    assert.equal(reasonIn(get), 'Requests without content cannot be signed in this form')
    assert.deepEqual(callers(), ['é'])
  })
})

describe('a legacy client whose key requires signatures', () => {
  const INITIALIZE = JSON.stringify({
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
  })

  test('signs every request of its session, those without content too', async (t) => {
    const { house, callers } = await desk(scopeOf(t), entries)
    const { url } = house
    const ask = async (sent: Omit<Sent, 'url'>, isSigned: boolean) => {
      const own = isSigned ? signed({ url, ...sent }) : {}
      return send({ url, ...sent, headers: { ...CI.headers, ...sent.headers, ...own } })
    }
    assert.equal(reasonIn(await ask({ body: INITIALIZE }, false)), 'Signature-Input is missing')
    assert.equal(house.gateway.meter.total, 0)
    const opened = await ask({ body: INITIALIZE }, true)
    assert.equal(opened.status, 200, opened.text)
    const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const call = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'a_echo', arguments: { who: 'ada' } },
    })
    assert.equal(reasonIn(await ask({ headers: session, body: call }, false)), 'Signature-Input is missing')
    assert.equal((await ask({ headers: session, body: call }, true)).status, 200)
    assert.deepEqual(callers(), ['ada'])
    for (const method of ['GET', 'DELETE'] as const)
      assert.equal(reasonIn(await ask({ method, headers: session }, false)), 'Signature-Input is missing')
    const ending = { method: 'DELETE' as const, headers: session }
    const own = { ...CI.headers, ...session, ...signed({ url, ...ending }) }
    assert.equal((await send({ url, method: 'DELETE', headers: own })).status, 200)
    assert.equal(
      reasonIn(await send({ url, method: 'DELETE', headers: own })),
      'The signature was used before',
    )
    assert.equal((await ask(ending, true)).status, 404, 'its session is gone')
  })

  test('signs the streams and messages of 2024-11-05', async (t) => {
    const { house, callers } = await desk(scopeOf(t), entries, true)
    const url = house.url.replace('/mcp', '/sse')
    assert.equal(
      reasonIn(await send({ method: 'GET', url, headers: CI.headers })),
      'Signature-Input is missing',
    )
    const leaving = new AbortController()
    const stream = await fetch(url, {
      headers: { accept: 'text/event-stream', ...CI.headers, ...signed({ method: 'GET', url }) },
      signal: leaving.signal,
    })
    const reader = (stream.body ?? assert.fail('no stream')).pipeThrough(new TextDecoderStream()).getReader()
    const first = await reader.read()
    const path = /data: (\S+)/.exec(first.value ?? '')?.[1] ?? ''
    const messages = new URL(path, url).href
    const unsigned = { url: messages, headers: CI.headers, body: INITIALIZE }
    assert.equal(reasonIn(await send(unsigned)), 'Signature-Input is missing')
    const own = { ...CI.headers, ...signed({ url: messages, body: INITIALIZE }) }
    assert.equal((await send({ ...unsigned, headers: own })).status, 202)
    leaving.abort()
    assert.deepEqual(callers(), [])
  })
})
