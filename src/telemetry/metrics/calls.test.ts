import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { callOf, request, result, rpcError } from '../../../test/support/scripted.ts'
import { GatewayError } from '../../errors.ts'
import { type Outcome, toRefusal } from '../../filters/rescue.ts'
import type { Call } from '../../pipeline/call.ts'
import { silentLog } from '../../pipeline/log.ts'
import { CallRecord } from '../../pipeline/record.ts'
import type { OneTarget } from '../../pipeline/target.ts'
import { type CallCounts, type Cell, type Reached, countCalls } from './calls.ts'

const clock = createFakeClock()

const BACKENDS: ReadonlyMap<string, Reached> = new Map([
  ['b', { transport: 'http', origin: 'https://b.example' }],
  ['gateway', { transport: 'builtin', origin: undefined }],
])

const counts = (maxTools = 100): CallCounts => {
  const told = countCalls({ maxTools })
  told.serve(BACKENDS)
  return told
}

const OK = result({ content: [] })
const refusal = (code: ConstructorParameters<typeof GatewayError>[0]): Outcome =>
  toRefusal(new GatewayError(code, 'no'), silentLog)

interface Told {
  readonly method?: string
  readonly name?: string
  readonly call?: Partial<Call>
  readonly during?: (record: CallRecord) => void | Promise<void>
}

/** A call of backend b that ended so. */
async function ended(told: CallCounts, outcome: Outcome, how: Told = {}): Promise<void> {
  const { method = 'tools/call', name = 't', call = {}, during } = how
  const record = new CallRecord({ ...callOf(request(method, { name })), ...call }, clock)
  const target: OneTarget = { kind: 'one', backend: 'b', name, paramHeaders: [] }
  record.target = target
  await during?.(record)
  record.end()
  told.observer.ended(record, outcome)
}

const attributes = ({ labels }: Cell): Readonly<Record<string, string | number>> =>
  Object.fromEntries(labels.attributes)

describe('calls', () => {
  test('are counted by how they ended: one cell for each way, and the same one for every such call', async () => {
    const told = counts()
    for (let n = 0; n < 3; n++) {
      await ended(told, OK)
      await ended(told, result({ content: [], isError: true }))
      await ended(told, rpcError(-32602))
      await ended(told, refusal('BACKEND_TIMEOUT'))
      await ended(told, refusal('RATE_LIMITED'))
      await ended(told, refusal('QUOTA_EXCEEDED'))
      await ended(told, refusal('CANCELLED'))
    }
    assert.deepEqual(
      told.server.map((cell) => {
        const {
          'toolgate.outcome': outcome,
          'error.type': error,
          'rpc.response.status_code': code,
        } = attributes(cell)
        return [outcome, error, code, cell.histogram.count]
      }),
      [
        ['ok', undefined, undefined, 3],
        ['tool_error', 'tool_error', undefined, 3],
        ['backend_error', '-32602', '-32602', 3],
        ['failed', '-31504', '-31504', 3],
        // Two of ours are one for whoever is told by JSON-RPC.
        ['refused', '-31429', '-31429', 6],
        ['cancelled', '-31099', '-31099', 3],
      ],
    )
    assert.equal(told.refusals.get('RATE_LIMITED'), 3)
    assert.equal(told.refusals.get('QUOTA_EXCEEDED'), 3)
    assert.equal(told.refusals.get('INTERNAL'), 0)
  })

  test('codes that backends make up are one, and have no name', async () => {
    const told = counts()
    for (const code of [-1, 7, -32099, 12345]) await ended(told, rpcError(code))
    assert.equal(told.server.length, 1)
    assert.equal(attributes(told.server[0] ?? assert.fail())['error.type'], '_OTHER')
  })

  test('are told apart by what clients speak, and over what', async () => {
    const told = counts()
    const { downstream } = callOf(request('tools/call'))
    for (const [version, transport] of [
      ['2026-07-28', 'http'],
      ['2025-11-25', 'http'],
      ['2025-11-25', 'stdio'],
      ['1999-01-01', 'http'],
      ['1999-01-02', 'http'],
    ] as const)
      await ended(told, OK, { call: { downstream: { ...downstream, version, transport } } })
    assert.deepEqual(
      told.server.map((cell) => {
        const { 'mcp.protocol.version': version, 'network.transport': transport } = attributes(cell)
        return [version, transport, cell.histogram.count]
      }),
      [
        ['2026-07-28', 'tcp', 1],
        ['2025-11-25', 'tcp', 1],
        ['2025-11-25', 'pipe', 1],
        ['_OTHER', 'tcp', 2],
      ],
    )
  })

  test('have names that nobody can read, or write, under one name together', async () => {
    const told = counts()
    for (const name of ['x'.repeat(257), 'y'.repeat(2000), 'lone \uD800', '_OTHER'])
      await ended(told, OK, { name })
    await ended(told, OK, { name: 'x'.repeat(256) })
    assert.deepEqual(
      told.server.map(({ subject, histogram }) => [subject.tool?.length, histogram.count]),
      [
        [6, 4],
        [256, 1],
      ],
    )
  })

  test('have prompts by their name, and nothing else by what clients write', async () => {
    const told = counts()
    await ended(told, OK, { method: 'prompts/get', name: 'p' })
    await ended(told, OK, { method: 'resources/read', name: 'file:///secret' })
    await ended(told, OK, { method: 'made/up', name: 'secret' })
    assert.deepEqual(
      told.server.map(({ subject }) => subject),
      [
        { backend: 'b', method: 'prompts/get', tool: undefined, prompt: 'p' },
        { backend: 'b', method: 'resources/read', tool: undefined, prompt: undefined },
        { backend: 'b', method: '_OTHER', tool: undefined, prompt: undefined },
      ],
    )
    for (const cell of told.server)
      assert.equal('gen_ai.operation.name' in attributes(cell), false, 'only tools are executed')
  })
})

