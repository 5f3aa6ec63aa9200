// One trace from a client through the gateway to a backend, as a collector sees it that knows nothing of ours.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GENERATIONS } from './language/client.ts'
import { handwritten } from './language/handwritten.ts'
import { type House, type HouseOptions, gateway } from './language/house.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import type { Journal } from './language/journal.ts'
import { type OtlpExport, type OtlpReceiver, type OtlpSpan, otlpReceiver } from './language/otlp-receiver.ts'
import { site, stdioClient } from './language/process.ts'
import { restServer } from './language/rest-server.ts'
import type { Scope } from './language/scope.ts'
import { INTERACTIVE, type Sighting } from './language/stage.ts'
import { stdioServer } from './language/stdio-backend.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const PARENT = `00-${TRACE}-${SPAN}-01`

interface Traced extends AsyncDisposable {
  readonly house: House
  readonly collector: OtlpReceiver
  /** Ends the gateway, which sends what is left, and yields all spans. */
  spans(): Promise<readonly OtlpSpan[]>
}

async function traced(
  scope: Scope,
  backends: HouseOptions['backends'],
  settings: Readonly<Record<string, unknown>> = {},
): Promise<Traced> {
  const collector = await otlpReceiver(scope)
  const traces = { otlp: { endpoint: collector.endpoint }, ...settings }
  const house = await gateway({ backends, more: { telemetry: { traces } } })
  scope.after(async () => house.close())
  return {
    house,
    collector,
    async spans() {
      await house.close()
      return collector.traces.entries.flatMap(({ items }: OtlpExport<OtlpSpan>) => items)
    },
    [Symbol.asyncDispose]: async () => house.close(),
  }
}

function onlyCall(journal: Journal<Sighting>): Extract<Sighting, { readonly kind: 'call' }> {
  const calls = journal.entries.filter((entry) => entry.kind === 'call')
  const [call] = calls
  assert.ok(calls.length === 1 && call !== undefined, `${calls.length} calls`)
  return call
}

/** The two spans of the only traced call of a tool. */
function pairOf(spans: readonly OtlpSpan[]): { readonly server: OtlpSpan; readonly client: OtlpSpan } {
  const of = (kind: string): readonly OtlpSpan[] =>
    spans.filter((span) => span.kind === kind && span.attributes['mcp.method.name'] === 'tools/call')
  const [server, ...more] = of('SERVER')
  const [client, ...others] = of('CLIENT')
  assert.ok(server !== undefined && client !== undefined, JSON.stringify(spans.map(({ name }) => name)))
  assert.deepEqual([more, others], [[], []])
  return { server, client }
}

const SERVERS = {
  modern: modernServer,
  legacy: legacyServer,
  'modern stdio': (scope: Scope) => stdioServer(scope, 'modern'),
  'legacy stdio': (scope: Scope) => stdioServer(scope, 'legacy'),
} as const

for (const generation of GENERATIONS)
  for (const [kind, start] of Object.entries(SERVERS))
    test(`a ${generation} client, the gateway and a ${kind} server are in one trace`, async (t) => {
      const server = await start(t)
      await using trial = await traced(t, { backend: server })
      const client = await trial.house.client(generation)
      const meta = { traceparent: PARENT, tracestate: 'vendor=opaque', other: 'kept' }
      await client.call('backend_echo', { text: 'hello' }, { meta })
      const { server: served, client: asked } = pairOf(await trial.spans())
      assert.deepEqual([served.traceId, served.parentSpanId], [TRACE, SPAN])
      assert.deepEqual([asked.traceId, asked.parentSpanId], [TRACE, served.spanId])
      assert.equal(served.name, 'tools/call backend_echo')
      assert.equal(asked.name, 'tools/call echo')
      const got = onlyCall(server.journal).meta
      assert.equal(got['traceparent'], `00-${TRACE}-${asked.spanId}-01`)
      assert.equal(got['tracestate'], 'vendor=opaque')
      assert.equal(got['other'], 'kept')
      assert.equal(served.traceState, 'vendor=opaque')
      for (const seen of server.journal.entries)
        if (seen.kind === 'request' && seen.method === 'tools/call')
          assert.equal(seen.headers['traceparent'], got['traceparent'])
    })

