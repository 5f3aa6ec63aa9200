/** The collector of the tests reads what the protocol says, by the published definitions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { otlpReceiver } from '../language/otlp-receiver.ts'
import { scopeOf } from '../language/scope.ts'

/** A length-delimited field of the wire format: its number, and what is in it. */
const field = (number: number, ...parts: readonly (Buffer | string)[]): Buffer => {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)))
  const { length } = content
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7]
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...size]), content])
}

const varint = (number: number, value: number): Buffer => Buffer.from([number << 3, value])

const fixed64 = (number: number, value: bigint): Buffer => {
  const bytes = Buffer.alloc(9)
  bytes[0] = (number << 3) | 1
  bytes.writeBigUInt64LE(value, 1)
  return bytes
}

/** `KeyValue` with a text. */
const attribute = (key: string, value: string): Buffer =>
  Buffer.concat([field(1, key), field(2, field(1, value))])

async function post(
  url: string,
  body: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<number> {
  const plain = { 'content-type': 'application/x-protobuf' }
  const { status } = await fetch(url, { method: 'POST', body, headers: { ...plain, ...headers } })
  return status
}

test('spans are read with their ids, times, attributes, events, links and status', async (t) => {
  const receiver = await otlpReceiver(scopeOf(t))
  const traceId = Buffer.alloc(16, 0xab)
  const span = field(
    2,
    field(1, traceId),
    field(2, Buffer.alloc(8, 1)),
    field(4, Buffer.alloc(8, 2)),
    field(5, 'tools/call x'),
    varint(6, 3),
    fixed64(7, 5n),
    fixed64(8, 9n),
    field(9, attribute('mcp.method.name', 'tools/call')),
    field(11, fixed64(1, 6n), field(2, 'retry')),
    field(13, field(1, traceId), field(2, Buffer.alloc(8, 3))),
    field(15, field(2, 'no'), varint(3, 2)),
  )
  const body = field(
    1,
    field(1, field(1, attribute('service.name', 'toolgate'))),
    field(2, field(1, field(1, 'toolgate')), span),
  )
  assert.equal(
    await post(`${receiver.endpoint}/v1/traces`, gzipSync(body), { 'content-encoding': 'gzip' }),
    200,
  )
  const [{ resource, scope, items } = assert.fail()] = receiver.traces.entries
  assert.deepEqual(resource, { 'service.name': 'toolgate' })
  assert.deepEqual(scope, { name: 'toolgate', version: '' })
  assert.deepEqual(items, [
    {
      traceId: 'ab'.repeat(16),
      spanId: '01'.repeat(8),
      parentSpanId: '02'.repeat(8),
      traceState: '',
      name: 'tools/call x',
      kind: 'CLIENT',
      start: 5n,
      end: 9n,
      attributes: { 'mcp.method.name': 'tools/call' },
      events: [{ name: 'retry', time: 6n, attributes: {} }],
      links: [{ traceId: 'ab'.repeat(16), spanId: '03'.repeat(8), attributes: {} }],
      status: { code: 'ERROR', message: 'no' },
    },
  ])
})

test('metrics are read with unit, kind, temporality and points', async (t) => {
  const receiver = await otlpReceiver(scopeOf(t))
  const sum = field(7, field(1, fixed64(2, 1n), fixed64(3, 2n), fixed64(6, 42n)), varint(2, 2), varint(3, 1))
  const metric = field(2, field(1, 'toolgate.calls'), field(3, '{call}'), sum)
  const body = field(1, field(2, metric))
  assert.equal(await post(`${receiver.endpoint}/v1/metrics`, body), 200)
  const [{ items } = assert.fail()] = receiver.metrics.entries
  assert.deepEqual(items, [
    {
      name: 'toolgate.calls',
      description: '',
      unit: '{call}',
      kind: 'sum',
      monotonic: true,
      temporality: 'cumulative',
      points: [{ attributes: {}, start: 1n, time: 2n, value: 42, histogram: undefined }],
    },
  ])
})

test('what is not OTLP is refused, and answers can be ordered', async (t) => {
  const receiver = await otlpReceiver(scopeOf(t))
  assert.equal(await post(`${receiver.endpoint}/v1/metrics`, Buffer.from('nonsense')), 400)
  const json = { 'content-type': 'application/json' }
  assert.equal(await post(`${receiver.endpoint}/v1/traces`, Buffer.alloc(0), json), 400)
  receiver.answer({ status: 503 })
  assert.equal(await post(`${receiver.endpoint}/v1/metrics`, Buffer.alloc(0)), 503)
  assert.equal(await post(`${receiver.endpoint}/v1/metrics`, Buffer.alloc(0)), 200)
})
