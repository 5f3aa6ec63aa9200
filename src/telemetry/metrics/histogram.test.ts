import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DURATION_BOUNDS } from '../conventions.ts'
import { Distribution, Histogram } from './histogram.ts'

const recorded = (...ms: readonly number[]): Histogram => {
  const histogram = new Histogram()
  for (const one of ms) histogram.record(one)
  return histogram
}

test('a duration counts in the bucket whose bound is the first that is not below it', () => {
  const { buckets, sum, count } = recorded(0, 10, 10.001, 20, 299_999, 300_000, 300_001, -1, NaN).read()
  assert.deepEqual([...buckets], [4, 2, ...Array.from({ length: 11 }, () => 0), 2, 1])
  assert.equal(buckets.length, DURATION_BOUNDS.length + 1)
  assert.equal(count, 9)
  assert.ok(Math.abs(sum - 900.040_001) < 1e-6)
})

test('property: every duration counts once, and sums and percentiles lie where they can', () => {
  const durations = fc.array(fc.double({ min: 0, max: 300_000, noNaN: true }), {
    minLength: 1,
    maxLength: 50,
  })
  fc.assert(
    fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (ms, part) => {
      const histogram = recorded(...ms)
      const all = histogram.read()
      assert.equal(histogram.count, ms.length)
      assert.equal(
        all.buckets.reduce((sum, count) => sum + count, 0),
        ms.length,
      )
      const mean = all.mean ?? NaN
      assert.ok(mean >= Math.min(...ms) - 1e-6 && mean <= Math.max(...ms) + 1e-6)
      const [low, high] = [all.quantile(part) ?? NaN, all.quantile(1) ?? NaN]
      assert.ok(low >= 0 && low <= high)
      // No further away than the bound above the largest.
      const bound = DURATION_BOUNDS.find((one) => one * 1000 >= Math.max(...ms)) ?? 300
      assert.ok(high <= bound * 1000)
    }),
  )
})

test('percentiles tell fast calls apart although what is exported does not', () => {
  const all = recorded(
    ...Array.from({ length: 90 }, () => 0.7),
    ...Array.from({ length: 10 }, () => 4),
  ).read()
  assert.equal(all.buckets[0], 100)
  assert.ok((all.quantile(0.5) ?? 0) < 1)
  assert.ok((all.quantile(0.99) ?? 0) > 2)
  assert.equal(new Distribution().quantile(0.5), undefined)
  assert.equal(new Distribution().mean, undefined)
})

test('what came since an earlier moment is told apart', () => {
  const histogram = recorded(5, 5)
  const before = histogram.read()
  histogram.record(1000)
  const since = histogram.read().since(before)
  assert.equal(since.count, 1)
  assert.equal(since.mean, 1000)
  assert.equal(before.count, 2)
})
