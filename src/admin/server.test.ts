import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, describe, test } from 'node:test'
import { announce, createToken } from './announcement.ts'
import { type AdminListener, listenAdmin } from './server.ts'

interface State {
  readonly admin: AdminListener
  ready: boolean
  readonly ordered: string[]
}

async function setUp(t: TestContext): Promise<State> {
  const state = { ready: false, ordered: new Array<string>() }
  const admin = await listenAdmin(
    { listen: { host: '127.0.0.1', port: 0 } },
    {
      token: 'right',
      status: () => ({ backends: [] }),
      health: () => ({ status: 'healthy' }),
      isReady: () => state.ready,
      order: (order, backend) => (state.ordered.push(`${order} ${backend}`), backend === 'here'),
    },
  )
  t.after(() => admin.close())
  return Object.assign(state, { admin })
}

/** What comes back for these header lines, which fetch would not send. */
async function rawGet(port: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const socket = connect(Number(port), '127.0.0.1')
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(`GET /api/v1/status HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`)
  let response = ''
  for await (const chunk of socket) response += String(chunk)
  return response
}

const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } })

describe('the admin listener', () => {
  test('shows the status to who has the token', async (t) => {
    const { admin } = await setUp(t)
    const answer = await fetch(`${admin.url}/api/v1/status`, bearer('right'))
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
    assert.deepEqual(await answer.json(), { backends: [] })
  })

  test('shows nothing to anybody else, not even what exists', async (t) => {
    const { admin } = await setUp(t)
    for (const path of ['/api/v1/status', '/metrics', '/', '/nothing']) {
      for (const init of [{}, bearer(''), bearer('wrong'), bearer('right '.repeat(2)), bearer('righ')]) {
        const answer = await fetch(admin.url + path, init)
        assert.equal(answer.status, 401, path)
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer')
        assert.ok(!(await answer.text()).includes('backends'))
      }
    }
    assert.equal((await fetch(`${admin.url}/nothing`, bearer('right'))).status, 404)
    const basic = { headers: { authorization: 'Basic right' } }
    assert.equal((await fetch(`${admin.url}/api/v1/status`, basic)).status, 401)
  })

  test('shows metrics to who has the admin token or the token for them, which opens nothing else', async (t) => {
    const scrape = () => ({ contentType: 'text/plain', pieces: ['a 1\n', 'b 2\n'] })
    const listen = async (over: { readonly token?: string; readonly open?: boolean }) => {
      const metrics = { document: () => ({ calls: 1 }), scrape, token: over.token, open: over.open ?? false }
      const plain = { token: 'right', status: () => ({}), health: () => ({}), isReady: () => true }
      const listener = await listenAdmin(
        { listen: { host: '127.0.0.1', port: 0 } },
        { ...plain, metrics, order: () => false },
      )
      t.after(() => listener.close())
      return async (path: string, token?: string) => {
        const answer = await fetch(listener.url + path, token === undefined ? {} : bearer(token))
        return [answer.status, await answer.text()]
      }
    }
    const get = await listen({ token: 'for-metrics' })
    for (const token of [undefined, '', 'wrong', 'for-metric', 'for-metrics2'])
      assert.deepEqual(await get('/metrics', token), [401, '{"error":"The admin token is missing or wrong"}'])
    for (const token of ['right', 'for-metrics'])
      assert.deepEqual(await get('/metrics', token), [200, 'a 1\nb 2\n'])
    for (const path of ['/api/v1/metrics', '/api/v1/status', '/api/v1/health', '/nothing'])
      assert.equal((await get(path, 'for-metrics'))[0], 401, path)
    assert.deepEqual(await get('/api/v1/metrics', 'right'), [200, '{"calls":1}'])
    const open = await listen({ open: true })
    assert.equal((await open('/metrics'))[0], 200)
    assert.equal((await open('/api/v1/metrics'))[0], 401)
    assert.equal((await (await listen({}))('/metrics'))[0], 401)
  })

  test('says to probes whether it lives and is ready, without a token', async (t) => {
    const state = await setUp(t)
    const { url } = state.admin
    assert.equal((await fetch(`${url}/healthz`)).status, 200)
    assert.equal((await fetch(`${url}/readyz`)).status, 503)
    state.ready = true
    assert.equal((await fetch(`${url}/readyz?verbose`)).status, 200)
  })

  test('serves no page of a browser and nothing but GET', async (t) => {
    const { admin } = await setUp(t)
    const headers = { authorization: 'Bearer right', origin: 'http://localhost' }
    assert.equal((await fetch(`${admin.url}/api/v1/status`, { headers })).status, 403)
    for (const [host, status] of [
      ['rebound.example', 403],
      ['127.0.0.1.nip.io:9901', 403],
      ['localhost:1', 200],
      ['[::1]', 200],
    ] as const) {
      const { port } = new URL(admin.url)
      const response = await rawGet(port, { host, authorization: 'Bearer right' })
      assert.match(response, new RegExp(`^HTTP/1.1 ${status} `), host)
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      assert.equal((await fetch(`${admin.url}/api/v1/status`, { ...bearer('right'), method })).status, 405)
    }
  })

  test('carries out the orders of who has the token, and of nobody else', async (t) => {
    const { admin, ordered } = await setUp(t)
    const post = async (path: string, init: RequestInit = bearer('right')): Promise<number> =>
      (await fetch(`${admin.url}/api/v1/backends/${path}`, { ...init, method: 'POST' })).status
    assert.equal(await post('here/isolate', bearer('wrong')), 401)
    assert.equal(await post('here/isolate', {}), 401)
    const page = { headers: { authorization: 'Bearer right', origin: 'http://localhost' } }
    assert.equal(await post('here/isolate', page), 403)
    for (const path of ['here/destroy', 'here', '../status', 'a%2Fb/isolate'])
      assert.equal(await post(path), 405)
    assert.deepEqual(ordered, [])
    assert.equal(await post('here/isolate'), 200)
    assert.equal(await post('here/restore'), 200)
    assert.equal(await post('there/isolate'), 404)
    assert.deepEqual(ordered, ['isolate here', 'restore here', 'isolate there'])
  })

  test('says why it cannot be bound, and ends open connections when it closes', async (t) => {
    const { admin } = await setUp(t)
    const port = Number(new URL(admin.url).port)
    const ports = {
      token: 'x',
      status: () => ({}),
      health: () => ({}),
      isReady: () => true,
      order: () => false,
    }
    await assert.rejects(listenAdmin({ listen: { host: '127.0.0.1', port } }, ports), { code: 'EADDRINUSE' })
    const socket = connect(port, '127.0.0.1')
    await new Promise((resolve) => void socket.once('connect', resolve))
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
    await new Promise((resolve) => void socket.once('data', resolve))
    const ended = new Promise((resolve) => void socket.once('close', resolve))
    socket.on('error', () => undefined)
    await admin.close()
    await ended
  })
})

describe('an announcement', () => {
  const facts = { url: 'http://127.0.0.1:1/mcp', admin: 'http://127.0.0.1:2', token: 't', pid: 4711 }

  test('is for the user alone, complete at once, and taken back', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'toolgate-'))
    t.after(() => rm(folder, { recursive: true }))
    const takeBack = await announce(folder, facts)
    const file = join(folder, 'gateways', '4711.json')
    assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), facts)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.equal((await stat(join(folder, 'gateways'))).mode & 0o777, 0o700)
    await takeBack()
    await takeBack()
    assert.deepEqual(await readdir(join(folder, 'gateways')), [])
  })

  test('has a token that nobody guesses', () => {
    const tokens = new Set(Array.from({ length: 100 }, createToken))
    assert.equal(tokens.size, 100)
    for (const token of tokens) assert.match(token, /^[\w-]{43}$/)
  })
})
