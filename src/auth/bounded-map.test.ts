import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBoundedMap } from './bounded-map.ts'

test('a full map forgets what has not been used for longest', () => {
  const map = createBoundedMap<number>(3)
  for (const [index, key] of ['a', 'b', 'c'].entries()) map.set(key, index)
  assert.equal(map.get('a'), 0)
  map.set('d', 3)
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => map.get(key)),
    [0, undefined, 2, 3],
  )
  map.delete('a')
  assert.equal(map.get('a'), undefined)
  map.set('c', 9)
  assert.equal(map.get('c'), 9)
})
