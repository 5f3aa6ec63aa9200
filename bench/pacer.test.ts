import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { createPacer } from './pacer.ts'

test('calls leave at their time; who is late still counts from when it was due', () => {
  mock.timers.enable({ apis: ['setInterval'] })
  let now = 0
  const clock = mock.method(performance, 'now', () => now)
  const pacer = createPacer(1_000)
  const left: number[] = []
  const turn = (): void => pacer.turn((due) => void left.push(due))
  const advance = (ms: number): void => {
    now += ms
    mock.timers.tick(ms)
  }
  turn()
  turn()
  assert.deepEqual(left, [], 'nobody leaves before the first is due')
  advance(1)
  advance(1)
  assert.deepEqual(left, [0, 1])
  advance(3)
  turn()
  assert.deepEqual(left, [0, 1, 2], 'a connection that is free too late sends what was due long ago')
  pacer.stop()
  turn()
  assert.deepEqual(left.at(-1), now)
  clock.mock.restore()
  mock.timers.reset()
})
