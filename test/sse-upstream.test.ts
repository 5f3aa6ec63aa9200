// Servers of the HTTP+SSE transport (2024-11-05) behind the gateway: found out, used, and found again.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { gateway } from './language/house.ts'
import { type Journal, eventually } from './language/journal.ts'
import type { Configured, Scope } from './language/scope.ts'
import { serverV1 } from './language/servers.ts'
import { INTERACTIVE, type Sighting, createStage } from './language/stage.ts'

interface SseServer extends Configured {
  readonly journal: Journal<Sighting>
  /** Open event streams. */
  streams(): number
  /** Ends every stream, and forgets what belonged to it. */
  cut(): void
}

/** How a server announces where messages go. */
type Announce = (response: ServerResponse, transport: SSEServerTransport) => void

/** A server as the first SDK's examples show it: GET opens the stream, POST goes elsewhere. */
async function sseServer(scope: Scope, announce?: Announce): Promise<SseServer> {
  const stage = createStage({ label: 'sse', tools: INTERACTIVE })
  const transports = new Map<string, SSEServerTransport>()
  const open = async (response: ServerResponse): Promise<void> => {
    const transport = new SSEServerTransport('/messages', response)
    transports.set(transport.sessionId, transport)
    response.on('close', () => transports.delete(transport.sessionId))
    if (announce === undefined) await serverV1(stage).connect(transport)
    else announce(response, transport)
  }
  const server: Server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://127.0.0.1')
    if (url.pathname === '/sse' && request.method === 'GET') return void open(response)
    const transport = transports.get(url.searchParams.get('sessionId') ?? '')
    if (url.pathname === '/messages' && transport !== undefined)
      return void transport.handlePostMessage(request, response)
    response.writeHead(url.pathname === '/sse' ? 405 : 404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.after(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const { port } = server.address() as AddressInfo
  return {
    settings: { url: `http://127.0.0.1:${port}/sse` },
    journal: stage.journal,
    streams: () => transports.size,
    cut: () => server.closeAllConnections(),
  }
}

test('a server with the HTTP+SSE transport serves calls, progress and cancellation', async (t) => {
  const sse = await sseServer(t)
  const house = await gateway({ backends: { sse } })
  t.after(async () => house.close())
  for (const generation of ['modern', 'v1'] as const) {
    await using client = await house.client(generation)
    const steps: number[] = []
    const answer = await client.call(
      'sse_progress',
      { steps: 3 },
      { onProgress: ({ progress }) => void steps.push(progress) },
    )
    assert.equal(answer.text, 'sse: 3 steps')
    assert.deepEqual(steps, [1, 2, 3])
    const caller = new AbortController()
    const waiting = client.call('sse_wait', { who: generation }, { signal: caller.signal })
    await sse.journal.until((entry) => entry.kind === 'call' && entry.args['who'] === generation)
    caller.abort()
    await assert.rejects(waiting)
    await sse.journal.until((entry) => entry.kind === 'cancelled' && entry.args['who'] === generation)
  }
})

test('questions of such a server reach the client, and its session is one of its own', async (t) => {
  const sse = await sseServer(t)
  const house = await gateway({ backends: { sse } })
  t.after(async () => house.close())
  const elicit = async (): Promise<{ action: 'accept'; content: { name: string } }> => ({
    action: 'accept',
    content: { name: 'Ann' },
  })
  await using client = await house.client('modern', { elicit })
  const { text } = await client.call('sse_ask', { who: 'x' })
  assert.equal(text, 'sse: x: accept {"name":"Ann"}')
  await eventually('only the stream of the gateway itself is open', () => sse.streams() === 1)
})

test('a stream that breaks ends its calls, and the next call is served', async (t) => {
  const sse = await sseServer(t)
  const house = await gateway({ backends: { sse } })
  t.after(async () => house.close())
  await using client = await house.client('modern')
  const waiting = client.call('sse_wait', { who: 'y' })
  await sse.journal.until((entry) => entry.kind === 'call' && entry.args['who'] === 'y')
  sse.cut()
  await assert.rejects(waiting, /broke off/)
  await eventually('the backend serves again', async () => {
    const { response } = await house.raw.modern('tools/call', { name: 'sse_echo' })
    return response.error === undefined
  })
})

test('an endpoint of another origin is not written to', async (t) => {
  const sse = await sseServer(t, (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('event: endpoint\ndata: http://127.0.0.2:1/steal\n\n')
  })
  const house = await gateway({ backends: { sse }, ready: false })
  t.after(async () => house.close())
  await eventually('the backend is down', async () => {
    await house.gateway.ready(100)
    const [backend] = house.gateway.report()
    return backend?.condition.state === 'down'
  })
  const [backend] = house.gateway.report()
  assert.match(JSON.stringify(backend?.condition), /another origin/)
})
