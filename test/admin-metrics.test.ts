/** The metrics on the admin listener of a gateway in a process of its own: who may read them, and what they are given. */
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { SCRAPE_CONSENT } from '../src/config/telemetry-schema.ts'
import { modernServer } from './language/http-backend.ts'
import { type GatewayProcess, gatewayProcess, site } from './language/process.ts'
import { type Scope, scopeOf } from './language/scope.ts'
import { readScrape } from './language/scrape.ts'

interface Admin {
  readonly running: GatewayProcess
  /** GET of a path, with a bearer token where one is given. */
  readonly get: (
    path: string,
    token?: string,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Response>
  /** The admin token. */
  readonly token: string
}

async function admin(scope: Scope, metrics: unknown): Promise<Admin> {
  const server = await modernServer(scope)
  // A check that ends in between would bring its latency.
  const good = { settings: { url: server.url, health: 'off' } }
  const where = await site(scope, {
    backends: { good },
    admin: { listen: '127.0.0.1:0' },
    more: { telemetry: { metrics } },
  })
  const running = await gatewayProcess(where)
  scope.after(async () => running[Symbol.asyncDispose]())
  const folder = join(dirname(where.file), 'state', 'gateways')
  const [file = ''] = await readdir(folder)
  const announced = JSON.parse(await readFile(join(folder, file), 'utf8')) as { admin: string; token: string }
  return {
    running,
    token: announced.token,
    get: async (path, token, headers = {}) =>
      fetch(announced.admin + path, {
        headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      }),
  }
}

describe('/metrics on the admin listener', () => {
  test('is for who has the admin token, or the token for it, which opens nothing else', async (t) => {
    const { get, token } = await admin(scopeOf(t), { token: 'a-token-for-prometheus' })
    for (const wrong of [undefined, '', 'a-token-for-prometheu', 'a-token-for-prometheus2', `${token}x`]) {
      const answer = await get('/metrics', wrong)
      assert.equal(answer.status, 401)
      assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
      assert.doesNotMatch(await answer.text(), /toolgate_/)
    }
    for (const right of [token, 'a-token-for-prometheus']) {
      const answer = await get('/metrics', right)
      assert.equal(answer.status, 200)
      assert.equal(answer.headers.get('cache-control'), 'no-store')
      assert.match(await answer.text(), /^toolgate_build_info\{version=/m)
    }
    for (const path of ['/api/v1/status', '/api/v1/metrics', '/api/v1/health']) {
      assert.equal((await get(path, 'a-token-for-prometheus')).status, 401, path)
      assert.equal((await get(path, token)).status, 200, path)
    }
  })

  test('needs no token where that is written out, but never answers the page of a browser', async (t) => {
    const { get } = await admin(scopeOf(t), { allowUnauthenticatedScrape: SCRAPE_CONSENT })
    assert.equal((await get('/metrics')).status, 200)
    assert.equal((await get('/api/v1/metrics')).status, 401)
    assert.equal((await get('/metrics', undefined, { origin: 'http://localhost' })).status, 403)
  })

  test('speaks the format that is asked for, packed where that is wanted', async (t) => {
    const { get, token, running } = await admin(scopeOf(t), {})
    await running.raw.modern('tools/call', { name: 'good_echo', arguments: {} })
    const formats = {
      '*/*': 'text/plain; version=0.0.4; charset=utf-8',
      'text/html': 'text/plain; version=0.0.4; charset=utf-8',
      // What Prometheus 2.42 and 3 send.
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1':
        'application/openmetrics-text; version=1.0.0; charset=utf-8',
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1':
        'application/openmetrics-text; version=1.0.0; charset=utf-8',
      'text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.5':
        'text/plain; version=0.0.4; charset=utf-8',
    }
    for (const [accept, type] of Object.entries(formats)) {
      const answer = await get('/metrics', token, { accept, 'accept-encoding': 'gzip' })
      assert.equal(answer.headers.get('content-type'), type, accept)
      assert.equal(answer.headers.get('content-encoding'), 'gzip')
      const format = type.startsWith('text') ? 'text' : 'openmetrics'
      const { sum } = readScrape(await answer.text(), format)
      assert.equal(sum('toolgate_calls_total', { toolgate_backend: 'good', gen_ai_tool_name: 'echo' }), 1)
    }
    const plain = await get('/metrics', token, { 'accept-encoding': 'gzip;q=0, br' })
    assert.equal(plain.headers.get('content-encoding'), null)
  })

  test('is not there where nothing is measured', async (t) => {
    const { get, token } = await admin(scopeOf(t), 'off')
    assert.equal((await get('/metrics', token)).status, 404)
    assert.equal((await get('/metrics')).status, 401)
    assert.equal((await get('/api/v1/metrics', token)).status, 404)
  })
})

describe('documents of the admin listener', () => {
  test('say how calls went, and how backends are', async (t) => {
    const { get, token, running } = await admin(scopeOf(t), {})
    await running.raw.modern('tools/call', { name: 'good_echo', arguments: {} })
    await running.raw.modern('tools/call', { name: 'good_fail', arguments: {} })
    await running.raw.modern('tools/call', { name: 'nothing', arguments: {} })
    const metrics = (await (await get('/api/v1/metrics', token)).json()) as Record<string, never>
    const { latencyMs, ...total } = metrics['total'] as unknown as Record<string, unknown>
    assert.deepEqual(total, { calls: 2, errors: 0, toolErrors: 1, cancelled: 0, refused: 1 })
    assert.deepEqual(Object.keys(latencyMs as object), ['mean', 'p50', 'p90', 'p99'])
    assert.deepEqual(metrics['open'], { calls: 0, sessions: 0, streams: 0, subscriptions: 0, parked: 0 })
    assert.deepEqual(metrics['refusals'], { UNKNOWN_TOOL: 1 })
    // The same data as the tools of the aggregate tell, by the same names.
    assert.deepEqual(metrics['by_tool'], { 'good.echo': 1, 'good.fail': 1 })
    assert.equal(metrics['total_requests'], 2)
    assert.deepEqual(metrics['registered_backends'], ['good'])
    const health = (await (await get('/api/v1/health', token)).json()) as Record<string, { since: string }>
    const { since, ...good } = health['good'] ?? { since: '' }
    assert.deepEqual(good, { status: 'healthy' })
    assert.ok(Date.parse(since) > 0)
  })
})