for (const generation of ['modern', 'legacy'] as const)
  test(`a ${generation} client on a pipe, the gateway and a server behind it are in one trace`, async (t) => {
    const [server, collector] = [await stdioServer(t, 'modern'), await otlpReceiver(t)]
    const traces = { otlp: { endpoint: collector.endpoint, interval: '100ms' } }
    const where = await site(t, { backends: { backend: server }, more: { telemetry: { traces } } })
    const client = await stdioClient(where, generation)
    await client.call('backend_echo', {}, { meta: { traceparent: PARENT } })
    const isCall = ({ attributes }: OtlpSpan): boolean => attributes['mcp.method.name'] === 'tools/call'
    await collector.traces.until(({ items }) => items.some(isCall))
    await client.close()
    const { server: served, client: asked } = pairOf(collector.traces.entries.flatMap(({ items }) => items))
    assert.deepEqual([served.traceId, served.parentSpanId, asked.parentSpanId], [TRACE, SPAN, served.spanId])
    assert.equal(onlyCall(server.journal).meta['traceparent'], `00-${TRACE}-${asked.spanId}-01`)
    for (const span of [served, asked]) {
      assert.equal(span.attributes['network.transport'], 'pipe')
      assert.equal(span.attributes['network.protocol.name'], undefined)
    }
  })

test('a service over plain HTTP gets the trace in headers, and nothing of it in the body', async (t) => {
  const service = await restServer(t, () => ({ body: '{"id":1}' }))
  await using trial = await traced(t, {
    crm: { settings: { rest: { url: service.url, tools: { find: {} } } } },
  })
  const params = { name: 'crm_find', arguments: { a: 1 }, _meta: { traceparent: PARENT } }
  await trial.house.raw.modern('tools/call', params)
  const { server: served, client: asked } = pairOf(await trial.spans())
  assert.deepEqual([served.parentSpanId, asked.parentSpanId], [SPAN, served.spanId])
  assert.equal(asked.attributes['server.port'], BigInt(new URL(service.url).port))
  const [seen] = service.calls()
  assert.equal(seen?.headers['traceparent'], `00-${TRACE}-${asked.spanId}-01`)
  assert.equal(seen?.body, '{"a":1}')
})

