import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { errorOf, permitted } from '../../test/support/permitted.ts'
import { collect, notificationOf, result } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Notifications, Permitted, Reply } from '../pipeline/call.ts'
import { createRetryBudget } from './retry-budget.ts'
import { retry } from './retry.ts'

const CONFIG = { tries: 3, backoff: 100, maxBackoff: 150, budget: 0.2, minimum: 10 }

const unreachable = errorOf({ kind: 'unreachable', reason: 'refused' })
const broken = errorOf({ kind: 'broken', reason: 'lost' })
const overloaded = errorOf({ kind: 'status', status: 429, body: '' })
const open = new GatewayError('CIRCUIT_OPEN', 'open', { outcome: 'not-executed' })

type Act = (out: Notifications) => Promise<Reply>
const ok: Act = () => Promise.resolve(result({}))
const fails = (error: GatewayError): Act =>
  async function fail() {
    throw error
  }

/** @param script what becomes of each try; the last one repeats */
function setUp(script: readonly Act[], { mayRepeat = false, is = true, minimum = 10, tries = 3 } = {}) {
  const clock = createFakeClock()
  const config = { ...CONFIG, minimum, tries }
  const begun: number[] = []
  const handler = retry(config, {
    budget: createRetryBudget(config, clock),
    repeatable: { mayBe: () => mayRepeat, is: () => is },
    clock,
    random: () => 0.5,
  })<Permitted>((_call, out) => {
    const act = script[Math.min(begun.length, script.length - 1)]
    begun.push(clock.now())
    return act === undefined ? assert.fail() : act(out)
  })
  const run = async (over: Partial<Permitted> = {}): Promise<'ok' | GatewayError> => {
    const settled = handler(permitted(over), collect()).then(
      () => 'ok' as const,
      (error: unknown) => (error instanceof GatewayError ? error : assert.fail(String(error))),
    )
    await clock.advance(1000)
    return settled
  }
  return { clock, begun, run }
}

describe('a call is tried again', () => {
  test('where nothing of it was sent, after pauses that grow to a bound', async () => {
    const { begun, run } = setUp([fails(unreachable), fails(unreachable), ok])
    assert.equal(await run(), 'ok')
    assert.deepEqual(begun, [0, 50, 125])
  })

  test('not more often than configured, and then the last failure is told', async () => {
    const { begun, run } = setUp([fails(unreachable)], { tries: 2 })
    assert.equal(await run(), unreachable)
    assert.equal(begun.length, 2)
  })

  test('where it was sent, only if it may run twice', async () => {
    const never = setUp([fails(broken), ok])
    assert.equal(await never.run(), broken)
    const twice = setUp([fails(broken), ok], { mayRepeat: true })
    assert.equal(await twice.run(), 'ok')
    const resumed = setUp([fails(broken), ok], { mayRepeat: true, is: false })
    assert.equal(await resumed.run(), broken)
    assert.deepEqual([never.begun.length, twice.begun.length, resumed.begun.length], [1, 2, 1])
  })

  test('not once its client has heard of it', async () => {
    const progress = notificationOf('{"jsonrpc":"2.0","method":"notifications/progress","params":{}}')
    const talks: Act = (out) => {
      void out.send(progress)
      return Promise.reject(broken)
    }
    const { begun, run } = setUp([talks, ok], { mayRepeat: true })
    assert.equal(await run(), broken)
    assert.equal(begun.length, 1)
  })

  test('not where the backend refuses, nor where the gateway itself or the caller ends it', async () => {
    const gone = new GatewayError('CANCELLED', 'gone')
    for (const error of [overloaded, open, gone, new GatewayError('TOO_MANY', 'full')]) {
      const { begun, run } = setUp([fails(error), ok], { mayRepeat: true })
      assert.equal(await run(), error)
      assert.equal(begun.length, 1)
    }
  })

  test('and tells what it failed of, not that there was no room for one more try', async () => {
    const { begun, run } = setUp([fails(unreachable), fails(open)])
    assert.equal(await run(), unreachable)
    assert.equal(begun.length, 2)
  })

  test('but nobody is told that nothing happened when an earlier try may have been carried out', async () => {
    const { run } = setUp([fails(broken), fails(unreachable)], { mayRepeat: true })
    const error = await run()
    assert.ok(error instanceof GatewayError)
    const { outcome, retryable } = error.toRpcError().data
    assert.deepEqual([outcome, retryable], ['unknown', false])
  })

  test('only as long as its time allows the pause', async () => {
    const { begun, run } = setUp([fails(unreachable)])
    assert.equal(await run({ deadline: 100 }), unreachable)
    assert.deepEqual(begun, [0, 50], 'the second pause would end after it')
  })

  test('only as long as somebody waits for it', async () => {
    const caller = new AbortController()
    const { clock, begun, run } = setUp([fails(unreachable)])
    const running = run({ signal: caller.signal })
    caller.abort(new GatewayError('CANCELLED', 'gone'))
    assert.equal(await running, unreachable)
    assert.deepEqual([begun.length, clock.pending], [1, 0])
  })

  test('only as often as the budget allows', async () => {
    const { begun, run } = setUp([fails(unreachable)], { minimum: 1, tries: 10 })
    await run()
    assert.equal(begun.length, 2, 'the minimum')
    for (let call = 0; call < 5; call++) await run()
    assert.ok(
      begun.length <= 2 + 5 + 1 + 1,
      `${begun.length} tries: a fifth of the calls, and what time grants`,
    )
  })
})

