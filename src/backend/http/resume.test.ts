import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type FakeClock, createFakeClock } from '../../../test/support/fake-clock.ts'
import { DEFAULT_RESILIENCE } from '../../config/resilience-schema.ts'
import { silentLog } from '../../pipeline/log.ts'
import type { Era } from '../../protocol/versions.ts'
import type { Answer } from '../channel.ts'
import { createHttpChannel } from './channel.ts'
import { streamStart } from './stream.ts'

type Serve = (request: IncomingMessage, response: ServerResponse) => void

interface Desk {
  readonly clock: FakeClock
  /** Values of `Last-Event-ID`, one for each GET. */
  readonly asked: string[]
  readonly signal: AbortController
  exchange(era?: Era): Promise<Answer>
  /** Reads the GET stream of a session, from where it was left, until it ends. */
  listen(): Promise<void>
  /** What came on GET streams. */
  readonly heard: string[]
  /** Settles when that many streams have ended before their answer and the exchange waits to go on. */
  pausing(): Promise<void>
}

const SSE = { 'content-type': 'text/event-stream' }
const RESULT = 'id: 9\ndata: {"jsonrpc":"2.0","id":1,"result":{"ok":true}}\n\n'

async function desk(t: TestContext, post: Serve, get: Serve, silence = 60_000): Promise<Desk> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    if (request.method === 'POST') return post(request, response)
    asked.push(String(request.headers['last-event-id']))
    get(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clock = createFakeClock()
  const channel = createHttpChannel(
    {
      name: 'a',
      transport: 'http',
      url: `http://127.0.0.1:${port}/mcp`,
      era: 'legacy',
      headers: {},
      connections: 1,
      timeout: 1000,
      isolation: 'principal',
      interactive: 'concurrent',
      maxSessions: 1,
      resilience: DEFAULT_RESILIENCE,
    },
    {
      clock,
      log: silentLog,
      maxReplyBytes: 1e6,
      maxDepth: 64,
      queue: 10,
      silence,
      backend: 'a',
      userAgent: 'test',
    },
  )
  t.after(async () => {
    await channel.close()
    server.closeAllConnections()
    server.close()
  })
  const signal = new AbortController()
  const heard: string[] = []
  const position = streamStart()
  return {
    clock,
    asked,
    signal,
    heard,
    listen: () =>
      channel.listen(
        { 'mcp-session-id': 's' },
        { position, onOpen: () => undefined, onMessage: ({ text }) => void heard.push(text) },
        signal.signal,
      ),
    exchange: (era = 'legacy') =>
      channel.exchange({
        text: '{"jsonrpc":"2.0","id":1,"method":"tools/call"}',
        id: '1',
        headers: { 'mcp-session-id': 's' },
        era,
        signal: signal.signal,
        onNotification: () => undefined,
        onRequest: () => undefined,
      }),
    async pausing() {
      while (clock.pending === 0) await new Promise((resolve) => void setImmediate(resolve))
    },
  }
}

const endsAfter =
  (id: string, retry = ''): Serve =>
  (_request, response) =>
    void response.writeHead(200, SSE).end(`${retry}id: ${id}\ndata: \n\n`)

test('a stream that ends after an event id is taken up there, when the server wants it', async (t) => {
  let gets = 0
  const one = await desk(t, endsAfter('7', 'retry: 300\n'), (request, response) => {
    assert.equal(request.headers['mcp-session-id'], 's')
    if (++gets === 1) endsAfter('8')(request, response)
    else response.writeHead(200, SSE).end(RESULT)
  })
  const answer = one.exchange()
  await one.pausing()
  await one.clock.advance(299)
  assert.deepEqual(one.asked, [])
  await one.clock.advance(1)
  await one.pausing()
  await one.clock.advance(1000)
  assert.equal((await answer).message.kind, 'result')
  assert.deepEqual(one.asked, ['7', '8'])
})

