import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type FakeClock, createFakeClock } from '../../../test/support/fake-clock.ts'
import { silentLog } from '../../pipeline/log.ts'
import type { Era } from '../../protocol/versions.ts'
import type { Answer } from '../channel.ts'
import { createHttpChannel } from './channel.ts'

type Serve = (request: IncomingMessage, response: ServerResponse) => void

interface Desk {
  readonly clock: FakeClock
  /** Values of `Last-Event-ID`, one for each GET. */
  readonly asked: string[]
  readonly signal: AbortController
  exchange(era?: Era): Promise<Answer>
  /** Settles when that many streams have ended before their answer and the exchange waits to go on. */
  pausing(): Promise<void>
}

const SSE = { 'content-type': 'text/event-stream' }
const RESULT = 'id: 9\ndata: {"jsonrpc":"2.0","id":1,"result":{"ok":true}}\n\n'

async function desk(t: TestContext, post: Serve, get: Serve): Promise<Desk> {
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
    },
    { clock, log: silentLog, maxReplyBytes: 1e6, maxDepth: 64, queue: 10, backend: 'a', userAgent: 'test' },
  )
  t.after(async () => {
    await channel.close()
    server.closeAllConnections()
    server.close()
  })
  const signal = new AbortController()
  return {
    clock,
    asked,
    signal,
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
