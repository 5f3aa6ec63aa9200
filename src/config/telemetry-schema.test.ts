import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import { SCRAPE_CONSENT } from './telemetry-schema.ts'
import type { TelemetryConfig } from './types.ts'

interface Read {
  readonly telemetry: TelemetryConfig | undefined
  /** Problems or warnings, without file and place. */
  readonly said: readonly string[]
}

function read(telemetry: unknown, more: Readonly<Record<string, unknown>> = {}): Read {
  const text = JSON.stringify({ backends: { a: 'http://a' }, ...more, telemetry })
  const result = parseConfig({ name: 'toolgate.yaml', text, dir: '/' }, { KEY: 'canary' })
  const said = result.ok ? result.warnings : result.problems
  return {
    telemetry: result.ok ? result.config.telemetry : undefined,
    said: said.map((one) => formatProblem(one).replace(/^[^ ]+ (warning: )?/, '')),
  }
}

describe('telemetry', () => {
  test('measures, and sends nothing anywhere, unless it is told to', () => {
    const metrics = { maxTools: 2000, token: undefined, open: false, otlp: undefined }
    for (const written of [undefined, null, {}, { metrics: null }, { metrics: {} }])
      assert.deepEqual(read(written).telemetry, { resource: {}, metrics, accessLog: undefined })
    for (const off of ['off', false]) assert.equal(read({ metrics: off }).telemetry?.metrics, undefined)
  })

  test('sends metrics where it is told to, by every setting', () => {
    const { telemetry } = read({
      resource: { 'service.name': 'edge', 'deployment.environment.name': 'production' },
      metrics: {
        maxTools: 10,
        token: 'a-token-for-prometheus',
        otlp: {
          endpoint: 'https://collector:4318/base/',
          headers: { Authorization: '${KEY}' },
          interval: '5s',
        },
      },
    })
    assert.deepEqual(telemetry, {
      accessLog: undefined,
      resource: { 'service.name': 'edge', 'deployment.environment.name': 'production' },
      metrics: {
        maxTools: 10,
        token: 'a-token-for-prometheus',
        open: false,
        otlp: {
          endpoint: 'https://collector:4318/base',
          headers: { Authorization: 'canary' },
          timeout: 10_000,
          interval: 5000,
        },
      },
    })
  })

  test('sends keys only where nobody reads them on the way', () => {
    const otlp = (endpoint: string, headers = {}) => read({ metrics: { otlp: { endpoint, headers } } })
    assert.deepEqual(otlp('http://collector:4318').said, [])
    assert.deepEqual(otlp('http://[::1]:4318', { 'x-key': 'canary' }).said, [])
    const { said } = otlp('http://collector:4318', { 'x-key': 'canary' })
    assert.match(said.join(), /otlp\.endpoint: expected an https:\/\/ URL, because headers are sent/)
    assert.match(otlp('https://user:canary@collector').said.join(), /expected an http:\/\/ or https:\/\/ URL/)
  })

  test('lets itself be read without a token only by who writes that out', () => {
    assert.equal(
      read({ metrics: { allowUnauthenticatedScrape: SCRAPE_CONSENT } }).telemetry?.metrics?.open,
      true,
    )
    assert.match(
      read({ metrics: { allowUnauthenticatedScrape: true } }).said.join(),
      /expected i-understand-that/,
    )
    const wide = read(
      { metrics: { allowUnauthenticatedScrape: SCRAPE_CONSENT } },
      { admin: { listen: '0.0.0.0:9901' } },
    )
    assert.match(wide.said.join('\n'), /anyone on the network can read the names and numbers of every metric/)
  })

  test('never shows a secret in a problem', () => {
    const problems = [
      read({ metrics: { token: 'canary' } }),
      read({ metrics: { token: '${KEY}' } }),
      read({ metrics: { otlp: { endpoint: 'https://c', headers: { 'x-key': 'canary\n' } } } }),
    ].map(({ said }) => said.join('\n'))
    for (const problem of problems) {
      assert.match(problem, /expected/)
      assert.ok(!problem.includes('canary'), problem)
    }
  })
})
