import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type FakeClock, createFakeClock, settled } from '../../../test/support/fake-clock.ts'
import { callOf, collect, request, result, someone } from '../../../test/support/scripted.ts'
import type { Allowance, LimitConfig } from '../../config/types.ts'
import { GatewayError } from '../../errors.ts'
import type { Permitted, Reply } from '../../pipeline/call.ts'
import { mintPermit } from '../../pipeline/permit.ts'
import type { LimitStore } from '../../store/limit-store.ts'
import { createMemoryStore } from '../../store/memory.ts'
import { limits } from './limits.ts'
import type { LimitEvent } from './report.ts'

const limitOf = (allowance: Allowance, over: Partial<LimitConfig> = {}): LimitConfig => ({
  name: allowance.kind,
  key: [],
  methods: ['tools/call'],
  match: { backend: undefined, tool: undefined },
  allowance,
  weights: [],
  queue: undefined,
  shadow: false,
  ...over,
})

const queued = (size: number, wait: number): Partial<LimitConfig> => ({ queue: { size, wait } })

/** A call in the hands of the filter. */
interface Running {
  readonly reply: Promise<Reply>
  readonly leave: () => void
}

interface Setup {
  readonly clock: FakeClock
  readonly events: LimitEvent[]
  /** Callers whose calls run, in the order in which they began. */
  readonly running: string[]
  /** Callers in the order in which their calls began. */
  readonly begun: string[]
  readonly call: (caller: string, method?: string) => Running
  /** Ends the call that has run longest. */
  readonly end: () => void
}

/** A store that answers later, as one over the network does. */
function later(store: LimitStore): LimitStore {
  return {
    take: async (charges) => {
      await settled()
      return store.take(charges)
    },
  }
}

function setUp(
  configs: readonly LimitConfig[],
  wrap: (store: LimitStore) => LimitStore = (store) => store,
): Setup {
  const clock = createFakeClock()
  const events: LimitEvent[] = []
  const running: string[] = []
  const begun: string[] = []
  const ends: (() => void)[] = []
  const handler = limits({
    limits: configs,
    store: wrap(createMemoryStore(clock)),
    clock,
    events: (event) => events.push(event),
    pipe: 'pipe',
    isResumed: () => false,
  })<Permitted>(({ principal }) => {
    const { promise, resolve } = Promise.withResolvers<Reply>()
    running.push(principal.id)
    begun.push(principal.id)
    ends.push(() => {
      running.splice(running.indexOf(principal.id), 1)
      resolve(result({}))
    })
    return promise
  })
  return {
    clock,
    events,
    running,
    begun,
    end: () => ends.shift()?.(),
    call(caller, method = 'tools/call') {
      const controller = new AbortController()
      const target = { kind: 'one', backend: 'b', name: 't', paramHeaders: [] } as const
      const base = callOf(request(method, { name: 't' }), {
        principal: someone(caller),
        signal: controller.signal,
      })
      const reply = handler({ ...base, target, permit: mintPermit(target) }, collect())
      reply.catch(() => undefined)
      return { reply, leave: () => controller.abort(new GatewayError('CANCELLED', 'left')) }
    },
  }
}

describe('limits', () => {
  test('pass what is within them without a moment between, and what they are not for', async () => {
    const { call, begun } = setUp([limitOf({ kind: 'window', count: 1, per: 10 })])
    void call('a')
    assert.deepEqual(begun, ['a'], 'it began at once')
    void call('a', 'tools/list')
    assert.deepEqual(begun, ['a', 'a'])
    await assert.rejects(call('a').reply, { code: 'RATE_LIMITED' })
  })

  test('name the limit that takes longest, and tell how all stand', async () => {
    const { call } = setUp([
      limitOf({ kind: 'window', count: 1, per: 5000 }),
      limitOf({ kind: 'quota', count: 1, period: 'day' }),
      limitOf({ kind: 'window', count: 9, per: 900 }, { name: 'wide' }),
    ])
    void call('a')
    await assert.rejects(call('a').reply, (error) => {
      assert.ok(error instanceof GatewayError)
      assert.equal(error.code, 'QUOTA_EXCEEDED')
      assert.equal(error.details.retryAfterMs, 86_400_000)
      assert.deepEqual(error.details.headers, {
        'ratelimit-policy': '"window";q=1;w=5, "quota";q=1;w=86400, "wide";q=9;w=1',
        ratelimit: '"window";r=0;t=5, "quota";r=0;t=86400, "wide";r=8',
      })
      return true
    })
  })

  test('leave nothing behind when their store answers after the call was given up', async () => {
    const { call, begun, end, clock } = setUp([limitOf({ kind: 'concurrency', count: 1 })], later)
    const gone = call('a')
    gone.leave()
    await assert.rejects(gone.reply, { code: 'CANCELLED' })
    void call('b')
    await settled()
    await settled()
    assert.deepEqual(begun, ['b'])
    end()
    assert.equal(clock.pending, 0)
  })
})

