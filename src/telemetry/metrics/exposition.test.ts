import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readScrape } from '../../../test/language/scrape.ts'
import { METRICS, prometheusName } from './definitions.ts'
import { exposition, formatFor } from './exposition.ts'
import type { Family } from './families.ts'
import { Histogram } from './histogram.ts'
import { NO_LABELS, labelsOf } from './labels.ts'

const histogram = new Histogram()
histogram.record(15)

const FAMILIES: readonly Family[] = [
  {
    definition: METRICS.serverOperation,
    points: [{ labels: labelsOf([['gen_ai.tool.name', 'a"b\\c\nd']]), distribution: histogram.read() }],
  },
  { definition: METRICS.retries, points: [{ labels: labelsOf([['toolgate.backend', 'b']]), value: 3 }] },
  { definition: METRICS.loopDelay, points: [{ labels: NO_LABELS, value: 0.25 }] },
  { definition: METRICS.hedges, points: [] },
]

const render = (format: 'text' | 'openmetrics'): string => [...exposition(FAMILIES, format)].join('')

describe('the exposition', () => {
  test('is Prometheus text, in which counters are called as their samples are', () => {
    const lines = render('text').split('\n')
    assert.deepEqual(lines.slice(0, 4), [
      '# HELP mcp_server_operation_duration_seconds Requests of clients, from when they were received until their answer was ready.',
      '# TYPE mcp_server_operation_duration_seconds histogram',
      'mcp_server_operation_duration_seconds_bucket{gen_ai_tool_name="a\\"b\\\\c\\nd",le="0.01"} 0',
      'mcp_server_operation_duration_seconds_bucket{gen_ai_tool_name="a\\"b\\\\c\\nd",le="0.02"} 1',
    ])
    assert.deepEqual(lines.slice(-8), [
      'mcp_server_operation_duration_seconds_count{gen_ai_tool_name="a\\"b\\\\c\\nd"} 1',
      '# HELP toolgate_retries_total Tries after one that failed.',
      '# TYPE toolgate_retries_total counter',
      'toolgate_retries_total{toolgate_backend="b"} 3',
      '# HELP toolgate_event_loop_delay_seconds How long work has waited for the event loop lately, on average.',
      '# TYPE toolgate_event_loop_delay_seconds gauge',
      'toolgate_event_loop_delay_seconds 0.25',
      '',
    ])
  })

  test('is OpenMetrics, with units and an end, in which counters are called without _total', () => {
    const text = render('openmetrics')
    assert.match(text, /^# TYPE toolgate_retries counter$/m)
    assert.match(text, /^# UNIT mcp_server_operation_duration_seconds seconds$/m)
    assert.ok(text.endsWith('\n# EOF\n'))
    const { samples } = readScrape(text, 'openmetrics')
    const [one] = samples('mcp_server_operation_duration_seconds_count')
    assert.equal(one?.labels['gen_ai_tool_name'], 'a"b\\c\nd')
  })

  test('comes in pieces, so that nobody waits for all of a large one', () => {
    const points = Array.from({ length: 1000 }, (_, index) => {
      return { labels: labelsOf([['gen_ai.tool.name', `t${index}`]]), distribution: histogram.read() }
    })
    const pieces = [...exposition([{ definition: METRICS.serverOperation, points }], 'text')]
    assert.ok(pieces.length > 10)
    for (const piece of pieces) assert.ok(piece.length < 40_000)
    assert.equal(
      readScrape(pieces.join('')).samples('mcp_server_operation_duration_seconds_count').length,
      1000,
    )
  })
})

test('the format is the one that is asked for with most weight, and text for everybody else', () => {
  for (const [accept, format] of [
    [undefined, 'text'],
    ['', 'text'],
    ['application/json', 'text'],
    ['application/openmetrics-text', 'openmetrics'],
    ['application/openmetrics-text; version=2.0.0', 'text'],
    ['application/openmetrics-text;q=0, text/plain', 'text'],
    ['text/plain;q=0.5, APPLICATION/OPENMETRICS-TEXT; Version=1.0.0; q=0.9', 'openmetrics'],
    ['text/plain;q=0.9, application/openmetrics-text;q=0.5', 'text'],
    [';;;,,,q=', 'text'],
  ] as const) {
    assert.equal(formatFor(accept), format, String(accept))
  }
})

test('every metric has a name of its own that fits, a sentence, and a unit that its name ends with', () => {
  const all = Object.values(METRICS)
  assert.equal(new Set(all.map(prometheusName)).size, all.length)
  for (const one of all) {
    assert.match(one.name, /^(mcp|toolgate)(\.[a-z][a-z_]*)+$/)
    assert.match(one.description, /^[A-Z0-9].*\.$/)
    assert.match(one.unit, /^(s|By||\{[a-z]+\})$/)
    const [, seconds] = /_(seconds)$/.exec(prometheusName(one)) ?? []
    assert.equal(seconds !== undefined, one.unit === 's', one.name)
  }
})
