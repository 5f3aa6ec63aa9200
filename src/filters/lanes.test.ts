import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import { errorOf, permitted } from '../../test/support/permitted.ts'
import { collect, result, someone } from '../../test/support/scripted.ts'
import type { ChannelFailure } from '../backend/channel.ts'
import { DEFAULT_RESILIENCE } from '../config/resilience-schema.ts'
import type { ResilienceConfig } from '../config/resilience.ts'
import type { BackendConfig } from '../config/types.ts'
import { GatewayError } from '../errors.ts'
import type { Permitted, Reply } from '../pipeline/call.ts'
import { silentLog } from '../pipeline/log.ts'
import { createLaneStates, lanes } from './lanes.ts'

type Next = (call: Permitted) => Promise<Reply>

const OFF = { retry: undefined, circuitBreaker: undefined, bulkhead: undefined }

function setUp(over: Partial<ResilienceConfig>, next: Next, timeout = 1000) {
  const clock = createFakeClock()
  const config: BackendConfig = {
    name: 'a',
    transport: 'http',
    url: 'http://127.0.0.1:1',
    era: 'modern',
    headers: {},
    connections: 1,
    timeout,
    isolation: 'shared',
    interactive: 'concurrent',
    maxSessions: 1,
    resilience: { ...DEFAULT_RESILIENCE, ...over },
  }
  const states = createLaneStates([config], { clock, log: silentLog })
  const state = states.get('a') ?? assert.fail('nothing is remembered')
  const handler = lanes({
    backends: [config],
    states,
    catalog: { peek: () => undefined },
    clock,
    random: () => 0.5,
  })<Permitted>(next)
  const call = (over: Partial<Permitted> = {}, tool = 'x'): Promise<Reply> =>
    handler(permitted(over, tool), collect())
  return { clock, state, call }
}

const fails = (failure: ChannelFailure): Promise<never> => Promise.reject(errorOf(failure))

describe('the lane of a backend', () => {
  test('is the time of the call alone where everything else is off', async () => {
    let seen: Permitted | undefined
    const { clock, call } = setUp(OFF, (got) => {
      seen = got
      return Promise.resolve(result({}))
    })
    await call({ waited: 200 })
    assert.equal(seen?.deadline, 800, 'what it waited before counts')
    assert.equal(seen?.attempt, undefined)
    assert.equal(clock.pending, 0)
  })

  test('gives a tool its own time', async () => {
    const policy = {
      pattern: 'slow_*',
      idempotent: undefined,
      firstByte: undefined,
      idle: undefined,
      hedge: undefined,
    }
    const next: Next = ({ deadline }) => Promise.resolve(result({ deadline }))
    const { call } = setUp({ ...OFF, tools: [{ ...policy, total: 5000 }] }, next)
    assert.match((await call({}, 'slow_one')).text, /"deadline":5000/)
    assert.match((await call()).text, /"deadline":1000/)
  })

  test('counts every try, and refuses at once when the circuit is open', async () => {
    let tries = 0
    const next: Next = () => (tries++, fails({ kind: 'unreachable', reason: 'refused' }))
    const breaker = { ...(DEFAULT_RESILIENCE.circuitBreaker ?? assert.fail()), consecutiveFailures: 2 }
    const { clock, state, call } = setUp({ circuitBreaker: breaker }, next)
    const first = assert.rejects(call(), { code: 'BACKEND_UNAVAILABLE' })
    await clock.advance(500)
    await first
    assert.equal(tries, 2, 'the third try met an open circuit')
    assert.equal(state.circuits.state, 'open')
    await assert.rejects(call(), {
      code: 'CIRCUIT_OPEN',
      details: { backend: 'a', outcome: 'not-executed', retryAfterMs: 4525 },
    })
    assert.equal(tries, 2)
  })

  test('lets nothing pass while it is isolated, with a breaker or without', async () => {
    for (const over of [{}, OFF]) {
      const { state, call } = setUp(over, () => Promise.resolve(result({})))
      state.circuits.isolate()
      assert.equal(state.circuits.state, 'isolated')
      await assert.rejects(call(), { code: 'CIRCUIT_OPEN', message: 'Backend a is isolated by the operator' })
      state.circuits.restore()
      assert.equal(state.circuits.state, 'closed')
      await call()
    }
  })

  test('has a circuit for each tool where that is configured', async () => {
    const breaker = { ...(DEFAULT_RESILIENCE.circuitBreaker ?? assert.fail()), consecutiveFailures: 1 }
    const { state, call } = setUp({ ...OFF, circuitBreaker: { ...breaker, per: 'tool' } }, ({ message }) =>
      message.text.includes('"bad"')
        ? fails({ kind: 'broken', reason: 'lost' })
        : Promise.resolve(result({})),
    )
    await assert.rejects(call({}, 'bad'), { code: 'BACKEND_UNAVAILABLE' })
    await assert.rejects(call({}, 'bad'), { code: 'CIRCUIT_OPEN' })
    await call({}, 'good')
    assert.deepEqual([state.circuits.openTools, state.circuits.state], [['bad'], 'closed'])
  })

  test('holds no place during the pause before the next try', async () => {
    let tries = 0
    const { clock, state, call } = setUp({ bulkhead: { calls: 1, queue: 0, wait: 1 } }, () =>
      tries++ === 0 ? fails({ kind: 'unreachable', reason: 'refused' }) : Promise.resolve(result({})),
    )
    const first = call()
    await settled()
    assert.equal(state.slots?.taken, 0)
    await call()
    await clock.advance(100)
    await first
    assert.equal(tries, 3)
  })
})

