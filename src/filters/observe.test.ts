import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { callOf, collect, notificationOf, request, result } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { LogFields } from '../pipeline/log.ts'
import type { CallRecord } from '../pipeline/record.ts'
import { type CallObserver, observe } from './observe.ts'
import { type Answerer, type Outcome, toRefusal } from './rescue.ts'

/** Has a character of two bytes. */
const LOUD = notificationOf('{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"é"}}')

function setUp(next: Answerer, { maxCalls = 2, observers = [] as readonly CallObserver[] } = {}) {
  const clock = createFakeClock()
  const meter = { inFlight: 0, total: 0, refused: 0 }
  const lines: (LogFields | undefined)[] = []
  const log = (_level: string, _message: string, fields?: LogFields): void => void lines.push(fields)
  const answer = observe(next, { meter, clock, log, maxCalls, observers })
  const ask = (method = 'tools/list'): Promise<Outcome> => answer(callOf(request(method)), collect())
  return { clock, meter, lines, ask }
}

describe('observe', () => {
  test('refuses what is above the limit, before anything is done for it, until a place is free', async () => {
    const gates: PromiseWithResolvers<Outcome>[] = []
    const { meter, ask } = setUp(() => {
      const gate = Promise.withResolvers<Outcome>()
      gates.push(gate)
      return gate.promise
    })
    const first = ask()
    const second = ask()
    const refused = await ask()
    assert.ok(refused.kind === 'refusal')
    assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '1'])
    assert.equal(gates.length, 2)
    assert.deepEqual(meter, { inFlight: 2, total: 3, refused: 1 })
    gates[0]?.resolve(result({}))
    await first
    assert.equal(meter.inFlight, 1)
    const third = ask()
    assert.equal(gates.length, 3)
    gates.forEach((gate) => gate.resolve(result({})))
    await Promise.all([second, third])
    assert.deepEqual(meter, { inFlight: 0, total: 4, refused: 1 })
  })

  test('counts and logs refusals; the method cannot flood the log', async () => {
    const refusal = toRefusal(new GatewayError('UNKNOWN_TOOL', 'no such tool'), () => undefined)
    const { meter, lines, ask } = setUp(() => Promise.resolve(refusal))
    assert.equal(await ask('m'.repeat(5000)), refusal)
    assert.deepEqual(meter, { inFlight: 0, total: 1, refused: 1 })
    assert.deepEqual(lines, [{ method: 'm'.repeat(64), status: 400, code: 'UNKNOWN_TOOL' }])
  })

  test('says nothing of a call that went well', async () => {
    const { lines, meter, ask } = setUp(() => Promise.resolve(result({})))
    await ask()
    assert.deepEqual(lines, [])
    assert.deepEqual(meter, { inFlight: 0, total: 1, refused: 0 })
  })

  test('tells whoever follows calls when one begins, and what is known of it once it has ended', async () => {
    const told: string[] = []
    const records: CallRecord[] = []
    const follower: CallObserver = {
      begun: (record) => void told.push(`begun at ${record.begun}`),
      ended(record, outcome) {
        told.push(`${outcome.kind} at ${record.ended}`)
        records.push(record)
      },
    }
    const { clock, ask } = setUp(
      async (call, out) => {
        assert.ok(call.record)
        call.record.queued += 3
        void out.send(LOUD)
        await clock.advance(12)
        return result({})
      },
      { observers: [follower, { ended: () => void told.push('second') }] },
    )
    await ask('tools/call')
    assert.deepEqual(told, ['begun at 0', 'result at 12', 'second'])
    const [record] = records
    assert.equal(record?.call.method, 'tools/call')
    assert.deepEqual(
      [record.queued, record.notifications, record.notificationBytes],
      [3, 1, Buffer.byteLength(LOUD.text)],
    )
  })

  test('keeps nothing where nobody follows', async () => {
    const { ask } = setUp((call) => {
      assert.equal(call.record, undefined)
      return Promise.resolve(result({}))
    })
    assert.equal((await ask()).kind, 'result')
  })
})