describe('a span', () => {
  test('says of a call what the conventions for MCP want to know', async (t) => {
    const server = await modernServer(t)
    await using trial = await traced(t, { backend: server })
    await trial.house.raw.modern(
      'tools/call',
      { name: 'backend_echo', arguments: { text: 'x' } },
      { id: 'request-7' },
    )
    const { server: served, client: asked } = pairOf(await trial.spans())
    assert.deepEqual(served.attributes, {
      'mcp.method.name': 'tools/call',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'backend_echo',
      'jsonrpc.request.id': 'request-7',
      'mcp.protocol.version': '2026-07-28',
      'network.transport': 'tcp',
      'network.protocol.name': 'http',
      'client.address': '127.0.0.1',
      'toolgate.route': '/mcp',
      'toolgate.backend': 'backend',
    })
    const { 'jsonrpc.request.id': id, ...attributes } = asked.attributes
    assert.match(String(id), /^\d+$/)
    assert.deepEqual(attributes, {
      'mcp.method.name': 'tools/call',
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'echo',
      'mcp.protocol.version': '2026-07-28',
      'network.transport': 'tcp',
      'network.protocol.name': 'http',
      'network.protocol.version': '1.1',
      'server.address': '127.0.0.1',
      'server.port': BigInt(new URL(server.url).port),
      'toolgate.backend': 'backend',
    })
    assert.equal(served.status.code, 'UNSET')
    assert.ok(served.start <= asked.start && asked.start <= asked.end && asked.end <= served.end)
    const [sent] = trial.collector.traces.entries
    assert.equal(sent?.resource['service.name'], 'toolgate')
    assert.deepEqual(sent?.scope, { name: 'toolgate', version: '0.0.0-test' })
  })

  test('says that a tool failed, and nothing of what it said', async (t) => {
    const server = await modernServer(t)
    await using trial = await traced(t, { backend: server })
    await trial.house.raw.modern('tools/call', { name: 'backend_fail', arguments: {} })
    const { server: served, client: asked } = pairOf(await trial.spans())
    for (const span of [served, asked]) {
      assert.equal(span.attributes['error.type'], 'tool_error')
      assert.deepEqual(span.status, { code: 'ERROR', message: 'tool_error' })
    }
  })

  test("has the code of a backend's error, and nothing of what it said", async (t) => {
    const backend = await handwritten(
      t,
      {},
      {
        'tools/list': () => ({ tools: [{ name: 'no', inputSchema: { type: 'object' } }] }),
        'tools/call': () => ({ error: { code: -32603, message: 'secret words' } }),
      },
    )
    await using trial = await traced(t, { backend })
    await trial.house.raw.modern('tools/call', { name: 'backend_no', arguments: {} })
    const { server: served, client: asked } = pairOf(await trial.spans())
    for (const span of [served, asked]) {
      assert.equal(span.attributes['error.type'], '-32603')
      assert.equal(span.attributes['rpc.response.status_code'], '-32603')
      assert.deepEqual(span.status, { code: 'ERROR', message: '-32603' })
    }
  })

  test('of a refused call has the codes of its answer, and is not named after what is not there', async (t) => {
    const server = await modernServer(t)
    await using trial = await traced(t, { backend: server })
    const { response } = await trial.house.raw.modern('tools/call', { name: 'nothing', arguments: {} })
    const [span, ...more] = await trial.spans()
    assert.deepEqual(more, [])
    assert.equal(span?.name, 'tools/call')
    assert.equal(span?.attributes['error.type'], String(response.error?.code))
    assert.equal(span?.attributes['rpc.response.status_code'], String(response.error?.code))
    assert.equal(span?.attributes['toolgate.error.code'], 'UNKNOWN_TOOL')
    assert.deepEqual(span?.status, { code: 'ERROR', message: 'UNKNOWN_TOOL' })
  })

  test('has an event for a question to the client, and the answer is a call of its own', async (t) => {
    const server = await legacyServer(t, { tools: INTERACTIVE })
    await using trial = await traced(t, { backend: server })
    const elicit = (): Promise<{ readonly action: 'accept'; readonly content: { readonly name: string } }> =>
      Promise.resolve({ action: 'accept', content: { name: 'Ada' } })
    const client = await trial.house.client('legacy', { elicit })
    await client.call('backend_ask', { who: 'ada' }, { meta: { traceparent: PARENT } })
    const spans = (await trial.spans()).filter(
      ({ kind, attributes }) => kind === 'SERVER' && attributes['mcp.method.name'] === 'tools/call',
    )
    assert.deepEqual(
      spans.map(({ events }) => events.map(({ name }) => name)),
      [['input_required'], []],
    )
    assert.ok(spans.every(({ parentSpanId }) => parentSpanId === SPAN))
  })

  test('has an event for each try that was made again', async (t) => {
    const server = await modernServer(t)
    const settings = {
      settings: { ...server.settings, retry: { tries: 2, backoff: '1ms' }, circuitBreaker: 'off' },
    }
    await using trial = await traced(t, { backend: settings })
    await server.stop()
    await trial.house.raw.modern('tools/call', { name: 'backend_echo', arguments: {} })
    const spans = await trial.spans()
    const served = spans.find(({ kind }) => kind === 'SERVER')
    const asked = spans.filter(({ kind }) => kind === 'CLIENT')
    assert.deepEqual(
      served?.events.map(({ name, attributes }) => [name, attributes['error.type']]),
      [['retry', 'BACKEND_UNAVAILABLE']],
    )
    assert.equal(asked.length, 2)
    assert.ok(asked.every(({ parentSpanId }) => parentSpanId === served?.spanId))
    assert.ok(asked.every(({ attributes }) => attributes['error.type'] === 'BACKEND_UNAVAILABLE'))
  })
})