/** What becomes of a try, in the end: whether it reached the backend, and what the gateway learns of it. */
const FATES = {
  refused: { isExecuted: false, end: () => fails({ kind: 'unreachable', reason: 'refused' }) },
  lost: { isExecuted: true, end: () => fails({ kind: 'broken', reason: 'lost' }) },
  garbage: { isExecuted: true, end: () => fails({ kind: 'protocol', reason: 'garbage' }) },
  overloaded: { isExecuted: true, end: () => fails({ kind: 'status', status: 503, body: '' }) },
  answered: { isExecuted: true, end: () => Promise.resolve(result({})) },
} as const

test('no interleaving admits more than allowed, leaks anything, or runs twice what must not', async () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ does: fc.constant('call' as const), who: fc.nat(2), idempotent: fc.boolean() }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        does: fc.constant('end' as const),
        which: fc.nat(20),
        fate: fc.constantFrom(...(Object.keys(FATES) as (keyof typeof FATES)[])),
      }),
    },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('leave' as const), which: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ does: fc.constant('pass' as const), ms: fc.nat(400) }) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(step, { maxLength: 50 }),
      async (places, steps) => {
        let running = 0
        const executions = new Map<string, number>()
        const underWay: ((fate: keyof typeof FATES) => void)[] = []
        const next: Next = async ({ signal, principal }) => {
          assert.ok(++running <= places, 'more calls at once than allowed')
          const id = principal.id
          const { promise, resolve } = Promise.withResolvers<keyof typeof FATES | 'aborted'>()
          underWay.push(resolve)
          signal.addEventListener('abort', () => resolve('aborted'))
          const fate = signal.aborted ? 'aborted' : await promise
          running--
          // Nobody knows what the backend has done until it hears of the end.
          if (fate === 'aborted' || FATES[fate].isExecuted) executions.set(id, (executions.get(id) ?? 0) + 1)
          if (fate === 'aborted') throw signal.reason
          return FATES[fate].end()
        }
        const policy = {
          pattern: 'read',
          idempotent: true,
          total: undefined,
          firstByte: undefined,
          idle: undefined,
        }
        const { clock, state, call } = setUp(
          {
            bulkhead: { calls: places, queue: 3, wait: 300 },
            tools: [{ ...policy, hedge: { after: 100 } }],
            circuitBreaker: {
              ...(DEFAULT_RESILIENCE.circuitBreaker ?? assert.fail()),
              consecutiveFailures: 4,
              openFor: 200,
            },
          },
          next,
        )
        const callers: AbortController[] = []
        const calls: Promise<void>[] = []
        for (const [index, one] of steps.entries()) {
          if (one.does === 'call') {
            const caller = new AbortController()
            const principal = someone(`${one.who} ${index}`)
            callers.push(caller)
            calls.push(
              call({ signal: caller.signal, principal }, one.idempotent ? 'read' : 'write').then(
                () => undefined,
                (error: unknown) => {
                  assert.ok(error instanceof GatewayError && error.code !== 'INTERNAL', String(error))
                  const times = executions.get(principal.id) ?? 0
                  if (error.details.outcome === 'not-executed') assert.equal(times, 0, error.message)
                },
              ),
            )
          } else if (one.does === 'end') underWay.splice(one.which % (underWay.length || 1), 1)[0]?.(one.fate)
          else if (one.does === 'leave')
            callers[one.which % (callers.length || 1)]?.abort(new GatewayError('CANCELLED', 'gone'))
          else await clock.advance(one.ms)
          await settled()
        }
        // The time of every call ends.
        await clock.advance(3000)
        await Promise.all(calls)
        assert.deepEqual([running, state.slots?.taken, state.slots?.waiting, clock.pending], [0, 0, 0, 0])
        for (const [index, one] of steps.entries())
          if (one.does === 'call' && !one.idempotent)
            assert.ok((executions.get(`${one.who} ${index}`) ?? 0) <= 1, 'ran twice')
      },
    ),
    { numRuns: 200 },
  )
})

test('what is remembered of a backend is kept for as long as its settings are', () => {
  const ports = { clock: createFakeClock(), log: silentLog }
  const one = { name: 'a', resilience: DEFAULT_RESILIENCE }
  const other = { name: 'b', resilience: DEFAULT_RESILIENCE }
  const states = createLaneStates([one], ports)
  const first = states.get('a')
  states.keep([other, { ...one }])
  assert.equal(states.get('a'), first)
  assert.notEqual(states.get('b'), undefined)
  states.keep([{ ...one, resilience: { ...DEFAULT_RESILIENCE, bulkhead: undefined } }])
  assert.notEqual(states.get('a'), first)
  assert.equal(states.report('b'), undefined)
  states.keep([])
  states.keep([one])
  assert.notEqual(states.get('a'), first, 'what left and came back begins anew')
})
