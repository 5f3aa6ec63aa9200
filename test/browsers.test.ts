// What pages in browsers may send to the gateway and read of it.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type RawBackend, good, rawBackend } from './hostile/support/backend.ts'
import { type TestGateway, legacyClient, modernCall, startGateway } from './hostile/support/gateway.ts'
import { type RawResponse, roundTrip } from './hostile/support/wire.ts'

const APP = 'https://app.example.com'
const EXPOSED = 'Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, DPoP-Nonce, Retry-After'

let backend: RawBackend
let gateway: TestGateway

before(async () => {
  backend = await rawBackend(
    good({ era: 'modern', tools: '{"name":"echo","inputSchema":{"type":"object"}}' }),
  )
  gateway = await startGateway({ backends: { good: backend.url }, gateway: { allowedOrigins: [APP] } })
})

after(async () => {
  await gateway.close()
  await backend.stop()
})

/** The headers of a response that browsers look at. */
function corsOf({ headers }: RawResponse): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.startsWith('access-control-') || name === 'vary'),
  )
}

const READABLE = {
  'access-control-allow-origin': APP,
  'access-control-expose-headers': EXPOSED,
  vary: 'Origin',
}

const preflight = (origin: string, headers: string, path = '/mcp'): Promise<RawResponse> =>
  roundTrip(gateway.port, {
    method: 'OPTIONS',
    path,
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': headers,
      'content-type': undefined,
      accept: '*/*',
    },
  })

describe('the question before a request', () => {
  test('is answered to allowed origins: what they may send', async () => {
    const asked =
      'authorization,content-type,last-event-id,mcp-method,mcp-name,mcp-param-region,mcp-protocol-version,mcp-session-id'
    const response = await preflight(APP, asked)
    assert.equal(response.status, 204)
    assert.deepEqual(corsOf(response), {
      ...READABLE,
      vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers': asked.replaceAll(',', ', '),
      'access-control-max-age': '600',
    })
  })

  test('grants no header that has no business here', async () => {
    const response = await preflight(APP, 'X-Forwarded-For, Authorization, cookie, mcp-bad name, Mcp-Method')
    assert.equal(response.headers['access-control-allow-headers'], 'authorization, mcp-method')
  })

  test('is refused to others, and they cannot read why', async () => {
    for (const origin of ['https://evil.example', 'null', `${APP}.evil.example`]) {
      const response = await preflight(origin, 'content-type')
      assert.equal(response.status, 403)
      assert.deepEqual(corsOf(response), {})
    }
  })

  test('is not asked by OPTIONS alone', async () => {
    const response = await roundTrip(gateway.port, {
      method: 'OPTIONS',
      path: '/mcp',
      headers: { origin: APP },
    })
    assert.equal(response.status, 405)
  })
})

describe('a page of an allowed origin', () => {
  test('reads results, refusals and the session of its client, and no page has credentials on its behalf', async () => {
    const call = modernCall('good_echo')
    const good = await roundTrip(gateway.port, { ...call, headers: { ...call.headers, origin: APP } })
    assert.equal(good.status, 200)
    assert.deepEqual(corsOf(good), READABLE)
    const events = { ...call.headers, origin: APP, accept: 'text/event-stream' }
    const stream = await roundTrip(gateway.port, { ...call, headers: events })
    assert.deepEqual(corsOf(stream), READABLE)
    const unknown = modernCall('good_nothing')
    const bad = await roundTrip(gateway.port, { ...unknown, headers: { ...unknown.headers, origin: APP } })
    assert.equal(bad.status, 400)
    assert.deepEqual(corsOf(bad), READABLE)
    const lost = await roundTrip(gateway.port, { path: '/nothing', headers: { origin: APP }, body: '{}' })
    assert.equal(lost.status, 404)
    assert.deepEqual(corsOf(lost), READABLE)
    const { session } = await legacyClient(gateway.port)
    const ended = await roundTrip(gateway.port, {
      method: 'DELETE',
      path: '/mcp',
      headers: { 'mcp-session-id': session, origin: APP },
    })
    assert.deepEqual(corsOf(ended), READABLE)
  })

  test('reads the origin that it wrote, not another that is allowed', async () => {
    const origin = 'http://localhost:6274'
    const call = modernCall('good_echo')
    const response = await roundTrip(gateway.port, { ...call, headers: { ...call.headers, origin } })
    assert.equal(response.headers['access-control-allow-origin'], origin)
  })
})

describe('any other page', () => {
  test('reads nothing and has nothing done', async () => {
    const before = backend.received.length
    const call = modernCall('good_echo')
    const headers = { ...call.headers, origin: 'https://evil.example' }
    const response = await roundTrip(gateway.port, { ...call, headers })
    assert.equal(response.status, 403)
    assert.deepEqual(corsOf(response), {})
    assert.equal(backend.received.length, before)
  })

  test('reads the metadata of the protected resource, which is public, but not through a rebound name', async () => {
    const path = '/.well-known/oauth-protected-resource/mcp'
    const origin = 'https://inspector.example'
    const get = (headers: Readonly<Record<string, string>>): Promise<RawResponse> =>
      roundTrip(gateway.port, { method: 'GET', path, headers: { origin, ...headers } })
    assert.equal((await get({})).headers['access-control-allow-origin'], '*')
    assert.equal((await preflight(origin, 'mcp-protocol-version', path)).status, 204)
    assert.equal((await get({ host: 'rebound.example' })).status, 403)
  })
})

test('a client that is no browser is told nothing of all this', async () => {
  const response = await roundTrip(gateway.port, modernCall('good_echo'))
  assert.deepEqual(corsOf(response), {})
})
