import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { someone } from '../../test/support/scripted.ts'
import { ANONYMOUS } from '../pipeline/call.ts'
import { createHolds } from './holds.ts'

describe('what lasts', () => {
  test('ends within a second of the credentials, once, with the reason', async () => {
    const clock = createFakeClock()
    const holds = createHolds(clock)
    const ended: string[] = []
    holds.enter(someone('a', { expiresAt: clock.wallTime() + 5000 }), ({ code, message }) =>
      ended.push(`${code} ${message}`),
    )
    holds.enter(someone('b', { expiresAt: clock.wallTime() + 50_000 }), () => ended.push('b'))
    await clock.advance(4900)
    assert.deepEqual(ended, [])
    await clock.advance(1100)
    assert.deepEqual(ended, ['UNAUTHENTICATED The access token is expired'])
    await clock.advance(40_000)
    assert.equal(ended.length, 1)
  })

  test('and is over by itself is forgotten, and leaves no timer', async () => {
    const clock = createFakeClock()
    const holds = createHolds(clock)
    const leave = holds.enter(someone('a', { expiresAt: clock.wallTime() + 5000 }), () =>
      assert.fail('it was over'),
    )
    leave()
    leave()
    await clock.advance(10_000)
    assert.equal(clock.pending, 0)
  })

  test('ends when its credentials are revoked, and nobody else’s does', () => {
    const holds = createHolds(createFakeClock())
    const ended: string[] = []
    for (const id of ['a', 'b']) holds.enter(someone(id), ({ message }) => ended.push(`${id} ${message}`))
    holds.enter(ANONYMOUS, () => ended.push('nobody'))
    holds.end(({ id }) => id === 'b')
    holds.end(({ id }) => id === 'b')
    assert.deepEqual(ended, ['b The credentials were revoked'])
    holds.close()
  })

  test('is told from what the same person began with other credentials', async () => {
    const clock = createFakeClock()
    const holds = createHolds(clock)
    const ended: string[] = []
    holds.enter(someone('a', { expiresAt: clock.wallTime() + 1000 }), () => ended.push('old'))
    holds.enter(someone('a', { expiresAt: clock.wallTime() + 90_000 }), () => ended.push('new'))
    await clock.advance(5000)
    assert.deepEqual(ended, ['old'])
    holds.close()
    assert.equal(clock.pending, 0)
  })
})
