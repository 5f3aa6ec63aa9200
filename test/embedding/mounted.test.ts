// A gateway in somebody else's HTTP server: the same doors, checks and streams as behind its own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Gateway } from '../../src/index.ts'
import { GENERATIONS, connectClient } from '../language/client.ts'
import { legacyServer, modernServer } from '../language/http-backend.ts'
import { eventually } from '../language/journal.ts'
import { type Scope, scopeOf } from '../language/scope.ts'
import { INTERACTIVE } from '../language/stage.ts'
import { embedded } from './house.ts'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** A Node server of the program. Its URL is without a path. */
async function nodeServer(scope: Scope, listener: Listener): Promise<string> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.after(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** What Express does for `app.use(place, handler)`. */
const mountedAt =
  (place: string, { handler }: Gateway): Listener =>
  (request: IncomingMessage & { originalUrl?: string }, response) => {
    const { url = '/' } = request
    if (!url.startsWith(place)) return void response.writeHead(404).end('not mine')
    request.originalUrl = url
    request.url = url.slice(place.length) || '/'
    handler(request, response, () => response.writeHead(404).end('next'))
  }

describe('handler', () => {
  for (const generation of GENERATIONS)
    test(`serves a ${generation} client on the server of the program`, async (t) => {
      const scope = scopeOf(t)
      const backend = await legacyServer(scope, { tools: INTERACTIVE })
      const { gateway } = embedded(scope, { backends: { b: backend.url } })
      const origin = await nodeServer(scope, gateway.handler)
      const asked: string[] = []
      const client = await connectClient(
        generation,
        { url: `${origin}/mcp` },
        {
          elicit: async (message) => {
            asked.push(message)
            return { action: 'accept', content: { name: 'Ann' } }
          },
        },
      )
      scope.after(async () => client.close())
      assert.equal((await client.call('b_echo', { n: 1 })).text, 'legacy: {"n":1}')
      const steps: number[] = []
      await client.call('b_progress', { steps: 2 }, { onProgress: ({ progress }) => steps.push(progress) })
      assert.deepEqual(steps, [1, 2])
      assert.match((await client.call('b_ask', { who: 'ann' })).text, /ann: accept/)
      assert.equal(asked.length, 1)
      const leaving = new AbortController()
      const waiting = client.call('b_wait', {}, { signal: leaving.signal, onProgress: () => leaving.abort() })
      await assert.rejects(waiting)
      await backend.journal.until(({ kind }) => kind === 'cancelled')
    })

  for (const place of ['/mcp', '/tools', '/api/v2'])
    test(`may be mounted at ${place}`, async (t) => {
      const scope = scopeOf(t)
      const backend = await modernServer(scope, { label: 'one' })
      const { gateway } = embedded(scope, { backends: { b: backend.url }, gateway: { sse: true } })
      const origin = await nodeServer(scope, mountedAt(place, gateway))
      const base = place === '/mcp' ? origin : origin + place
      const client = await connectClient('v1', { url: `${base}/mcp` })
      scope.after(async () => client.close())
      assert.equal((await client.call('b_echo')).text, 'one: {}')
      const single = await connectClient('modern', { url: `${base}/mcp/b` })
      scope.after(async () => single.close())
      assert.equal((await single.call('echo')).text, 'one: {}')
      assert.equal(
        await (await fetch(`${origin}${place}/elsewhere`)).text(),
        place === '/mcp' ? NOT_THERE : 'next',
      )
      if (place === '/mcp') return
      const leaving = new AbortController()
      const stream = await fetch(`${base}/sse`, {
        headers: { accept: 'text/event-stream' },
        signal: leaving.signal,
      })
      const body: ReadableStream<Uint8Array> = stream.body ?? new ReadableStream()
      const reader = body.getReader()
      const first = new TextDecoder().decode((await reader.read()).value)
      leaving.abort()
      assert.match(first, new RegExp(`^event: endpoint\ndata: ${place}/messages\\?sessionId=`))
    })

  test('leaves questions about health to a framework, and answers them where there is none', async (t) => {
    const scope = scopeOf(t)
    const { gateway } = embedded(scope)
    const alone = await nodeServer(scope, gateway.handler)
    assert.equal(await (await fetch(`${alone}/healthz`)).text(), 'ok\n')
    const mounted = await nodeServer(scope, mountedAt('', gateway))
    assert.equal(await (await fetch(`${mounted}/healthz`)).text(), 'next')
  })

  test('checks the host of a request over HTTP/2 too', async (t) => {
    const scope = scopeOf(t)
    const { gateway } = embedded(scope)
    const server = createHttp2Server((request, response) => {
      gateway.handler(request as unknown as IncomingMessage, response as unknown as ServerResponse)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const session = connect(`http://127.0.0.1:${port}`)
    scope.after(async () => {
      session.close()
      server.close()
    })
    const statusFor = async (authority: string): Promise<unknown> => {
      const stream = session.request({ ':path': '/healthz', ':authority': authority })
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      stream.resume()
      return headers[':status']
    }
    assert.deepEqual([await statusFor('localhost'), await statusFor('evil.example')], [200, 403])
  })

  test('says when the body was read before', async (t) => {
    const scope = scopeOf(t)
    const { gateway, log } = embedded(scope)
    const origin = await nodeServer(scope, (request, response) => {
      request.resume().on('end', () => gateway.handler(request, response))
    })
    const answer = await fetch(`${origin}/mcp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    assert.equal(answer.status, 500)
    await log.until(({ fields }) => String(fields['cause']).includes('before body parsers'))
  })
})

/** What the gateway answers for a backend that nobody knows, asked without a message. */
const NOT_THERE =
  '{"jsonrpc":"2.0","error":{"code":-31005,"message":"GET is not served here: POST JSON-RPC messages","data":{"code":"METHOD_NOT_ALLOWED","retryable":false,"hint":"POST JSON-RPC messages to this URL."}}}'

/** A client of the second SDK that reaches the gateway by its fetch handler alone. */
async function fetchingClient(
  scope: Scope,
  gateway: Gateway,
  mode: 'auto' | 'legacy' = 'auto',
): Promise<Client> {
  const client = new Client({ name: 'in-process', version: '1.0.0' }, { versionNegotiation: { mode } })
  const transport = new StreamableHTTPClientTransport(new URL('http://localhost/mcp'), {
    fetch: async (url, init) => gateway.fetch(new Request(url, init)),
  })
  await client.connect(transport)
  scope.after(async () => client.close())
  return client
}

const modernHeaders = {
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': '2026-07-28',
}

/** A modern request by hand. */
function requestFor(method: string, params: object, init: RequestInit = {}): Request {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method,
    params: { ...params, _meta: { ...meta, progressToken: 'p' } },
  })
  const name = 'name' in params ? { 'mcp-name': String(params.name) } : {}
  const headers = {
    ...modernHeaders,
    'mcp-method': method,
    ...name,
    ...(init.headers as Record<string, string>),
  }
  return new Request('http://localhost/mcp', { method: 'POST', body, ...init, headers })
}

describe('fetch', () => {
  for (const mode of ['auto', 'legacy'] as const)
    test(`serves a client of the second SDK (${mode}) without any server`, async (t) => {
      const scope = scopeOf(t)
      const backend = await legacyServer(scope)
      const { gateway } = embedded(scope, { backends: { b: backend.url } })
      const client = await fetchingClient(scope, gateway, mode)
      assert.deepEqual(
        (await client.listTools()).tools.map(({ name }) => name),
        ['b_echo', 'b_fail', 'b_progress', 'b_wait'],
      )
      const answer = await client.callTool({ name: 'b_echo', arguments: { n: 1 } })
      assert.deepEqual(answer.content, [{ type: 'text', text: 'legacy: {"n":1}' }])
      const steps: number[] = []
      await client.callTool(
        { name: 'b_progress', arguments: { steps: 3 } },
        { onprogress: ({ progress }) => steps.push(progress) },
      )
      assert.deepEqual(steps, [1, 2, 3])
    })

  test('ends the call when the request is aborted, and when nobody reads the response any more', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, { backends: { b: backend.url } })
    const cancelled = (): number => backend.journal.count(({ kind }) => kind === 'cancelled')
    const leaving = new AbortController()
    const response = await gateway.fetch(
      requestFor('tools/call', { name: 'b_wait' }, { signal: leaving.signal }),
    )
    assert.equal(response.headers.get('content-type'), 'text/event-stream')
    leaving.abort()
    await eventually('the first call is cancelled', () => cancelled() === 1)
    await assert.rejects(response.text())
    const other = await gateway.fetch(requestFor('tools/call', { name: 'b_wait' }))
    await other.body?.cancel()
    await eventually('the second call is cancelled', () => cancelled() === 2)
    const early = await gateway.fetch(requestFor('tools/list', {}, { signal: AbortSignal.abort() }))
    assert.equal(early.status, 499)
  })

  test('streams as much as there is, to whoever reads it late', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, { backends: { b: backend.url } })
    const call = { name: 'b_progress', arguments: { steps: 3000 } }
    const response = await gateway.fetch(requestFor('tools/call', call))
    await backend.journal.until(({ kind }) => kind === 'call')
    const text = await response.text()
    const steps = [...text.matchAll(/"progress":(\d+)/g)].map(([, step]) => Number(step))
    assert.deepEqual(
      steps,
      Array.from({ length: 3000 }, (_, index) => index + 1),
    )
    assert.match(text, /3000 steps/)
  })

  const refused: Readonly<Record<string, [() => Request, number]>> = {
    'a page of another origin': [
      () => requestFor('tools/list', {}, { headers: { origin: 'https://evil.example' } }),
      403,
    ],
    'another host': [() => new Request('http://evil.example/mcp', requestFor('tools/list', {})), 403],
    'a path that is none': [() => new Request('http://localhost/elsewhere'), 404],
    'a method that is none': [() => new Request('http://localhost/mcp'), 405],
    'a body that is too large': [
      () => requestFor('tools/list', {}, { body: JSON.stringify({ a: 'x'.repeat(3000) }) }),
      413,
    ],
    'a streamed body that is too large': [
      () =>
        requestFor(
          'tools/list',
          {},
          {
            body: new ReadableStream({
              pull: (controller) => controller.enqueue(new Uint8Array(1024).fill(32)),
            }),
            duplex: 'half',
          },
        ),
      413,
    ],
    'a body that is no JSON': [() => requestFor('tools/list', {}, { body: '{' }), 400],
    'a head that is too large': [
      () => requestFor('tools/list', {}, { headers: { 'x-much': 'y'.repeat(40_000) } }),
      431,
    ],
    'another type': [() => requestFor('tools/list', {}, { headers: { 'content-type': 'text/plain' } }), 415],
    'too many headers': [
      () =>
        requestFor(
          'tools/list',
          {},
          {
            headers: Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`x-${n}`, ''])),
          },
        ),
      431,
    ],
  }
  for (const [what, [make, status]] of Object.entries(refused))
    test(`refuses ${what}`, async (t) => {
      const { gateway } = embedded(scopeOf(t), { gateway: { limits: { body: '2KiB' } } })
      const response = await gateway.fetch(make())
      assert.equal(response.status, status, await response.text())
    })

  test('asks who calls, and tells callers apart by the address that the program knows', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const guarded = embedded(scope, { auth: { apiKeys: {} } }).gateway
    assert.equal((await guarded.fetch(requestFor('tools/list', {}))).status, 401)
    const { gateway } = embedded(scope, { backends: { b: backend.url }, limits: [{ rate: '1/1m' }] })
    const call = async (address?: string): Promise<number> =>
      (await gateway.fetch(requestFor('tools/call', { name: 'b_echo' }), { address })).status
    assert.deepEqual(
      [await call('192.0.2.1'), await call('192.0.2.2'), await call('192.0.2.1'), await call(), await call()],
      [200, 200, 429, 200, 429],
    )
  })

  test('says when the body was read before, and never rejects', async (t) => {
    const { gateway, log } = embedded(scopeOf(t))
    const read = requestFor('tools/list', {})
    await read.text()
    const locked = requestFor('tools/list', {})
    locked.body?.getReader()
    for (const request of [read, locked]) assert.equal((await gateway.fetch(request)).status, 500)
    await log.until(({ fields }) => String(fields['cause']).includes('before body parsers'))
  })

  test('answers pages of an allowed origin before they ask', async (t) => {
    const { gateway } = embedded(scopeOf(t), { gateway: { allowedOrigins: ['https://app.example'] } })
    const response = await gateway.fetch(
      new Request('http://localhost/mcp', {
        method: 'OPTIONS',
        headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
      }),
    )
    assert.equal(response.status, 204)
    assert.equal(response.headers.get('access-control-allow-origin'), 'https://app.example')
  })

  test('ends its sessions and streams when the gateway is closed', async (t) => {
    const scope = scopeOf(t)
    const { gateway } = embedded(scope)
    const filter = { notifications: { toolsListChanged: true } }
    const response = await gateway.fetch(requestFor('subscriptions/listen', filter))
    const reading = response.text()
    await gateway.close()
    assert.match(await reading, /"result"/)
    assert.equal((await gateway.fetch(requestFor('tools/list', {}))).status, 503)
  })
})
