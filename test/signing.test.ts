import assert from 'node:assert/strict'
import { type KeyObject, createPublicKey, createSecretKey, generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable, pipeline } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { createVerifier, verifySortedJson } from '../src/signing/index.ts'
import { gateway } from './language/house.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import type { Configured, Scope } from './language/scope.ts'

const SECRET = 'a secret of the gateway and its backend'

/** Whether a request may pass; an answer in words says why not. */
type Guard = (request: IncomingMessage, url: URL, body: string) => string | undefined

/** A process edge of a backend that lets through what is signed, and says what it refused. */
async function guarded(scope: Scope, backend: string, guard: Guard) {
  const seen: { readonly method: string; readonly refused: string | undefined }[] = []
  const server = createServer((request, response) => {
    void (async () => {
      const body = await readText(request)
      const url = new URL(request.url ?? '/', `http://${request.headers.host}`)
      const refused = guard(request, url, body)
      seen.push({ method: request.method ?? '', refused })
      if (refused !== undefined) return void response.writeHead(401).end(refused)
      const headers = Object.entries(request.headersDistinct)
        .filter(([name]) => !['host', 'connection', 'content-length'].includes(name))
        .map(([name, values = []]): [string, string] => [name, values.join(', ')])
      const answer = await fetch(backend, {
        method: request.method ?? '',
        headers,
        ...(body === '' ? {} : { body }),
      })
      const passed = ['content-type', 'mcp-session-id'].flatMap((name) => {
        const value = answer.headers.get(name)
        return value === null ? [] : [[name, value] as const]
      })
      response.writeHead(answer.status, Object.fromEntries(passed))
      if (answer.body === null) response.end()
      else pipeline(Readable.fromWeb(answer.body), response, () => undefined)
    })().catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.after(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/mcp`, seen }
}

const signedBackend = (url: string, signing: object): Configured => ({ settings: { url, signing } })

const ed25519 = generateKeyPairSync('ed25519')
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pemOf = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' })

const ALGORITHMS = {
  'hmac-sha256': { written: SECRET, verify: createSecretKey(SECRET, 'utf8') },
  ed25519: { written: pemOf(ed25519.privateKey), verify: createPublicKey(ed25519.privateKey) },
  'ecdsa-p256-sha256': { written: pemOf(p256.privateKey), verify: createPublicKey(p256.privateKey) },
} as const

for (const [era, start] of [
  ['modern', modernServer],
  ['legacy', legacyServer],
] as const) {
  describe(`a ${era} backend that wants signatures`, () => {
    for (const algorithm of Object.keys(ALGORITHMS) as (keyof typeof ALGORITHMS)[]) {
      test(`verifies every request that really arrives: ${algorithm}`, async (t) => {
        const backend = await start(t)
        const { written, verify: key } = ALGORITHMS[algorithm]
        const verify = createVerifier({
          keyOf: (keyId) => (keyId === 'gateway-1' ? { algorithm, key } : undefined),
        })
        const front = await guarded(t, backend.url, (request, url, body) => {
          const { method = '', headersDistinct: headers } = request
          const verdict = verify({ method, url, headers, body })
          return verdict.kind === 'valid' ? undefined : verdict.reason
        })
        const signing = { algorithm, key: written, keyId: 'gateway-1' }
        await using house = await gateway({
          backends: { crm: signedBackend(`${front.url}?team=a`, signing) },
        })
        const client = await house.client('auto')
        const answer = await client.call('crm_echo', { text: 'häuser' })
        assert.match(JSON.stringify(answer), /häuser/)
        assert.deepEqual(
          front.seen.filter(({ refused }) => refused !== undefined),
          [],
        )
        assert.ok(front.seen.length > 1)
      })
    }
  })
}

test('the form of the gateway pattern arrives as Python would sign it', async (t) => {
  const backend = await modernServer(t)
  const key = createSecretKey(SECRET, 'utf8')
  const front = await guarded(t, backend.url, (request, _url, body) => {
    const signature = request.headers['x-signature']
    if (body === '' || verifySortedJson(body, String(signature), [key])) return undefined
    return 'wrong signature'
  })
  const signing = { form: 'sorted-json', key: SECRET }
  await using house = await gateway({ backends: { crm: signedBackend(front.url, signing) } })
  const client = await house.client('modern')
  const answer = await client.call('crm_echo', { text: '1e16 – ünï' })
  assert.match(JSON.stringify(answer), /ünï/)
  assert.deepEqual(
    front.seen.filter(({ refused }) => refused !== undefined),
    [],
  )
})

test('a gateway with another key is refused, and its clients are told nothing of it', async (t) => {
  const backend = await modernServer(t)
  const verify = createVerifier({
    keyOf: () => ({ algorithm: 'hmac-sha256', key: createSecretKey(SECRET, 'utf8') }),
  })
  const front = await guarded(t, backend.url, (request, url, body) => {
    const { method = '', headersDistinct: headers } = request
    const verdict = verify({ method, url, headers, body })
    return verdict.kind === 'valid' ? undefined : verdict.reason
  })
  const signing = { key: `${SECRET}, but another one`, keyId: 'gateway-1' }
  await using house = await gateway({ backends: { crm: signedBackend(front.url, signing) } })
  const { response } = await house.raw.modern('tools/call', { name: 'crm_echo', arguments: {} })
  assert.ok(response.error !== undefined)
  assert.ok(!JSON.stringify(response).includes('signature'), JSON.stringify(response))
  assert.ok(front.seen.every(({ refused }) => refused === 'The signature is wrong'))
})
