/** Metrics as Prometheus and a collector read them, held against the semantic conventions for MCP. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { type House, type HouseOptions, gateway } from './language/house.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import { eventually } from './language/journal.ts'
import { type OtlpMetric, otlpReceiver } from './language/otlp-receiver.ts'
import { type Scraped, readScrape } from './language/scrape.ts'
import { type Scope, scopeOf } from './language/scope.ts'
import { stdioServer } from './language/stdio-backend.ts'

async function house(scope: Scope, options: HouseOptions): Promise<House> {
  const built = await gateway(options)
  scope.after(async () => built.close())
  return built
}

function scrape({ gateway: { metrics } }: House, accept?: string): Scraped {
  const { pieces, contentType } = metrics?.scrape(accept) ?? assert.fail('nothing is measured')
  const format = contentType.startsWith('application/openmetrics-text') ? 'openmetrics' : 'text'
  return readScrape([...pieces].join(''), format)
}

/**
 * docs/gen-ai/mcp.md of open-telemetry/semantic-conventions-genai, "Metrics": name, unit, and the attributes with their
 * types. Those that are opt-in, or required under conditions that a gateway never meets, are left out.
 */
const OPERATION = {
  'mcp.method.name': 'string',
  'error.type': 'string',
  'gen_ai.prompt.name': 'string',
  'gen_ai.tool.name': 'string',
  'rpc.response.status_code': 'string',
  'gen_ai.operation.name': 'string',
  'mcp.protocol.version': 'string',
  'network.protocol.name': 'string',
  'network.transport': 'string',
}
const SESSION = {
  'error.type': 'string',
  'mcp.protocol.version': 'string',
  'network.protocol.name': 'string',
  'network.transport': 'string',
}
const ADDRESS = { 'server.address': 'string', 'server.port': 'bigint' }
const CONVENTIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'mcp.server.operation.duration': OPERATION,
  'mcp.client.operation.duration': { ...OPERATION, ...ADDRESS },
  'mcp.server.session.duration': SESSION,
  'mcp.client.session.duration': { ...SESSION, ...ADDRESS },
}
const BOUNDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]

/** Traffic of every kind: both eras, results, tool errors, errors of backends, silence, refusals. */
async function traffic(scope: Scope, options: Partial<HouseOptions> = {}): Promise<House> {
  const modern = await modernServer(scope)
  const legacy = await legacyServer(scope)
  const piped = await stdioServer(scope, 'modern')
  const dead = { settings: { url: 'http://127.0.0.1:9/mcp', retry: { tries: 2, backoff: '1ms' } } }
  const built = await house(scope, {
    ...options,
    backends: { modern, legacy, piped, dead },
    limits: [{ name: 'few', rate: '100/1m' }],
  })
  for (const generation of ['modern', 'legacy'] as const) {
    const client = await built.client(generation)
    for (const backend of ['modern', 'legacy', 'piped']) {
      await client.call(`${backend}_echo`, { a: 1 })
      await client.call(`${backend}_fail`)
    }
    if (generation === 'legacy') {
      await legacy.forgetSessions()
      await client.call('legacy_progress')
    }
    await client.close()
  }
  await endSession(built)
  await built.raw.modern('tools/call', { name: 'nothing', arguments: {} })
  await built.raw.modern('no/such/method')
  return built
}

