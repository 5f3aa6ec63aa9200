import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createReplayMemory } from './replay.ts'

test('what was seen is seen again until its time is over', () => {
  const memory = createReplayMemory(10)
  assert.equal(memory.isFirst('a', 0, 100), true)
  assert.equal(memory.isFirst('a', 99, 199), false)
  assert.equal(memory.isFirst('b', 99, 199), true)
  assert.equal(memory.isFirst('a', 100, 200), true)
})

test('a full memory refuses what is new, and forgets only what is over', () => {
  const memory = createReplayMemory(2)
  memory.isFirst('a', 0, 100)
  memory.isFirst('b', 0, 200)
  assert.throws(() => memory.isFirst('c', 50, 150), /Too many/)
  assert.equal(memory.isFirst('a', 50, 150), false)
  assert.equal(memory.isFirst('c', 100, 300), true)
  assert.equal(memory.isFirst('b', 100, 300), false)
})
