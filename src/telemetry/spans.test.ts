import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FakeClock, createFakeClock } from '../../test/support/fake-clock.ts'
import { callOf, request, result } from '../../test/support/scripted.ts'
import { BUILTIN } from '../backend/builtin/backend.ts'
import { GatewayError } from '../errors.ts'
import { type Outcome, toRefusal } from '../filters/rescue.ts'
import { silentLog } from '../pipeline/log.ts'
import { CallRecord } from '../pipeline/record.ts'
import type { RequestMessage } from '../protocol/message.ts'
import { createRedactor } from './redact.ts'
import { type BackendPlace, type SpanData, type SpanPorts, spansOf } from './spans.ts'
import { traceOf } from './trace.ts'

const PLACE: BackendPlace = { transport: 'tcp', address: 'crm.example', port: 443 }

interface Setting extends Partial<SpanPorts> {
  readonly message?: RequestMessage
  readonly outcome?: Outcome
}

/** The spans of a call to which that happened. */
async function spans(
  happened: (record: CallRecord, clock: FakeClock) => Promise<void> | void,
  setting: Setting = {},
): Promise<readonly SpanData[]> {
  const clock = createFakeClock()
  const { message = request('tools/call', { name: 'crm_find', arguments: { a: 1, pin: 2 } }) } = setting
  const record = new CallRecord(callOf(message), clock)
  const trace = traceOf(record.call, { sample: 1, follows: true, baggage: [], random: Math.random })
  record.trace = trace
  record.target = { kind: 'one', backend: 'crm', name: 'find', paramHeaders: [] }
  await happened(record, clock)
  record.end()
  const ports = {
    placeOf: () => PLACE,
    redactor: createRedactor([]),
    arguments: false,
    results: false,
    ...setting,
  }
  return spansOf(record, { outcome: setting.outcome ?? result({}), trace }, ports)
}

const EPOCH = createFakeClock().wallTime()

describe('spans', () => {
  test('have the times of what they stand for, on the clock of the wall', async () => {
    const [server, client] = await spans(async (record, clock) => {
      await clock.advance(5)
      const attempt = record.attempt('crm')
      await clock.advance(10)
      attempt.answered(result({}))
      await clock.advance(1)
    })
    assert.deepEqual(
      [server?.start, server?.end].map((at) => Number(at) - EPOCH),
      [0, 16],
    )
    assert.deepEqual(
      [client?.start, client?.end].map((at) => Number(at) - EPOCH),
      [5, 15],
    )
  })

  test('have events for retries, hedges and circuits, when they happened', async () => {
    const [server] = await spans(async (record, clock) => {
      await clock.advance(1)
      record.noteRetry('BACKEND_TIMEOUT')
      await clock.advance(1)
      record.note('hedge')
      await clock.advance(1)
      record.note('circuit-open')
    })
    assert.deepEqual(
      server?.events.map(({ name, at, attributes }) => [name, at - EPOCH, attributes]),
      [
        ['retry', 1, { 'error.type': 'BACKEND_TIMEOUT' }],
        ['hedge', 2, {}],
        ['circuit_open', 3, {}],
      ],
    )
  })

  test('say of a try that lost to another that it was cancelled, and of one that failed why', async () => {
    const [, lost, failed, unforeseen] = await spans((record) => {
      record.attempt('crm')
      record.attempt('crm').failed(new GatewayError('BACKEND_TIMEOUT', 'secret words'))
      record.attempt('crm').failed(new Error('secret words'))
    })
    assert.deepEqual(
      [lost, failed, unforeseen].map((span) => [span?.failure, span?.attributes['error.type']]),
      [
        ['CANCELLED', 'CANCELLED'],
        ['BACKEND_TIMEOUT', 'BACKEND_TIMEOUT'],
        ['INTERNAL', 'INTERNAL'],
      ],
    )
  })

  test('of prompts have their names, and of resources their URIs without secrets, but not in the name of the span', async () => {
    const [prompt] = await spans(() => undefined, { message: request('prompts/get', { name: 'crm_hello' }) })
    assert.equal(prompt?.name, 'prompts/get crm_hello')
    assert.equal(prompt?.attributes['gen_ai.prompt.name'], 'crm_hello')
    assert.equal(prompt?.attributes['gen_ai.operation.name'], undefined)
    const uri = 'https://ada:pw@host/a?token=t#f'
    const [resource] = await spans(() => undefined, { message: request('resources/read', { uri }) })
    assert.equal(resource?.name, 'resources/read')
    assert.equal(resource?.attributes['mcp.resource.uri'], 'https://host/a')
  })

  test('have arguments and results only where somebody wants them, without their secrets', async () => {
    const outcome = result({ content: [], token: 'x' })
    const names = ['gen_ai.tool.call.arguments', 'gen_ai.tool.call.result']
    const [plain] = await spans(() => undefined, { outcome })
    assert.deepEqual(
      names.map((name) => plain?.attributes[name]),
      [undefined, undefined],
    )
    const [told] = await spans(() => undefined, { outcome, arguments: true, results: true })
    assert.deepEqual(
      names.map((name): unknown => JSON.parse(String(told?.attributes[name]))),
      [
        { a: 1, pin: '[redacted]' },
        { content: [], token: '[redacted]' },
      ],
    )
  })

  test('are none for what the gateway answers itself: nothing was called', async () => {
    const all = await spans((record) => record.attempt(BUILTIN).answered(result({})))
    assert.deepEqual(
      all.map(({ kind }) => kind),
      ['server'],
    )
  })

  test('have short names, whatever the method is called', async () => {
    const refused = toRefusal(new GatewayError('METHOD_NOT_FOUND', 'no'), silentLog)
    const [server] = await spans(() => undefined, { message: request('m'.repeat(5000)), outcome: refused })
    assert.equal(server?.name.length, 64)
    assert.equal(String(server?.attributes['mcp.method.name']).length, 64)
  })
})
