import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Signal } from '../pipeline/signal.ts'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import { permitted } from '../../test/support/permitted.ts'
import { collect, notificationOf, result, valueOfReply } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Notifications, Permitted, Reply } from '../pipeline/call.ts'
import { hedge } from './hedge.ts'

interface Begun {
  readonly signal: Signal
  readonly out: Notifications
  readonly answer: PromiseWithResolvers<Reply>
}

function setUp({ mayBe = true, withdraw = true, after = 500 } = {}) {
  const clock = createFakeClock()
  const begun: Begun[] = []
  const caller = new AbortController()
  const out = collect()
  const handler = hedge(({ name }) => (name === 'x' ? { after } : undefined), {
    budget: { deposit: () => undefined, withdraw: () => withdraw },
    repeatable: { mayBe: () => mayBe, is: () => true },
    clock,
  })<Permitted>((call, own) => {
    const answer = Promise.withResolvers<Reply>()
    begun.push({ signal: call.signal, out: own, answer })
    call.signal.addEventListener('abort', () => answer.reject(call.signal.reason))
    return answer.promise
  })
  const running = handler(permitted({ signal: caller.signal }), out)
  running.catch(() => undefined)
  const at = (index: number): Begun => begun[index] ?? assert.fail(`no try ${index}`)
  return { clock, begun, caller, out, running, at }
}

const failed = (outcome: 'unknown' | 'not-executed'): GatewayError =>
  new GatewayError('BACKEND_UNAVAILABLE', outcome, { outcome })
const progress = (step: number) =>
  notificationOf(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":${step}}}`)

describe('a hedged call', () => {
  test('is sent once more when its answer takes long; the first answer wins, the other try is cancelled', async () => {
    const { clock, begun, running, at } = setUp()
    await clock.advance(499)
    assert.equal(begun.length, 1)
    await clock.advance(1)
    assert.equal(begun.length, 2)
    at(1).answer.resolve(result({ from: 2 }))
    assert.equal(valueOfReply(await running)['from'], 2)
    assert.ok(at(0).signal.aborted)
    assert.equal((at(0).signal.reason as GatewayError).code, 'CANCELLED')
    assert.equal(clock.pending, 0)
  })

  test('is sent once where the answer comes in time, where it may not run twice, and where the budget is spent', async () => {
    const quick = setUp()
    quick.at(0).answer.resolve(result({}))
    await quick.running
    for (const { clock, begun } of [quick, setUp({ mayBe: false }), setUp({ withdraw: false })]) {
      await clock.advance(1000)
      assert.equal(begun.length, 1)
    }
  })

  test('fails when both tries have, of what may have been carried out', async () => {
    const { clock, running, at } = setUp()
    await clock.advance(500)
    at(0).answer.reject(failed('unknown'))
    await settled()
    at(1).answer.reject(failed('not-executed'))
    await assert.rejects(running, /unknown/)
    const first = setUp()
    first.at(0).answer.reject(failed('not-executed'))
    await assert.rejects(first.running, /not-executed/, 'whoever retries begins anew')
    await first.clock.advance(1000)
    assert.equal(first.begun.length, 1)
  })

  test('survives the failure of one try', async () => {
    const { clock, running, at } = setUp()
    await clock.advance(500)
    at(1).answer.reject(failed('unknown'))
    await settled()
    at(0).answer.resolve(result({ from: 1 }))
    assert.equal(valueOfReply(await running)['from'], 1)
  })

  test('lets its client hear of one try only, and begins no second after that', async () => {
    const { clock, out, at } = setUp()
    await clock.advance(500)
    void at(1).out.send(progress(1))
    void at(0).out.send(progress(2))
    void at(1).out.send(progress(3))
    assert.deepEqual(
      out.texts.map((text) => /"progress":(\d)/.exec(text)?.[1]),
      ['1', '3'],
    )
    const heard = setUp()
    void heard.at(0).out.send(progress(1))
    await heard.clock.advance(1000)
    assert.equal(heard.begun.length, 1)
  })

  test('ends with its caller, both tries', async () => {
    const { clock, caller, running, at } = setUp()
    await clock.advance(500)
    const reason = new GatewayError('CANCELLED', 'gone')
    caller.abort(reason)
    await assert.rejects(running, (error) => error === reason)
    assert.deepEqual([at(0).signal.reason, at(1).signal.reason], [reason, reason])
  })
})