describe('tries', () => {
  test('are counted apart from their call, each with its own time and end', async () => {
    const told = counts()
    await ended(told, OK, {
      async during(record) {
        const first = record.attempt('b')
        first.spoken = { era: 'modern', version: '2026-07-28' }
        await clock.advance(100)
        first.failed(new GatewayError('BACKEND_TIMEOUT', 'no', { backend: 'b' }))
        record.noteRetry('BACKEND_TIMEOUT')
        const second = record.attempt('b')
        second.spoken = { era: 'modern', version: '2026-07-28' }
        await clock.advance(30)
        second.answered(OK)
      },
    })
    assert.deepEqual(
      told.client.map(({ ending, histogram }) => [ending.outcome, ending.errorType, histogram.read().mean]),
      [
        ['failed', 'BACKEND_TIMEOUT', 100],
        ['ok', undefined, 30],
      ],
    )
    assert.equal(told.server[0]?.histogram.read().mean, 130)
    assert.equal(told.events.retry.get('b'), 1)
    assert.deepEqual(attributes(told.client[0] ?? assert.fail()), {
      'mcp.method.name': 'tools/call',
      'gen_ai.tool.name': 't',
      'gen_ai.operation.name': 'execute_tool',
      'error.type': 'BACKEND_TIMEOUT',
      'mcp.protocol.version': '2026-07-28',
      'network.transport': 'tcp',
      'network.protocol.name': 'http',
      'server.address': 'b.example',
      'server.port': 443,
      'toolgate.backend': 'b',
      'toolgate.outcome': 'failed',
    })
  })

  test('that still run when their call has ended are cancelled ones', async () => {
    const told = counts()
    await ended(told, OK, {
      async during(record) {
        record.attempt('b')
        record.note('hedge')
        await clock.advance(40)
        record.attempt('b').answered(OK)
      },
    })
    assert.deepEqual(
      told.client.map(({ ending, histogram }) => [ending.outcome, histogram.read().mean]),
      [
        ['cancelled', 40],
        ['ok', 0],
      ],
    )
    assert.equal(told.events.hedge.get('b'), 1)
  })
})

test('only what waited counts for the queues, and notifications are counted as they were passed on', async () => {
  const told = counts()
  await ended(told, OK)
  await ended(told, OK, {
    during(record) {
      record.queued = 250
      record.notifications = 3
      record.note('circuit-open')
    },
  })
  assert.equal(told.queued.get('b')?.read().mean, 250)
  assert.equal(told.queued.get('b')?.count, 1)
  assert.equal(told.notifications, 3)
  assert.equal(told.events['circuit-open'].get('b'), 1)
})

test('backends that come and go do not make the bound on names wider', async () => {
  const told = counts(1)
  const other: Reached = { transport: 'stdio', origin: undefined }
  for (let times = 0; times < 3; times++) {
    for (const name of ['one', 'two']) await ended(told, OK, { name })
    told.serve(new Map([['c', other]]))
    told.serve(BACKENDS)
  }
  for (const name of ['one', 'two', 'three']) await ended(told, OK, { name })
  assert.deepEqual(
    told.server.map(({ subject }) => subject.tool),
    ['one', '_OTHER'],
  )
})

test('what was counted of a backend that left is forgotten, and what ends later is told of none', async () => {
  const told = counts(1)
  await ended(told, OK, { during: (record) => record.attempt('b').answered(OK) })
  const other: Reached = { transport: 'stdio', origin: undefined }
  told.serve(new Map([['c', other]]))
  assert.deepEqual([told.server, told.client], [[], []])
  assert.deepEqual([...told.events.retry], [['c', 0]])
  await ended(told, OK, { during: (record) => record.attempt('b').answered(OK) })
  assert.deepEqual(
    told.server.map(({ subject }) => subject.backend),
    [undefined],
  )
  assert.deepEqual(told.client, [])
  told.serve(BACKENDS)
  await ended(told, OK)
  assert.equal(told.server.at(-1)?.subject.tool, 't', 'its place among the names was free again')
})

test('requests that were refused before there was a call are counted by code, apart from calls', () => {
  const told = counts()
  const refused = refusal('UNAUTHENTICATED')
  assert.ok(refused.kind === 'refusal')
  told.observer.refused?.({ method: 'POST', path: '/mcp', address: undefined, refusal: refused })
  assert.deepEqual([...told.refusedRequests], [['UNAUTHENTICATED', 1]])
  assert.deepEqual(told.server, [])
})
