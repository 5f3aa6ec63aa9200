// What only sessions of the legacy era have, by raw HTTP: whose answers count, streams that break, batches, HTTP+SSE.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { createFixtureServer } from './conformance/fixture/server.ts'
import { serveHttp } from './conformance/fixture/http.ts'
import { type House, gateway } from './language/house.ts'
import { modernServer } from './language/http-backend.ts'
import { fileScope } from './language/scope.ts'
import { createSseParser, type SseEvent } from '../src/protocol/sse.ts'

const scope = fileScope()
let house: House

before(async () => {
  const fixture = await serveHttp({ era: 'modern', port: 0, createServer: createFixtureServer })
  scope.after(async () => fixture.close())
  house = await gateway({ backends: { fix: { settings: { url: fixture.url } } }, gateway: { sse: true } })
  scope.after(async () => house.close())
})

const origin = (): string => new URL(house.url).origin

/** An open event stream. */
interface Events {
  /** The next event; an event without data too. */
  next(): Promise<SseEvent>
  /** Breaks the connection. */
  cut(): Promise<void>
  readonly ended: () => boolean
}

function eventsOf(answer: Response, abort: AbortController): Events {
  const ready: SseEvent[] = []
  let wake = Promise.withResolvers<void>()
  let ended = false
  const parser = createSseParser((event) => {
    ready.push(event)
    wake.resolve()
  }, 1_000_000)
  const read = async (): Promise<void> => {
    try {
      for await (const chunk of answer.body ?? []) parser.push(chunk as Uint8Array)
    } catch {
      // Cut on purpose.
    }
    ended = true
    wake.resolve()
  }
  const reading = read()
  return {
    async next() {
      for (;;) {
        const event = ready.shift()
        if (event !== undefined) return event
        if (ended) throw new Error('the stream has ended')
        await wake.promise
        wake = Promise.withResolvers()
      }
    },
    async cut() {
      abort.abort()
      await reading
    },
    ended: () => ended,
  }
}

/** A legacy client by hand. */
interface Session {
  readonly id: string
  post(body: unknown, path?: string): Promise<Response>
  stream(body: unknown): Promise<Events>
  get(lastEventId?: string): Promise<{ readonly status: number; readonly events: Events }>
}

async function session(version = '2025-11-25', url = new URL('/mcp/fix', house.url)): Promise<Session> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': version,
  }
  const send = async (init: RequestInit, path = url.pathname): Promise<[Response, AbortController]> => {
    const abort = new AbortController()
    return [await fetch(new URL(path, url), { ...init, signal: abort.signal }), abort]
  }
  const post = async (body: unknown, path?: string) =>
    send({ method: 'POST', headers, body: JSON.stringify(body) }, path)
  const params = { protocolVersion: version, capabilities: { elicitation: {} }, clientInfo: INFO }
  const [opened] = await post({ jsonrpc: '2.0', id: 0, method: 'initialize', params })
  const id = opened.headers.get('mcp-session-id') ?? ''
  await opened.text()
  headers['mcp-session-id'] = id
  return {
    id,
    post: async (body, path) => (await post(body, path))[0],
    stream: async (body) => eventsOf(...(await post(body))),
    async get(lastEventId) {
      const more = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
      const [answer, abort] = await send({ headers: { ...headers, ...more } })
      return { status: answer.status, events: eventsOf(answer, abort) }
    },
  }
}

const INFO = { name: 'raw', version: '1' }
const ask = (id: number, message: string) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'test_elicitation', arguments: { message } },
})
const accept = (id: unknown, response: string) => ({
  jsonrpc: '2.0',
  id,
  result: { action: 'accept', content: { response } },
})

interface Rpc {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly message?: string }
  readonly result?: unknown
}

/** The next message of a stream. */
async function message(events: Events): Promise<Rpc> {
  for (;;) {
    const { data } = await events.next()
    if (data !== '') return JSON.parse(data) as Rpc
  }
}

describe('answers to what a legacy client is asked', () => {
  test('count for the session that was asked alone', async () => {
    const [a, b] = [await session(), await session()]
    const [fromA, fromB] = [await a.stream(ask(1, 'a?')), await b.stream(ask(1, 'b?'))]
    const [toA, toB] = [await message(fromA), await message(fromB)]
    assert.deepEqual([toA.params?.message, toB.params?.message], ['a?', 'b?'])
    // Both sessions wait for an answer to the same id.
    assert.equal(toA.id, toB.id)
    assert.equal((await b.post(accept(toB.id, 'of b'))).status, 202)
    assert.match(JSON.stringify((await message(fromB)).result), /of b/)
    assert.equal((await b.post(accept(toA.id, 'forged'))).status, 202)
    // The session is unknown on another route.
    assert.equal((await a.post(accept(toA.id, 'elsewhere'), '/mcp')).status, 404)
    assert.equal((await a.post(accept(toA.id, 'of a'))).status, 202)
    assert.match(JSON.stringify((await message(fromA)).result), /of a/)
  })
})

