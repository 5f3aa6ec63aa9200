import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cpuRatios, jsonLine, problemsOf, reportProxy, type Rounds, table, type Window } from './report.ts'

/** A window of 1000 calls in one second that cost so much CPU each; at full load there are twice as many. */
const window = (usPerRequest: number | undefined, errors = 0): Window => {
  const paced = {
    completed: 1_000,
    errors,
    seconds: 1,
    p50Ms: 1,
    p99Ms: 2,
    ...(usPerRequest === undefined ? {} : { cpuUs: usPerRequest * 1_000 }),
  }
  return { paced, full: { ...paced, completed: 2_000, p50Ms: 8, p99Ms: 9 } }
}

const rounds = (costs: Readonly<Record<string, readonly (number | undefined)[]>>): Rounds =>
  new Map(Object.entries(costs).map(([name, values]) => [name, values.map((value) => window(value))]))

test('cpuRatios: each round is compared with its own round, so drift of the machine cancels out', () => {
  const drifting = rounds({ bare: [10, 20, 40], toolgate: [14, 28, 56] })
  assert.deepEqual(cpuRatios(drifting, ['toolgate', 'bare']), [1.4, 1.4, 1.4])
})

test('reportProxy: medians, ratio and interval; nothing to say about CPU where there is no process', () => {
  const measured = rounds({ direct: [undefined, undefined], bare: [10, 20], toolgate: [20, 30] })
  const toolgate = reportProxy(measured, 'toolgate')
  assert.deepEqual([toolgate.rps, toolgate.p50Ms, toolgate.p99Ms, toolgate.rounds], [2_000, 1, 2, 2])
  assert.deepEqual([toolgate.cpuUsPerRequest, toolgate.ratioToBare], [25, 1.75])
  assert.deepEqual(toolgate.ratioToBareCi, [1.5, 2])
  const direct = reportProxy(measured, 'direct')
  assert.deepEqual([direct.cpuUsPerRequest, direct.ratioToBare, direct.ratioToBareCi], [null, null, null])
})

test('problemsOf: bare may cost five times nginx and no more', () => {
  assert.deepEqual(problemsOf(rounds({ bare: [50, 50, 50], nginx: [10, 10, 10] }), false), [])
  assert.match(
    problemsOf(rounds({ bare: [51, 51, 51], nginx: [10, 10, 10] }), false)[0] ?? '',
    /5\.10 times nginx/,
  )
})

test('problemsOf: the budget of toolgate holds only with --check', () => {
  const dear = rounds({ bare: [10, 10, 10], toolgate: [16, 16, 16] })
  assert.deepEqual(problemsOf(dear, false), [])
  assert.match(problemsOf(dear, true)[0] ?? '', /1\.60 times bare/)
  assert.deepEqual(problemsOf(rounds({ bare: [10], toolgate: [15] }), true), [])
})

test('problemsOf: --check needs toolgate to be measured, and right', () => {
  assert.match(problemsOf(rounds({ bare: [10] }), true)[0] ?? '', /not measured/)
  const wrong: Rounds = new Map([
    ['bare', [window(10)]],
    ['toolgate', [window(10, 3)]],
  ])
  assert.match(problemsOf(wrong, true)[0] ?? '', /6 calls/)
})

test('jsonLine and table: one line per proxy', () => {
  const report = reportProxy(rounds({ bare: [30] }), 'bare')
  assert.deepEqual(JSON.parse(jsonLine(report)), {
    proxy: 'bare',
    rps: 2_000,
    p50Ms: 1,
    p99Ms: 2,
    cpuUsPerRequest: 30,
    ratioToBare: 1,
    ratioToBareCi: [1, 1],
    ratioToBareFull: 1,
    rounds: 1,
    errors: 0,
  })
  const lines = table([report]).split('\n')
  assert.equal(lines.length, 2)
  assert.equal(new Set(lines.map((line) => line.length)).size, 1)
})
