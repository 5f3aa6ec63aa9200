import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { failedScenarios } from '../expectations.ts'
import { loadRequirements } from '../suite.ts'
import { type ClientCell, withoutOAuth } from './cells.ts'
import { ERRANDS, parseContext } from './errands.ts'
import { runClientCell } from './run-client-cell.ts'

const LEGACY_LEGACY: ClientCell = { name: 'client:legacy-legacy', client: 'legacy', server: 'legacy' }

const runBehind = (standIn: string) =>
  runClientCell(LEGACY_LEGACY, {
    gateway: fileURLToPath(new URL(`../stand-ins/${standIn}.ts`, import.meta.url)),
    output: undefined,
    signal: new AbortController().signal,
  })

test('there is an errand for every client scenario that does not concern OAuth', async () => {
  for (const revision of ['2026-07-28', '2025-11-25'] as const) {
    const { client } = await loadRequirements(revision)
    const without = [...client.required, ...client.notScored].filter(
      (scenario) => !Object.hasOwn(ERRANDS, scenario),
    )
    assert.deepEqual(withoutOAuth(without), [], revision)
  }
})

test('the revisions require seven and four client scenarios beside OAuth', async () => {
  const count = async (revision: '2026-07-28' | '2025-11-25') =>
    withoutOAuth((await loadRequirements(revision)).client.required).length
  assert.deepEqual([await count('2026-07-28'), await count('2025-11-25')], [7, 4])
})

test('our client passes everything of its own era behind a gateway that passes everything through', async () => {
  const { suite } = await runBehind('transparent')
  assert.deepEqual(failedScenarios(suite.required), [])
})

test('a gateway that crashes fails every scenario', async () => {
  const { suite } = await runBehind('crashing')
  assert.deepEqual(failedScenarios(suite.required), [...suite.required.keys()])
})

test('the context of the suite is optional, and what it must be', () => {
  assert.deepEqual(parseContext(undefined), { toolCalls: [] })
  assert.deepEqual(parseContext('{"name":"x","toolCalls":[{"name":"a","arguments":{}}]}').toolCalls, [
    { name: 'a', arguments: {} },
  ])
  assert.throws(() => parseContext('{"toolCalls":[1]}'))
})
