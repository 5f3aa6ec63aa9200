import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseConfig } from './load.ts'
import type { TelemetryConfig } from './types.ts'

function read(telemetry: unknown): {
  readonly telemetry?: TelemetryConfig | undefined
  readonly problems: readonly string[]
} {
  const text = JSON.stringify({ backends: { crm: 'https://crm.example/mcp' }, telemetry })
  const result = parseConfig({ name: 'gateway.yaml', text, dir: '/etc/toolgate' }, {})
  if (result.ok) return { telemetry: result.config.telemetry, problems: [] }
  return { problems: result.problems.map(({ path, message }) => `${path}: ${message}`) }
}

describe('telemetry.traces', () => {
  test('is off unless a collector is named', () => {
    assert.equal(read(undefined).telemetry?.traces, undefined)
    assert.match(read({ traces: {} }).problems.join(), /telemetry\.traces\.otlp/)
  })

  test('tells neither baggage nor arguments nor results unless somebody says so', () => {
    const { telemetry } = read({ traces: { otlp: { endpoint: 'http://127.0.0.1:4318/' } } })
    assert.deepEqual(telemetry?.traces, {
      otlp: { endpoint: 'http://127.0.0.1:4318', headers: {}, timeout: 10_000, interval: 5000 },
      sample: 1,
      parent: 'follow',
      baggage: [],
      queue: 4096,
      arguments: false,
      results: false,
    })
  })

  for (const [written, sample] of [
    [0.1, 0.1],
    ['10%', 0.1],
    ['0.5%', 0.005],
    ['0.25', 0.25],
    [0, 0],
    [1, 1],
  ] as const)
    test(`takes ${JSON.stringify(written)} for a part`, () => {
      const { telemetry } = read({ traces: { otlp: { endpoint: 'http://127.0.0.1:4318' }, sample: written } })
      assert.equal(telemetry?.traces?.sample, sample)
    })

  for (const written of [2, -1, '200%', 'all', '', '.', '1.5'])
    test(`refuses ${JSON.stringify(written)} as a part`, () => {
      const { problems } = read({ traces: { otlp: { endpoint: 'http://127.0.0.1:4318' }, sample: written } })
      assert.match(problems.join(), /telemetry\.traces\.sample: expected a part from 0 to 1/)
    })

  test('sends headers only where nobody reads them on the way', () => {
    const otlp = { endpoint: 'http://collector.example:4318', headers: { authorization: 'Bearer k' } }
    assert.match(
      read({ traces: { otlp } }).problems.join(),
      /telemetry\.traces\.otlp\.endpoint: expected an https/,
    )
  })
})

describe('telemetry.accessLog', () => {
  test('is off unless it is there', () => {
    assert.equal(read(undefined).telemetry?.accessLog, undefined)
    assert.equal(read({ accessLog: 'off' }).telemetry?.accessLog, undefined)
  })

  test('has defaults, and a file stands beside the configuration', () => {
    assert.deepEqual(read({ accessLog: {} }).telemetry?.accessLog, {
      to: 'stdout',
      format: 'auto',
      level: 'info',
      sample: 1,
      slow: 1000,
      arguments: false,
      results: false,
    })
    assert.equal(read({ accessLog: { to: 'calls.log' } }).telemetry?.accessLog?.to, '/etc/toolgate/calls.log')
    assert.equal(read({ accessLog: { to: 'stderr' } }).telemetry?.accessLog?.to, 'stderr')
  })
})

describe('telemetry.redact', () => {
  test('takes paths below arguments and results', () => {
    const redact = ['arguments.card.number', 'result.content.*.text', '**.pin']
    assert.deepEqual(read({ redact }).telemetry?.redact, redact)
    for (const wrong of ['password', 'arguments..x', ''])
      assert.match(
        read({ redact: [wrong] }).problems.join(),
        /telemetry\.redact\[0\]: expected a path/,
        wrong,
      )
  })
})