test('no sequence of calls is tried again more often than the budget says', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.constant('call' as const) },
    { weight: 5, arbitrary: fc.constant('retry' as const) },
    { weight: 1, arbitrary: fc.nat(20_000) },
  )
  const config = fc.record({ budget: fc.constantFrom(0, 0.1, 0.2, 1), minimum: fc.nat(5) })
  await fc.assert(
    fc.asyncProperty(config, fc.array(step, { maxLength: 200 }), async (settings, steps) => {
      const clock = createFakeClock()
      const budget = createRetryBudget(settings, clock)
      let calls = 0
      let retries = 0
      for (const one of steps) {
        if (one === 'call') {
          calls++
          budget.deposit()
        } else if (one === 'retry') retries += budget.withdraw() ? 1 : 0
        else await clock.advance(one)
        const granted = settings.minimum * (1 + clock.now() / 10_000)
        assert.ok(retries <= calls * settings.budget + granted + 1e-6)
      }
    }),
  )
})

test('no sequence of failures makes a call run twice that must not', async () => {
  /** What becomes of one try: whether it was carried out, and what the gateway learns. */
  const fate = fc.constantFrom('refused', 'lost-before', 'lost-after', 'silent', 'garbage', 'answered')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fate, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      async (fates, mayRepeat) => {
        let executions = 0
        const act =
          (what: string): Act =>
          () => {
            if (what !== 'refused' && what !== 'lost-before') executions++
            if (what === 'answered') return Promise.resolve(result({}))
            if (what === 'refused') return Promise.reject(unreachable)
            if (what === 'silent')
              return Promise.reject(new GatewayError('BACKEND_TIMEOUT', 'late', { outcome: 'unknown' }))
            const kind = what === 'garbage' ? 'protocol' : 'broken'
            return Promise.reject(errorOf({ kind, reason: what }))
          }
        const { run, begun } = setUp(fates.map(act), { mayRepeat, tries: 5 })
        const outcome = await run()
        assert.ok(begun.length <= 5)
        if (!mayRepeat) assert.ok(executions <= 1, `${executions} executions`)
        if (outcome !== 'ok' && outcome.details.outcome === 'not-executed')
          assert.equal(executions, 0, 'said not to have been carried out')
      },
    ),
    { numRuns: 300 },
  )
})
