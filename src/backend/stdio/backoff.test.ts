import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBackoff } from './backoff.ts'

/** Waits after each of those lives in milliseconds. */
function waits(lives: readonly number[], random: number): number[] {
  const clock = { now: () => 5, wallTime: () => 0, after: () => () => undefined }
  const backoff = createBackoff(clock, () => random)
  assert.equal(backoff.wait(), 0)
  return lives.map((lived) => {
    backoff.ended(lived)
    return backoff.wait()
  })
}

test('doubles up to a bound, with jitter', () => {
  assert.deepEqual(waits([0, 0, 0, 0], 0), [125, 250, 500, 1_000])
  assert.deepEqual(waits([0, 0], 0.5), [187.5, 375])
  assert.equal(waits(Array<number>(50).fill(0), 0).at(-1), 15_000)
})

test('begins again after a healthy life, which needs no wait', () => {
  assert.deepEqual(waits([0, 59_999, 60_000, 0], 0), [125, 250, 0, 125])
})

test('passes with time', () => {
  let now = 0
  const backoff = createBackoff({ now: () => now, wallTime: () => 0, after: () => () => undefined }, () => 0)
  backoff.ended(0)
  now = 100
  assert.equal(backoff.wait(), 25)
  now = 200
  assert.equal(backoff.wait(), 0)
})