/** A legacy client that comes and goes. */
async function endSession({ raw, url }: House): Promise<void> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } }
  const { headers } = await raw.post({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  const session = headers.get('mcp-session-id') ?? assert.fail('no session')
  assert.equal((await fetch(url, { method: 'DELETE', headers: { 'mcp-session-id': session } })).status, 200)
}

describe('a scrape', () => {
  test('has the metrics of the conventions by their names in Prometheus, with their buckets and labels', async (t) => {
    const built = await traffic(scopeOf(t))
    for (const accept of [undefined, 'application/openmetrics-text; version=1.0.0']) {
      const { families } = scrape(built, accept)
      for (const [name, attributes] of Object.entries(CONVENTIONS)) {
        const prometheus = `${name.replaceAll('.', '_')}_seconds`
        const family = families.get(prometheus) ?? assert.fail(`no ${prometheus}`)
        assert.equal(family.type, 'histogram')
        if (accept !== undefined) assert.equal(family.unit, 'seconds')
        const known = [...Object.keys(attributes).map((one) => one.replaceAll('.', '_')), 'le']
        for (const { labels } of family.samples)
          for (const label of Object.keys(labels))
            assert.ok(known.includes(label) || label.startsWith('toolgate_'), `${prometheus} has ${label}`)
        const bounds = new Set(family.samples.flatMap(({ labels: { le } }) => (le === undefined ? [] : [le])))
        assert.deepEqual(
          [...bounds].map((bound) => (bound === '+Inf' ? Infinity : Number(bound))),
          [...BOUNDS, Infinity],
        )
      }
    }
  })

  test('tells calls apart by backend, tool and outcome, and a tool that fails from a backend that does', async (t) => {
    const built = await traffic(scopeOf(t))
    const { samples, sum } = scrape(built)
    const count = 'mcp_server_operation_duration_seconds_count'
    for (const backend of ['modern', 'legacy', 'piped']) {
      const echo = { toolgate_backend: backend, gen_ai_tool_name: 'echo', toolgate_outcome: 'ok' }
      assert.equal(sum(count, echo), 2)
      assert.equal(sum('toolgate_calls_total', echo), 2)
      for (const [version, era] of [
        ['2026-07-28', 'modern'],
        ['2025-11-25', 'legacy'],
      ] as const) {
        assert.equal(
          sum(count, { ...echo, mcp_protocol_version: version }),
          1,
          `${backend} for a ${era} client`,
        )
      }
      const [failed] = samples(count, { toolgate_backend: backend, gen_ai_tool_name: 'fail' })
      assert.deepEqual(
        { error: failed?.labels['error_type'], outcome: failed?.labels['toolgate_outcome'] },
        { error: 'tool_error', outcome: 'tool_error' },
      )
      assert.equal(failed?.labels['gen_ai_operation_name'], 'execute_tool')
    }
    const tries = 'mcp_client_operation_duration_seconds_count'
    assert.equal(sum(tries, { toolgate_backend: 'piped', network_transport: 'pipe' }), 4)
    for (const backend of ['modern', 'legacy']) {
      const version = backend === 'modern' ? '2026-07-28' : '2025-11-25'
      const [one] = samples(tries, { toolgate_backend: backend, mcp_protocol_version: version })
      const { server_address, server_port, network_transport, network_protocol_name } = one?.labels ?? {}
      assert.deepEqual(
        { server_address, network_transport, network_protocol_name },
        { server_address: '127.0.0.1', network_transport: 'tcp', network_protocol_name: 'http' },
      )
      assert.match(server_port ?? '', /^\d+$/)
    }
  })

  test('counts what is refused by its code, and what nobody knows without a name of its own', async (t) => {
    const built = await traffic(scopeOf(t))
    const { sum, samples } = scrape(built)
    assert.equal(sum('toolgate_refusals_total', { toolgate_code: 'UNKNOWN_TOOL' }), 1)
    assert.equal(sum('toolgate_refusals_total', { toolgate_code: 'METHOD_NOT_FOUND' }), 1)
    const [other] = samples('mcp_server_operation_duration_seconds_count', { mcp_method_name: '_OTHER' })
    assert.equal(other?.labels['rpc_response_status_code'], '-32601')
    assert.equal(other?.labels['error_type'], '-32601')
    assert.equal(sum('toolgate_calls_total', { toolgate_outcome: 'refused' }), 2)
  })
})

test('sessions are measured when they end: of clients, and at backends with the error that ended them', async (t) => {
  const built = await traffic(scopeOf(t))
  const { samples, sum } = scrape(built)
  const [ended] = samples('mcp_server_session_duration_seconds_count')
  assert.deepEqual(ended, {
    name: 'mcp_server_session_duration_seconds_count',
    labels: { mcp_protocol_version: '2025-11-25', network_transport: 'tcp', network_protocol_name: 'http' },
    value: 1,
  })
  const forgotten = {
    error_type: 'SESSION_NOT_FOUND',
    toolgate_backend: 'legacy',
    mcp_protocol_version: '2025-11-25',
  }
  assert.equal(sum('mcp_client_session_duration_seconds_count', forgotten), 1)
  // The client that was not ended by its owner is still there.
  assert.equal(sum('toolgate_sessions'), 1)
})

describe('labels', () => {
  /** Whatever a client can make up, in every place that it can write to. */
  async function attack({ raw, url }: House): Promise<void> {
    const made = (): string => randomBytes(8).toString('hex')
    for (let round = 0; round < 10; round++) {
      const name = made()
      await raw.modern('tools/call', { name, arguments: {} })
      await raw.modern('tools/call', { name: `b_${name}`, arguments: {} })
      await raw.modern('tools/call', { name: 'b_echo', arguments: { [name]: name } })
      await raw.modern('prompts/get', { name })
      await raw.modern('resources/read', { uri: `file:///${name}` })
      const uri = `file:///${name}`
      await raw.modern('resources/read', { uri }, { route: 'b', headers: { 'mcp-name': uri } })
      await raw.modern(`x/${name}`)
      await raw.modern('tools/list', {}, { route: name })
      await raw.modern('tools/call', { name, arguments: {} }, { route: 'b' })
      await raw.modern(`x/${name}`, {}, { route: 'b' })
      await raw.modern('tasks/get', { taskId: name })
      await raw.modern('completion/complete', {
        ref: { type: 'ref/prompt', name },
        argument: { name, value: name },
      })
      await raw.modern('tools/call', { name: 'b_echo' }, { headers: { 'mcp-protocol-version': name } })
      const params = { protocolVersion: name, capabilities: {}, clientInfo: { name, version: name } }
      await raw.post({ jsonrpc: '2.0', id: name, method: 'initialize', params })
      await fetch(url, { headers: { 'mcp-session-id': name } }).then((answer) => answer.text())
    }
  }

  const series = ({ families }: Scraped): readonly string[] =>
    [...families.values()].flatMap(({ samples }) =>
      samples.map(({ name, labels }) => `${name}${JSON.stringify(labels)}`),
    )

  test('cannot be made by clients, whatever they write and wherever', async (t) => {
    const b = await modernServer(scopeOf(t))
    // A check that ends in between would bring its duration.
    const quiet = { settings: { url: b.url, health: 'off' } }
    const built = await house(scopeOf(t), { backends: { b: quiet } })
    await attack(built)
    const first = new Set(series(scrape(built)))
    await attack(built)
    const second = new Set(series(scrape(built)))
    assert.deepEqual([...second.symmetricDifference(first)], [])
    for (const one of first) assert.doesNotMatch(one, /[0-9a-f]{16}/)
  })

  test('cannot be made without end by a backend that lists ever new tools', async (t) => {
    const names = (round: number) =>
      Array.from({ length: 5 }, (_, index) => ({ name: `t${round}_${index}`, does: 'echo' as const }))
    const b = await modernServer(scopeOf(t), { tools: names(0), ttlMs: 0 })
    const built = await house(scopeOf(t), {
      backends: { b },
      more: { telemetry: { metrics: { maxTools: 7 } } },
    })
    for (let round = 0; round < 4; round++) {
      await b.setTools(names(round))
      await built.raw.modern('tools/list')
      for (const { name } of names(round)) {
        const { response } = await built.raw.modern('tools/call', { name: `b_${name}`, arguments: {} })
        assert.ok(response.result !== undefined)
      }
    }
    const { samples, sum } = scrape(built)
    const tools = samples('toolgate_calls_total', { mcp_method_name: 'tools/call' })
    assert.equal(tools.length, 8)
    assert.equal(sum('toolgate_calls_total', { gen_ai_tool_name: '_OTHER' }), 13)
    assert.equal(sum('mcp_client_operation_duration_seconds_count', { gen_ai_tool_name: '_OTHER' }), 13)
  })
})

describe('export by OTLP', () => {
  test('sends every metric with name, unit, kind and attributes of the conventions, and to the end', async (t) => {
    const receiver = await otlpReceiver(scopeOf(t))
    const built = await traffic(scopeOf(t), {
      more: {
        telemetry: {
          resource: { 'deployment.environment.name': 'test' },
          metrics: { otlp: { endpoint: receiver.endpoint, headers: { 'x-key': 'canary' }, interval: '1h' } },
        },
      },
    })
    const { families } = scrape(built)
    await built.close()
    const exported = receiver.metrics.entries
    const [first = assert.fail('nothing was exported')] = exported
    assert.equal(first.headers['x-key'], 'canary')
    assert.equal(first.headers['content-encoding'], 'gzip')
    assert.equal(first.resource['service.name'], 'toolgate')
    assert.equal(first.resource['service.version'], '0.0.0-test')
    assert.equal(first.resource['deployment.environment.name'], 'test')
    assert.match(String(first.resource['service.instance.id']), /^[0-9a-f-]{36}$/)
    assert.deepEqual(first.scope, { name: 'toolgate', version: '0.0.0-test' })
    const metrics = exported.flatMap(({ items }) => items)
    for (const [name, attributes] of Object.entries(CONVENTIONS)) checkConvention(metrics, name, attributes)
    // The same metrics by both ways.
    const prometheus = new Set(metrics.map(({ name, unit, kind }) => nameInPrometheus(name, unit, kind)))
    for (const name of families.keys())
      if (name !== 'toolgate_otlp_exports_total') assert.ok(prometheus.has(name), name)
    const echo = metrics
      .filter(({ name }) => name === 'toolgate.calls')
      .flatMap(({ points }) => points)
      .find(
        ({ attributes }) =>
          attributes['toolgate.backend'] === 'legacy' && attributes['gen_ai.tool.name'] === 'echo',
      )
    assert.equal(echo?.value, 2)
    assert.ok(echo.start > 0n && echo.time > echo.start)
  })

  test('goes on after a collector that was away, and says both once', async (t) => {
    const receiver = await otlpReceiver(scopeOf(t))
    const otlp = { endpoint: receiver.endpoint, interval: '1s' }
    receiver.answer({ status: 503 }, { status: 503 })
    const good = await modernServer(scopeOf(t))
    const built = await house(scopeOf(t), { backends: { good }, more: { telemetry: { metrics: { otlp } } } })
    const failed = await built.log.until(({ message }) => message === 'metrics cannot be exported')
    assert.deepEqual(failed.fields, {
      collector: receiver.endpoint,
      reason: 'the collector answered HTTP 503',
    })
    await built.log.until(({ message }) => message === 'metrics are exported again')
    assert.equal(
      built.log.count(({ message }) => message === 'metrics cannot be exported'),
      1,
    )
    await eventually('the failures are counted', () => {
      const { sum } = scrape(built)
      return sum('toolgate_otlp_exports_total', { toolgate_outcome: 'failed' }) === 2
    })
  })
})

function checkConvention(
  metrics: readonly OtlpMetric[],
  name: string,
  attributes: Readonly<Record<string, string>>,
): void {
  const own = metrics.filter((metric) => metric.name === name)
  assert.ok(own.length > 0, `no ${name}`)
  for (const { kind, unit, temporality, points } of own) {
    assert.deepEqual(
      { kind, unit, temporality },
      { kind: 'histogram', unit: 's', temporality: 'cumulative' },
      name,
    )
    for (const { histogram, attributes: found } of points) {
      assert.deepEqual(histogram?.bounds, BOUNDS)
      assert.equal(histogram.buckets.length, BOUNDS.length + 1)
      assert.equal(
        histogram.buckets.reduce((sum, count) => sum + count, 0),
        histogram.count,
      )
      if ('mcp.method.name' in attributes) assert.ok('mcp.method.name' in found, 'it is required')
      for (const [key, value] of Object.entries(found)) {
        if (!key.startsWith('toolgate.')) assert.equal(typeof value, attributes[key], `${name} has ${key}`)
      }
    }
  }
}

/** By the mapping that collectors use. */
function nameInPrometheus(name: string, unit: string, kind: OtlpMetric['kind']): string {
  const base = name.replaceAll('.', '_')
  const suffix = unit === 's' ? '_seconds' : unit === 'By' ? '_bytes' : ''
  return `${base}${suffix}${kind === 'sum' ? '_total' : ''}`
}
