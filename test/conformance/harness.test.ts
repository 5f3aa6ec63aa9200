import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GATEWAY_CELLS, type Cell } from './cells.ts'
import { NotReadyError, startServer } from './children.ts'
import { CLIENT_CELLS, withoutOAuth } from './client/cells.ts'
import { compare, failedScenarios, loadExpectedFailures } from './expectations.ts'
import { formatHuman, formatJson } from './report.ts'
import { runCell } from './run-cell.ts'
import { loadRequirements, type Outcome, type SuiteResult } from './suite.ts'

const LEGACY_LEGACY: Cell = { name: 'legacy-legacy', client: 'legacy', server: 'legacy' }

const standIn = (name: string): string => fileURLToPath(new URL(`stand-ins/${name}.ts`, import.meta.url))

const runBehind = (gateway: string) =>
  runCell(LEGACY_LEGACY, {
    gateway: standIn(gateway),
    output: undefined,
    signal: new AbortController().signal,
  })

const OUTCOMES: ReadonlyMap<string, Outcome> = new Map<string, Outcome>([
  ['passes', { kind: 'passed' }],
  ['fails', { kind: 'failed', problems: ['check: why'] }],
  ['hangs', { kind: 'unfinished' }],
])
const SUITE: SuiteResult = { required: OUTCOMES, notScoredFailing: [] }

test('a cell behind a gateway that passes everything through passes every required scenario', async () => {
  const { suite, trouble } = await runBehind('transparent')
  assert.equal(trouble, undefined)
  assert.equal(suite.required.size, 30)
  assert.deepEqual(failedScenarios(suite.required), [])
  assert.deepEqual(suite.notScoredFailing, [])
})

test('a gateway that crashes during the run is reported with its last output', async () => {
  const result = await runBehind('crashing')
  assert.match(result.trouble ?? '', /^gateway ended with exit code 3; .*the stand-in meets its end/su)
  assert.equal(failedScenarios(result.suite.required).length, 30)
  const judged = {
    ...result,
    expected: {},
    unexpected: failedScenarios(result.suite.required),
    stale: [],
    unscored: [],
    ok: false,
  }
  assert.match(formatHuman([judged], 0), /the stand-in meets its end/u)
})

test('a gateway that never starts is reported with its last output', async () => {
  const result = await runBehind('no-such-program')
  assert.match(result.trouble ?? '', /^gateway ended with exit code 1; .*no-such-program/su)
  assert.equal(failedScenarios(result.suite.required).length, 30)
})

test('a server that is too late is ended and reported', async () => {
  const silent = startServer({
    name: 'silent',
    args: ['-e', 'console.error("thinking"); setInterval(() => {}, 1000)'],
    parseReady: () => undefined,
    timeLimitMs: 500,
    signal: new AbortController().signal,
  })
  await assert.rejects(silent, (error) => {
    assert.ok(error instanceof NotReadyError)
    assert.match(error.message, /^silent was not ready after 500 ms:/u)
    return true
  })
})

test('a failure is unexpected unless it is listed', () => {
  assert.deepEqual(compare(SUITE, { fails: 'known' }), { unexpected: ['hangs'], stale: [], unscored: [] })
})

test('a listed scenario that passes, or that is not required, is stale', () => {
  const expected = { fails: 'known', hangs: 'known', passes: 'was known', misspelt: 'known' }
  assert.deepEqual(compare(SUITE, expected), { unexpected: [], stale: ['passes', 'misspelt'], unscored: [] })
})

test('the header scenarios must pass although they are not scored', () => {
  const suite = { required: new Map(), notScoredFailing: ['server-sse-polling', 'http-header-validation'] }
  assert.deepEqual(compare(suite, {}).unscored, ['http-header-validation'])
})

test('the JSON line of a cell counts and names what did not pass', () => {
  const verdict = { expected: {}, unexpected: [], stale: [], unscored: [], ok: true }
  const line = formatJson({
    cell: LEGACY_LEGACY,
    suite: SUITE,
    trouble: undefined,
    durationMs: 1,
    ...verdict,
  })
  assert.equal(line, '{"cell":"legacy-legacy","passed":1,"required":3,"failed":["fails","hangs"]}')
})

test('the list of expected failures names only cells and required scenarios', async () => {
  const expected = await loadExpectedFailures(new URL('expected-failures.yml', import.meta.url))
  const modern = await loadRequirements('2026-07-28')
  const legacy = await loadRequirements('2025-11-25')
  assert.equal(modern.server.required.length, 37)
  assert.equal(legacy.server.required.length, 30)
  const unknown = (cell: string, required: readonly string[]): readonly string[] =>
    Object.keys(expected[cell] ?? {}).filter((scenario) => !required.includes(scenario))
  for (const { name, client } of GATEWAY_CELLS)
    assert.deepEqual(unknown(name, (client === 'modern' ? modern : legacy).server.required), [], name)
  for (const { name, server } of CLIENT_CELLS) {
    const { required } = (server === 'modern' ? modern : legacy).client
    assert.deepEqual(unknown(name, withoutOAuth(required)), [], name)
  }
})
