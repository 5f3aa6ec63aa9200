import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Signal } from '../pipeline/signal.ts'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import { permitted } from '../../test/support/permitted.ts'
import { collect, result, untilAborted } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Permitted, Reply } from '../pipeline/call.ts'
import type { Attempt } from '../pipeline/attempt.ts'
import { attemptTimeout } from './attempt-timeout.ts'

/** A backend that does what the test says, over a call whose attempt the test keeps. */
function setUp(times: { firstByte?: number; idle?: number } = { firstByte: 100, idle: 50 }) {
  const clock = createFakeClock()
  const caller = new AbortController()
  const answer = Promise.withResolvers<Reply>()
  let attempt: Attempt | undefined
  let signal: Signal | undefined
  const filter = attemptTimeout(() => ({ firstByte: times.firstByte, idle: times.idle }), clock)
  const handler = filter<Permitted>((call) => {
    attempt = call.attempt
    signal = call.signal
    return Promise.race([answer.promise, untilAborted(call.signal)])
  })
  const running = handler(permitted({ signal: caller.signal }), collect())
  running.catch(() => undefined)
  const seen = (): Attempt => attempt ?? assert.fail('not begun')
  return { clock, caller, answer, running, attempt: seen, signal: () => signal }
}

describe('the times of one try', () => {
  test('begin with sending, not with waiting for a connection', async () => {
    const { clock, running, attempt } = setUp()
    await clock.advance(10_000)
    attempt().sent()
    await clock.advance(99)
    assert.equal(clock.pending, 1)
    await clock.advance(1)
    await assert.rejects(running, {
      code: 'BACKEND_TIMEOUT',
      message: 'Backend a did not begin to answer within 100 ms',
      details: { backend: 'a', outcome: 'unknown' },
    })
    assert.equal(clock.pending, 0)
  })

  test('start anew with every sign of life', async () => {
    const { clock, running, attempt } = setUp()
    attempt().sent()
    for (let sign = 0; sign < 10; sign++) {
      attempt().alive()
      await clock.advance(49)
    }
    await clock.advance(1)
    await assert.rejects(running, { message: 'Backend a gave no sign of life for 50 ms' })
  })

  test('leave a call alone that is resumed: it was sent long ago', async () => {
    const { clock, running, attempt, answer } = setUp()
    attempt().isSent = true
    await clock.advance(10_000)
    answer.resolve(result({}))
    await running
  })

  test('are bounded only where that is configured', async () => {
    const { clock, running, attempt, answer } = setUp({ idle: 50 })
    attempt().sent()
    await clock.advance(10_000)
    attempt().alive()
    answer.resolve(result({}))
    await running
    assert.equal(clock.pending, 0)
  })

  test('leave no timer and no listener behind, and pass the reason of the caller on', async () => {
    const first = setUp()
    first.attempt().sent()
    first.answer.resolve(result({}))
    await first.running
    first.attempt().alive()
    assert.equal(first.clock.pending, 0, 'the exchange may go on for a call that waits for its client')
    first.caller.abort(new Error('later'))
    assert.equal(first.signal()?.aborted, false)

    const second = setUp()
    second.attempt().sent()
    const reason = new GatewayError('CANCELLED', 'gone')
    second.caller.abort(reason)
    await assert.rejects(second.running, (error) => error === reason)
    second.attempt().alive()
    await settled()
    assert.equal(second.clock.pending, 0)
  })
})
