import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import { permitted } from '../../test/support/permitted.ts'
import { collect, result, someone } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Permitted, Reply } from '../pipeline/call.ts'
import { bulkhead, principalBulkhead } from './bulkhead.ts'
import { createSlots } from './slots.ts'

const CONFIG = { calls: 1, queue: 1, wait: 1000 }

function setUp() {
  const clock = createFakeClock()
  const seen: Permitted[] = []
  const answers: PromiseWithResolvers<Reply>[] = []
  const next = (call: Permitted): Promise<Reply> => {
    const answer = Promise.withResolvers<Reply>()
    seen.push(call)
    answers.push(answer)
    return answer.promise
  }
  const slots = createSlots(CONFIG, clock)
  const ofBackend = bulkhead('a', slots, clock)<Permitted>(next)
  const ofPrincipal = principalBulkhead(CONFIG, clock)<Permitted>(next)
  return { clock, seen, answers, slots, ofBackend, ofPrincipal }
}

describe('the bulkhead of a backend', () => {
  test('holds a slot until the call has ended, well or not', async () => {
    const { slots, answers, ofBackend } = setUp()
    const first = ofBackend(permitted(), collect())
    const second = ofBackend(permitted(), collect())
    await settled()
    assert.deepEqual([slots.taken, slots.waiting, answers.length], [1, 1, 1])
    answers[0]?.reject(new Error('failed'))
    await assert.rejects(first, /failed/)
    await settled()
    assert.deepEqual([slots.taken, slots.waiting, answers.length], [1, 0, 2])
    answers[1]?.resolve(result({}))
    await second
    assert.equal(slots.taken, 0)
  })

  test('refuses what has no room with 503 and says when to come again', async () => {
    const { clock, ofBackend } = setUp()
    void ofBackend(permitted(), collect())
    const late = ofBackend(permitted(), collect())
    const details = { backend: 'a', retryAfterMs: 1000, outcome: 'not-executed' }
    await assert.rejects(ofBackend(permitted(), collect()), {
      code: 'TOO_MANY',
      status: 503,
      message: 'Backend a has as many calls under way and waiting as it may',
      details,
    })
    const ended = assert.rejects(late, { code: 'TOO_MANY', message: /none ended in time/, details })
    await clock.advance(1000)
    await ended
  })

  test('does not keep whoever leaves or runs out of time, and knows that the backend was never asked', async () => {
    const { slots, ofBackend } = setUp()
    void ofBackend(permitted(), collect())
    const wait = async (reason: GatewayError): Promise<unknown> => {
      const caller = new AbortController()
      const left = ofBackend(permitted({ signal: caller.signal }), collect())
      caller.abort(reason)
      const error: unknown = await left.catch((thrown: unknown) => thrown)
      assert.equal(slots.waiting, 0)
      return error
    }
    const gone = new GatewayError('CANCELLED', 'gone')
    assert.equal(await wait(gone), gone)
    const late = await wait(new GatewayError('BACKEND_TIMEOUT', 'late', { outcome: 'unknown' }))
    assert.ok(late instanceof GatewayError)
    assert.deepEqual([late.code, late.details.outcome], ['TOO_MANY', 'not-executed'])
  })
})

describe('the bulkhead of principals', () => {
  test('keeps them apart, and counts the time of waiting', async () => {
    const { clock, seen, answers, ofPrincipal } = setUp()
    const [anna, ben] = [someone('anna'), someone('ben')]
    void ofPrincipal(permitted({ principal: anna }), collect())
    void ofPrincipal(permitted({ principal: anna, waited: 5 }), collect())
    void ofPrincipal(permitted({ principal: ben }), collect())
    await settled()
    assert.deepEqual(
      seen.map(({ principal }) => principal.id),
      ['anna', 'ben'],
    )
    await assert.rejects(ofPrincipal(permitted({ principal: anna }), collect()), {
      code: 'TOO_MANY',
      message: 'This client has as many calls under way and waiting as it may',
    })
    await clock.advance(300)
    answers[0]?.resolve(result({}))
    await settled()
    assert.equal(seen[2]?.waited, 305)
    assert.equal(seen[0]?.waited, undefined)
  })

  test('tells anonymous clients apart by their session, and bounds nobody of whom nothing is known', async () => {
    const { seen, ofPrincipal } = setUp()
    const downstream = {
      era: 'legacy',
      version: '2025-11-25',
      transport: 'http',
      address: undefined,
    } as const
    const inSession = (session: string | undefined): Permitted =>
      permitted({ downstream: { ...downstream, session } })
    for (const session of ['s1', 's1', 's2', undefined, undefined, undefined])
      void ofPrincipal(inSession(session), collect())
    await settled()
    assert.deepEqual(
      seen.map((call) => call.downstream.session),
      ['s1', 's2', undefined, undefined, undefined],
    )
  })
})