describe('a stream that breaks', () => {
  test('goes on where it was, and the call has run on', async () => {
    const client = await session()
    const stream = await client.stream(ask(1, 'hello?'))
    const primer = await stream.next()
    assert.equal(primer.data, '')
    const asked = await message(stream)
    await stream.cut()
    assert.equal((await client.post(accept(asked.id, 'while away'))).status, 202)
    const again = await client.get(primer.id)
    assert.deepEqual(await message(again.events), asked)
    const answer = await message(again.events)
    assert.equal(answer.id, 1)
    assert.match(JSON.stringify(answer.result), /while away/)
    await assert.rejects(again.events.next(), /ended/)
    assert.equal((await client.get('77-1')).status, 400)
    assert.equal((await client.get('x')).status, 400)
    const other = await session()
    assert.equal((await other.get(primer.id)).status, 400)
  })

  test('carries nothing that an older client would trip over', async () => {
    const client = await session('2025-06-18')
    const stream = await client.stream(ask(1, 'hello?'))
    const first = await stream.next()
    assert.match(first.data, /elicitation/)
    await stream.cut()
  })
})

describe('what belongs to no call', () => {
  test('comes on exactly one of the streams that a client opens', async () => {
    const backend = await modernServer(scope)
    await using other = await gateway({ backends: { b: backend } })
    const client = await session('2025-11-25', new URL('/mcp', other.url))
    const streams = [(await client.get()).events, (await client.get()).events]
    // A primer each.
    for (const stream of streams) assert.equal((await stream.next()).data, '')
    const messages = streams.map(message)
    await backend.journal.until((seen) => seen.kind === 'request' && seen.method === 'subscriptions/listen')
    await backend.setTools([{ name: 'another', does: 'echo' }])
    assert.equal((await Promise.any(messages)).method, 'notifications/tools/list_changed')
    // Whatever else was sent by now has arrived before this answer.
    await client.post({ jsonrpc: '2.0', id: 1, method: 'ping' })
    await Promise.all(streams.map((stream) => stream.cut()))
    const outcomes = (await Promise.allSettled(messages)).map(({ status }) => status)
    assert.deepEqual(outcomes.toSorted(), ['fulfilled', 'rejected'])
  })
})

describe('deleting a session', () => {
  test('ends its streams and its calls', async () => {
    const client = await session()
    const { events, status } = await client.get()
    assert.equal(status, 200)
    const call = await client.stream(ask(1, 'hello?'))
    await message(call)
    const headers = { 'mcp-session-id': client.id }
    assert.equal((await fetch(`${house.url}/fix`, { method: 'DELETE', headers })).status, 200)
    assert.equal((await message(call)).method, 'notifications/cancelled')
    await assert.rejects(async () => {
      for (;;) await events.next()
    }, /ended/)
    assert.equal((await client.get()).status, 404)
  })
})

describe('a batch', () => {
  const ping = (id: number) => ({ jsonrpc: '2.0', id, method: 'ping' })

  test('is answered as one by 2025-03-26, and refused by every other revision', async () => {
    const client = await session('2025-03-26')
    const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' }
    const answer = await client.post([ping(1), initialized, ping(2), { jsonrpc: '2.0', id: 3 }])
    const ids = ((await answer.json()) as readonly Rpc[]).map(({ id, result }) => [id, result])
    assert.deepEqual(ids, [
      [1, {}],
      [2, {}],
      [3, undefined],
    ])
    assert.equal((await client.post([initialized])).status, 202)
    assert.equal((await client.post([])).status, 400)
    for (const version of ['2025-06-18', '2025-11-25']) {
      assert.equal((await (await session(version)).post([ping(1)])).status, 400)
    }
  })
})

describe('HTTP+SSE of 2024-11-05', () => {
  test('serves a client whole, being asked included', async () => {
    const client = new ClientV1(INFO, { capabilities: { elicitation: {} } })
    client.setRequestHandler(ElicitRequestSchema, () => ({
      action: 'accept',
      content: { response: 'by sse' },
    }))
    await client.connect(new SSEClientTransport(new URL(`${origin()}/sse/fix`)))
    const answer = await client.callTool({ name: 'test_elicitation', arguments: { message: 'm' } })
    assert.match(JSON.stringify(answer), /by sse/)
    await client.close()
  })

  test('is not there unless it is switched on', async () => {
    await using closed = await gateway({ backends: {}, ready: false })
    const { origin: other } = new URL(closed.url)
    assert.equal((await fetch(`${other}/sse`, { headers: { accept: 'text/event-stream' } })).status, 404)
    const headers = { 'content-type': 'application/json' }
    const posted = await fetch(`${other}/messages?sessionId=x`, { method: 'POST', headers, body: '{}' })
    assert.equal(posted.status, 404)
    const unknown = await fetch(`${origin()}/messages?sessionId=x`, { method: 'POST', headers, body: '{}' })
    assert.equal(unknown.status, 404)
  })
})
