import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { pauseFor, unlessAborted } from './abort.ts'

test('the work is awaited until the signal is aborted, whichever comes first', async () => {
  const reason = new Error('left')
  const caller = new AbortController()
  assert.equal(await unlessAborted(Promise.resolve(1), caller.signal), 1)
  await assert.rejects(unlessAborted(Promise.reject(new Error('failed')), caller.signal), /failed/)
  const never = unlessAborted(new Promise(() => undefined), caller.signal)
  caller.abort(reason)
  await assert.rejects(never, (error) => error === reason)
  await assert.rejects(unlessAborted(Promise.resolve(1), caller.signal), (error) => error === reason)
})

test('work that fails after its caller left is nobody’s unhandled rejection', async () => {
  const caller = new AbortController()
  const work = Promise.withResolvers<number>()
  const waiting = unlessAborted(work.promise, caller.signal)
  caller.abort(new Error('left'))
  await assert.rejects(waiting, /left/)
  work.reject(new Error('late'))
  await new Promise((resolve) => void setImmediate(resolve))
})

test('a pause ends at its time or with the signal, and leaves no timer', async () => {
  const clock = createFakeClock()
  const caller = new AbortController()
  let ended = 0
  const pause = (): void => void pauseFor(100, clock, caller.signal).then(() => ended++)
  pause()
  await clock.advance(99)
  assert.equal(ended, 0)
  await clock.advance(1)
  assert.equal(ended, 1)
  pause()
  caller.abort()
  await clock.advance(0)
  assert.deepEqual([ended, clock.pending], [2, 0])
})