describe('the queue of a limit', () => {
  test('gives callers turns: many calls of one do not keep the one of another waiting', async () => {
    const { call, end, begun } = setUp([limitOf({ kind: 'concurrency', count: 1 }, queued(100, 10_000))])
    for (let n = 0; n < 20; n++) void call('crowd')
    void call('other')
    end()
    await settled()
    end()
    await settled()
    assert.deepEqual(begun, ['crowd', 'crowd', 'other'])
  })

  test('is not overtaken by calls that come when there is room', async () => {
    const { call, clock, begun } = setUp([
      limitOf({ kind: 'window', count: 1, per: 1000 }, queued(10, 10_000)),
    ])
    void call('a')
    void call('b')
    await clock.advance(999)
    void call('c')
    await clock.advance(1)
    assert.deepEqual(begun, ['a', 'b'])
    await clock.advance(1000)
    assert.deepEqual(begun, ['a', 'b', 'c'])
  })

  test('gives back what was granted to a call that had just left', async () => {
    const { call, end, begun, clock } = setUp(
      [limitOf({ kind: 'concurrency', count: 1 }, queued(9, 9000))],
      later,
    )
    void call('a')
    await settled()
    await settled()
    const leaver = call('b')
    await settled()
    await settled()
    end()
    await Promise.resolve()
    await Promise.resolve()
    // Its turn has come, and the store has not answered yet.
    leaver.leave()
    await assert.rejects(leaver.reply, { code: 'CANCELLED' })
    for (let turn = 0; turn < 4; turn++) await settled()
    void call('c')
    for (let turn = 0; turn < 4; turn++) await settled()
    assert.deepEqual(begun, ['a', 'c'])
    assert.equal(clock.pending, 0)
  })

  test('is left for that of another limit, or because one without a queue refuses', async () => {
    const { call, clock, begun, events } = setUp([
      limitOf({ kind: 'window', count: 1, per: 100 }, { name: 'first', ...queued(10, 500) }),
      limitOf({ kind: 'window', count: 2, per: 300 }, { name: 'second', ...queued(10, 500) }),
      limitOf({ kind: 'quota', count: 3, period: 'day' }, { name: 'hard' }),
    ])
    const calls = ['a', 'b', 'c', 'd'].map((caller) => call(caller))
    await clock.advance(100)
    assert.deepEqual(begun, ['a', 'b'])
    await clock.advance(200)
    assert.deepEqual(begun, ['a', 'b', 'c'])
    await clock.advance(100)
    await assert.rejects(calls[3]?.reply ?? assert.fail(), { code: 'QUOTA_EXCEEDED' })
    assert.equal(events.filter(({ kind, limit }) => kind === 'refused' && limit === 'hard').length, 1)
    assert.equal(clock.pending, 0)
  })

  for (const [name, wrap] of [
    ['at once', (store: LimitStore) => store],
    ['later', later],
  ] as const) {
    test(`runs no more than allowed, waits no longer than allowed, leaks nothing, with a store that answers ${name}`, async () => {
      const step = fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({ does: fc.constant('call' as const), who: fc.constantFrom('a', 'b', 'c') }),
        },
        { weight: 3, arbitrary: fc.record({ does: fc.constant('end' as const) }) },
        { weight: 1, arbitrary: fc.record({ does: fc.constant('leave' as const), which: fc.nat(40) }) },
        {
          weight: 2,
          arbitrary: fc.record({ does: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 120 }) }),
        },
      )
      const shape = fc.record({
        atOnce: fc.integer({ min: 1, max: 3 }),
        rate: fc.integer({ min: 1, max: 6 }),
        size: fc.integer({ min: 1, max: 5 }),
        steps: fc.array(step, { maxLength: 60 }),
      })
      await fc.assert(
        fc.asyncProperty(shape, async ({ atOnce, rate, size, steps }) => {
          const { call, end, clock, running, begun } = setUp(
            [
              limitOf({ kind: 'concurrency', count: atOnce }, queued(size, 200)),
              limitOf({ kind: 'window', count: rate, per: 100 }, queued(size, 200)),
            ],
            wrap,
          )
          const calls: Running[] = []
          for (const one of steps) {
            if (one.does === 'call') calls.push(call(one.who))
            if (one.does === 'end') end()
            if (one.does === 'leave') calls[one.which]?.leave()
            if (one.does === 'wait') await clock.advance(one.ms)
            for (let turn = 0; turn < 4; turn++) await settled()
            assert.ok(running.length <= atOnce)
          }
          const before = begun.length
          // From now on nobody ends: whoever waits is refused in time.
          await clock.advance(200)
          for (let turn = 0; turn < 8; turn++) await settled()
          assert.ok(begun.length - before <= atOnce)
          while (running.length > 0) end()
          await Promise.allSettled(calls.map(({ reply }) => reply))
          await settled()
          assert.equal(clock.pending, 0)
          // Every place is free again.
          await clock.advance(100)
          const again = Array.from({ length: Math.min(atOnce, rate) }, () => call('z'))
          for (let turn = 0; turn < 4; turn++) await settled()
          assert.equal(running.length, again.length)
        }),
        { numRuns: 60 },
      )
    })
  }
})
