import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { callOf, collect, request, result } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { LogFields } from '../pipeline/log.ts'
import { observe } from './observe.ts'
import { type Answerer, type Outcome, toRefusal } from './rescue.ts'

function setUp(next: Answerer, maxCalls = 2) {
  const clock = createFakeClock()
  const meter = { inFlight: 0, total: 0, refused: 0 }
  const lines: (LogFields | undefined)[] = []
  const log = (_level: string, _message: string, fields?: LogFields): void => void lines.push(fields)
  const answer = observe(next, { meter, clock, log, maxCalls })
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

  test('counts and logs refusals with how long they took; the method cannot flood the log', async () => {
    const refusal = toRefusal(new GatewayError('UNKNOWN_TOOL', 'no such tool'), () => undefined)
    const { clock, meter, lines, ask } = setUp(async () => {
      await clock.advance(12)
      return refusal
    })
    assert.equal(await ask('m'.repeat(5000)), refusal)
    assert.deepEqual(meter, { inFlight: 0, total: 1, refused: 1 })
    assert.deepEqual(lines, [{ method: 'm'.repeat(64), status: 400, reason: 'no such tool', ms: 12 }])
  })

  test('says nothing of a call that went well', async () => {
    const { lines, meter, ask } = setUp(() => Promise.resolve(result({})))
    await ask()
    assert.deepEqual(lines, [])
    assert.deepEqual(meter, { inFlight: 0, total: 1, refused: 0 })
  })
})
