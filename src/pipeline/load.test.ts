import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemLoad } from './load.ts'

const pause = async (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

test('a loop that is held up shows in the delay, and memory is a part of what there is', async (t) => {
  const gauge = systemLoad()
  t.after(() => gauge.close())
  await pause(50)
  gauge.read()
  for (let stall = 0; stall < 3; stall++) {
    const until = performance.now() + 200
    while (performance.now() < until);
    await pause(1)
  }
  const { delayMs, memory } = gauge.read()
  assert.ok(delayMs > 50, `${delayMs} ms`)
  assert.ok(memory > 0 && memory < 1, String(memory))
})
