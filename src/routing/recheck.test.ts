import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { createRecheck } from './recheck.ts'
import type { Source } from './source.ts'

test('an announced change is looked at once, and a flood of them once a second', async () => {
  const clock = createFakeClock()
  let asked = 0
  const source = {
    refresh() {
      asked++
      return Promise.resolve()
    },
  } as Source
  const recheck = createRecheck(clock)
  recheck(source)
  assert.equal(asked, 1)
  for (let time = 0; time < 100; time++) recheck(source)
  assert.equal(asked, 1)
  await clock.advance(999)
  assert.equal(asked, 1)
  await clock.advance(1)
  assert.equal(asked, 2, 'what was announced meanwhile is not lost')
  await clock.advance(5000)
  assert.equal(asked, 2)
  assert.equal(clock.pending, 0)
})
