import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import { permitted } from '../../test/support/permitted.ts'
import { collect, result, untilAborted } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Permitted, Reply } from '../pipeline/call.ts'
import type { Trace } from '../pipeline/trace.ts'
import { attemptTimeout } from './attempt-timeout.ts'

/** A backend that does what the test says, over a call whose trace the test keeps. */
function setUp(times: { firstByte?: number; idle?: number } = { firstByte: 100, idle: 50 }) {
  const clock = createFakeClock()
  const caller = new AbortController()
  const answer = Promise.withResolvers<Reply>()
  let trace: Trace | undefined
  let signal: AbortSignal | undefined
  const filter = attemptTimeout(() => ({ firstByte: times.firstByte, idle: times.idle }), clock)
  const handler = filter<Permitted>((call) => {
    trace = call.trace
    signal = call.signal
    return Promise.race([answer.promise, untilAborted(call.signal)])
  })
  const running = handler(permitted({ signal: caller.signal }), collect())
  running.catch(() => undefined)
  const seen = (): Trace => trace ?? assert.fail('not begun')
  return { clock, caller, answer, running, trace: seen, signal: () => signal }
}

describe('the times of one try', () => {
  test('begin with sending, not with waiting for a connection', async () => {
    const { clock, running, trace } = setUp()
    await clock.advance(10_000)
    trace().sent()
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
    const { clock, running, trace } = setUp()
    trace().sent()
    for (let sign = 0; sign < 10; sign++) {
      trace().alive()
      await clock.advance(49)
    }
    await clock.advance(1)
    await assert.rejects(running, { message: 'Backend a gave no sign of life for 50 ms' })
  })

  test('leave a call alone that is resumed: it was sent long ago', async () => {
    const { clock, running, trace, answer } = setUp()
    trace().isSent = true
    await clock.advance(10_000)
    answer.resolve(result({}))
    await running
  })

  test('are bounded only where that is configured', async () => {
    const { clock, running, trace, answer } = setUp({ idle: 50 })
    trace().sent()
    await clock.advance(10_000)
    trace().alive()
    answer.resolve(result({}))
    await running
    assert.equal(clock.pending, 0)
  })

  test('leave no timer and no listener behind, and pass the reason of the caller on', async () => {
    const first = setUp()
    first.trace().sent()
    first.answer.resolve(result({}))
    await first.running
    first.trace().alive()
    assert.equal(first.clock.pending, 0, 'the exchange may go on for a call that waits for its client')
    first.caller.abort(new Error('later'))
    assert.equal(first.signal()?.aborted, false)

    const second = setUp()
    second.trace().sent()
    const reason = new GatewayError('CANCELLED', 'gone')
    second.caller.abort(reason)
    await assert.rejects(second.running, (error) => error === reason)
    second.trace().alive()
    await settled()
    assert.equal(second.clock.pending, 0)
  })
})
