import assert from 'node:assert/strict'
import { test } from 'node:test'
import { estimateMedian, median, quantile } from './stats.ts'

const oneTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1)

test('median: the middle value, or the mean of the two middle ones, in any order', () => {
  assert.equal(median([9]), 9)
  assert.equal(median([10, 9, 100]), 10)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.throws(() => median([]), RangeError)
})

test('quantile: nearest rank of sorted values', () => {
  const hundred = Float64Array.from(oneTo(100))
  assert.equal(quantile(hundred, 0.5), 50)
  assert.equal(quantile(hundred, 0.99), 99)
  assert.equal(quantile(hundred, 0), 1)
  assert.equal(quantile(hundred, 1), 100)
  assert.equal(quantile(Float64Array.of(7), 0.99), 7)
  assert.throws(() => quantile(new Float64Array(), 0.5), RangeError)
  assert.throws(() => quantile(hundred, 1.1), RangeError)
})

test('estimateMedian: the ranks of the published tables for 95 %', () => {
  // Ranks r and n+1-r of the sign-test interval, as in any table of non-parametric statistics.
  const ranks: readonly (readonly [count: number, rank: number])[] = [
    [6, 1],
    [9, 2],
    [12, 3],
    [15, 4],
    [20, 6],
    [25, 8],
    [30, 10],
  ]
  for (const [count, rank] of ranks) {
    const estimate = estimateMedian(oneTo(count).toReversed())
    assert.deepEqual(estimate.interval, [rank, count + 1 - rank], `n = ${count}`)
    assert.equal(estimate.median, (count + 1) / 2)
  }
})

test('estimateMedian: too few values for 95 % give the whole range', () => {
  assert.deepEqual(estimateMedian([3, 1, 2]).interval, [1, 3])
  assert.deepEqual(estimateMedian([5]), { median: 5, interval: [5, 5] })
  assert.throws(() => estimateMedian([]), RangeError)
})

test('estimateMedian: one wild round moves neither the median nor the interval', () => {
  const calm = oneTo(15)
  const wild = [...calm.slice(0, 14), 10_000]
  assert.deepEqual(estimateMedian(wild), estimateMedian(calm))
})

test('estimateMedian: more confidence is a wider interval', () => {
  assert.deepEqual(estimateMedian(oneTo(15), 0.999).interval, [2, 14])
})
