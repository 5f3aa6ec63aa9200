import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Signal } from '../pipeline/signal.ts'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { callOf, collect, request, result, untilAborted } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Permitted, Reply } from '../pipeline/call.ts'
import { mintPermit } from '../pipeline/permit.ts'
import type { Target } from '../pipeline/target.ts'
import { timeout } from './timeout.ts'

const ONE: Target = { kind: 'one', backend: 'slow', name: 'x', paramHeaders: [] }
const MANY: Target = { kind: 'many', operation: { kind: 'discover' }, backends: ['slow'] }

function permitted(target: Target, signal: Signal): Permitted {
  return { ...callOf(request('tools/call', { name: 'x' }), { signal }), target, permit: mintPermit(target) }
}

function setUp(handler: (call: Permitted) => Promise<Reply>) {
  const clock = createFakeClock()
  const caller = new AbortController()
  let seen: Signal | undefined
  const bounded = timeout(
    ({ backend }) => (backend === 'slow' ? 1000 : 1),
    clock,
  )<Permitted>((call) => {
    seen = call.signal
    return handler(call)
  })
  const run = (target: Target): Promise<Reply> => bounded(permitted(target, caller.signal), collect())
  return { clock, caller, run, signal: () => seen }
}

const hang = (call: Permitted): Promise<never> => untilAborted(call.signal)

describe('the timeout', () => {
  test('ends an exchange with the reason, at its time and not before', async () => {
    const { clock, run } = setUp(hang)
    const ended = assert.rejects(run(ONE), {
      code: 'BACKEND_TIMEOUT',
      message: 'Backend slow did not answer within 1000 ms',
      details: { backend: 'slow', outcome: 'unknown' },
    })
    await clock.advance(999)
    assert.equal(clock.pending, 1)
    await clock.advance(1)
    await ended
    assert.equal(clock.pending, 0)
  })

  test('leaves no timer and no listener behind', async () => {
    for (const handler of [() => Promise.resolve(result({})), () => Promise.reject(new Error('failed'))]) {
      const { clock, caller, run, signal } = setUp(handler)
      await run(ONE).catch(() => undefined)
      assert.equal(clock.pending, 0)
      caller.abort(new Error('later'))
      assert.equal(signal()?.aborted, false, 'the caller no longer reaches an exchange that has ended')
    }
  })

  test('passes the caller’s own reason on; whoever is first wins', async () => {
    const { clock, caller, run } = setUp(hang)
    const reason = new GatewayError('CANCELLED', 'gone')
    const running = run(ONE)
    await clock.advance(500)
    caller.abort(reason)
    await assert.rejects(running, (error) => error === reason)
    await clock.advance(1000)

    const late = setUp(async (call) => {
      await untilAborted(call.signal).catch(() => undefined)
      late.caller.abort(reason)
      throw call.signal.reason
    })
    const timedOut = assert.rejects(late.run(ONE), { code: 'BACKEND_TIMEOUT' })
    await late.clock.advance(1000)
    await timedOut
  })

  test('does not begin what the caller has already given up', async () => {
    const { caller, run } = setUp(hang)
    caller.abort(new GatewayError('CANCELLED', 'gone'))
    await assert.rejects(run(ONE), { code: 'CANCELLED' })
  })

  test('leaves merged answers to their own deadline', async () => {
    const { clock, caller, run, signal } = setUp(() => Promise.resolve(result({})))
    await run(MANY)
    assert.equal(signal(), caller.signal)
    assert.equal(clock.pending, 0)
  })
})