test('a connection that breaks in the middle of a stream is no end of the exchange', async (t) => {
  const post: Serve = (_request, response) => {
    response.writeHead(200, SSE).write('id: 7\ndata: \n\n', () => void setImmediate(() => response.destroy()))
  }
  const one = await desk(t, post, (_request, response) => void response.writeHead(200, SSE).end(RESULT))
  const answer = one.exchange()
  await one.pausing()
  await one.clock.advance(1000)
  assert.equal((await answer).message.kind, 'result')
})

test('what the server does not give again is lost', async (t) => {
  const one = await desk(t, endsAfter('7'), (_request, response) => void response.writeHead(405).end())
  const answer = one.exchange()
  const lost = assert.rejects(answer, /ended without an answer/)
  await one.pausing()
  await one.clock.advance(1000)
  await lost
})

test('nothing is taken up without an event id, in the modern era, or for a caller who left', async (t) => {
  const get: Serve = (_request, response) => void response.writeHead(200, SSE).end(RESULT)
  const bare = await desk(t, (_request, response) => void response.writeHead(200, SSE).end(': hi\n\n'), get)
  await assert.rejects(bare.exchange(), /ended without an answer/)
  const modern = await desk(t, endsAfter('7'), get)
  await assert.rejects(modern.exchange('modern'), /ended without an answer/)
  const left = await desk(t, endsAfter('7'), get)
  const answer = left.exchange()
  await left.pausing()
  left.signal.abort(new Error('left'))
  await assert.rejects(answer, /left/)
  assert.equal(left.clock.pending, 0)
  for (const { asked } of [bare, modern, left]) assert.deepEqual(asked, [])
})

const changed = (id: string): string =>
  `id: ${id}\ndata: {"jsonrpc":"2.0","method":"notifications/n${id}"}\n\n`
const unused: Serve = () => assert.fail('nothing is posted')

test('a GET stream goes on after its last event, when the server wants it', async (t) => {
  let gets = 0
  const one = await desk(t, unused, (request, response) => {
    assert.equal(request.headers['mcp-session-id'], 's')
    response.writeHead(200, SSE).end(++gets === 1 ? `retry: 300\n${changed('7')}` : changed('8'))
  })
  await one.listen()
  const second = one.listen()
  await one.pausing()
  await one.clock.advance(299)
  assert.deepEqual(one.asked, ['undefined'])
  await one.clock.advance(1)
  await second
  assert.deepEqual(one.asked, ['undefined', '7'])
  assert.deepEqual(
    one.heard.map((text) => text.slice(-4)),
    ['n7"}', 'n8"}'],
  )
})

test('a server asks for half a minute at most, and waiting ends with the wish', async (t) => {
  const one = await desk(t, unused, (_request, response) => {
    response.writeHead(200, SSE).end(`retry: 999999999\n${changed('7')}`)
  })
  await one.listen()
  const second = one.listen()
  await one.pausing()
  await one.clock.advance(30_000)
  await second
  const third = one.listen()
  await one.pausing()
  one.signal.abort(new Error('left'))
  await assert.rejects(third, /left/)
  assert.equal(one.clock.pending, 0)
})

test('an event that the server does not know any more is not insisted on, nor one that no header can carry', async (t) => {
  const one = await desk(t, unused, (request, response) => {
    if (request.headers['last-event-id'] !== undefined) return void response.writeHead(400).end()
    response.writeHead(200, SSE).end(one.heard.length === 0 ? changed('7') : changed('\u4e2d'))
  })
  await one.listen()
  await one.listen()
  await one.listen()
  assert.deepEqual(one.asked, ['undefined', '7', 'undefined', 'undefined'])
})

test('a GET stream that is silent for too long is lost', async (t) => {
  const open = Promise.withResolvers<void>()
  const one = await desk(
    t,
    unused,
    (_request, response) => {
      response.writeHead(200, SSE).write(': hello\n\n')
      response.on('close', open.resolve)
    },
    1,
  )
  await assert.rejects(one.listen(), { name: 'ChannelError' })
  await open.promise
})
