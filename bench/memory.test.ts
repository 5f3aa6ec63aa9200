import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runScenarios } from './memory.ts'

test('every scenario is held by a real gateway and measured', async () => {
  const reports = await runScenarios(3)
  assert.deepEqual(
    reports.map(({ scenario, count }) => [scenario, count]),
    [
      ['idle legacy session', 3],
      ['open subscription', 3],
      ['parked call', 3],
      ['parked call with a backend session of its own', 3],
    ],
  )
  for (const { heapBytes, rssBytes } of reports) assert.ok(Number.isInteger(heapBytes + rssBytes))
})