describe('the context of a caller', () => {
  const OTHER = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`

  test('is what the message says, and what its HTTP request says is linked', async (t) => {
    const server = await modernServer(t)
    await using trial = await traced(t, { backend: server })
    const params = { name: 'backend_echo', arguments: {}, _meta: { traceparent: PARENT } }
    await trial.house.raw.modern('tools/call', params, { headers: { traceparent: OTHER } })
    const { server: served } = pairOf(await trial.spans())
    assert.deepEqual([served.traceId, served.parentSpanId], [TRACE, SPAN])
    assert.deepEqual(
      served.links.map(({ traceId, spanId }) => [traceId, spanId]),
      [['a'.repeat(32), 'b'.repeat(16)]],
    )
  })

  for (const generation of ['modern', 'legacy'] as const)
    test(`is what the HTTP request of a ${generation} client says, where the message says nothing`, async (t) => {
      const server = await modernServer(t)
      await using trial = await traced(t, { backend: server })
      const headers = { traceparent: PARENT, tracestate: 'vendor=opaque' }
      const client = await trial.house.client(generation, { headers })
      await client.call('backend_echo', {})
      const { server: served } = pairOf(await trial.spans())
      assert.deepEqual([served.traceId, served.parentSpanId, served.links], [TRACE, SPAN, []])
      assert.equal(onlyCall(server.journal).meta['tracestate'], 'vendor=opaque')
    })

  test('that is not well-formed was never there, and goes no further', async (t) => {
    const server = await modernServer(t)
    await using trial = await traced(t, { backend: server })
    const bad = `00-${'0'.repeat(32)}-${SPAN}-01`
    const _meta = { traceparent: bad, tracestate: 'vendor=opaque', baggage: 'a=1' }
    await trial.house.raw.modern('tools/call', { name: 'backend_echo', arguments: {}, _meta })
    const { server: served } = pairOf(await trial.spans())
    assert.equal(served.parentSpanId, '')
    const { meta } = onlyCall(server.journal)
    assert.match(String(meta['traceparent']), new RegExp(`^00-${served.traceId}-[0-9a-f]{16}-03$`))
    assert.equal(meta['tracestate'], undefined)
    assert.equal(meta['baggage'], undefined)
  })

  test('that records nothing is passed on as it is, and nothing is recorded here', async (t) => {
    const server = await modernServer(t)
    await using trial = await traced(t, { backend: server })
    const unrecorded = `00-${TRACE}-${SPAN}-00`
    const _meta = { traceparent: unrecorded }
    await trial.house.raw.modern('tools/call', { name: 'backend_echo', arguments: {}, _meta })
    assert.deepEqual(await trial.spans(), [])
    assert.equal(onlyCall(server.journal).meta['traceparent'], unrecorded)
  })

  test('does not decide where the operator says so', async (t) => {
    const server = await modernServer(t)
    await using trial = await traced(t, { backend: server }, { parent: 'ignore', sample: 0 })
    const _meta = { traceparent: PARENT }
    await trial.house.raw.modern('tools/call', { name: 'backend_echo', arguments: {}, _meta })
    assert.deepEqual(await trial.spans(), [])
    assert.equal(onlyCall(server.journal).meta['traceparent'], PARENT)
  })

  test('has baggage for those backends only that may know it', async (t) => {
    const known = await modernServer(t)
    const stranger = await modernServer(t)
    await using trial = await traced(t, { crm: known, stranger }, { baggage: ['crm'] })
    const _meta = { traceparent: PARENT, baggage: 'user=ada' }
    for (const name of ['crm_echo', 'stranger_echo'])
      await trial.house.raw.modern('tools/call', { name, arguments: {}, _meta })
    assert.equal(onlyCall(known.journal).meta['baggage'], 'user=ada')
    assert.equal(onlyCall(stranger.journal).meta['baggage'], undefined)
    const headersAt = (journal: Journal<Sighting>): readonly (string | undefined)[] =>
      journal.entries.flatMap((seen) =>
        seen.kind === 'request' && seen.method === 'tools/call' ? [seen.headers['baggage']] : [],
      )
    assert.deepEqual([headersAt(known.journal), headersAt(stranger.journal)], [['user=ada'], [undefined]])
  })
})

test('without tracing, what a caller says of its trace passes like all that the gateway does not know', async (t) => {
  const server = await modernServer(t)
  await using house = await gateway({ backends: { backend: server } })
  const _meta = { traceparent: 'anything', tracestate: '', baggage: 'user=ada' }
  await house.raw.modern('tools/call', { name: 'backend_echo', arguments: {}, _meta })
  const { traceparent, tracestate, baggage } = onlyCall(server.journal).meta
  assert.deepEqual({ traceparent, tracestate, baggage }, _meta)
})

describe('a collector', () => {
  test('that fails disturbs no call, and is complained about once', async (t) => {
    const server = await modernServer(t)
    await using trial = await traced(t, { backend: server }, { queue: 8 })
    trial.collector.answer(...Array.from({ length: 20 }, () => ({ status: 400 })))
    for (let call = 0; call < 20; call++) {
      const { response } = await trial.house.raw.modern('tools/call', { name: 'backend_echo', arguments: {} })
      assert.equal(response.error, undefined)
    }
    await trial.house.close()
    const said = trial.house.log.entries.filter(({ message }) => message === 'spans were lost')
    assert.equal(said.length, 1)
    assert.equal(said[0]?.fields['reason'], 'the queue is full')
  })
})
