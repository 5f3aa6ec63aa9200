import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import type { EjectionConfig, EndpointsConfig } from '../../config/types.ts'
import { type Balancer, type Fitness, type Verdict, createBalancer } from './balancer.ts'

const EJECTION: EjectionConfig = { failures: 3, time: 1000, maxTime: 8000, share: 0.5 }

/** Numbers that look random and are the same every time. */
function numbers(seed = 1): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
}

interface Bench {
  readonly balancer: Balancer
  readonly clock: ReturnType<typeof createFakeClock>
  readonly fitness: Fitness[]
  readonly ejected: { readonly index: number; readonly reason: string; readonly ms: number }[]
  /** Carries out a call at an endpoint at once. */
  readonly call: (index: number, verdict: Verdict, ms?: number) => void
  /** How often each is chosen in that many draws without load. */
  readonly shares: (draws: number) => readonly number[]
}

function bench(weights: readonly number[], over: Partial<EndpointsConfig> = {}): Bench {
  const clock = createFakeClock()
  const fitness = weights.map((): Fitness => 'fit')
  const ejected: Bench['ejected'] = []
  const list = weights.map((weight, index) => ({ url: `http://${index}/`, weight }))
  const balancer = createBalancer(
    { list, balance: 'least-loaded', ejection: EJECTION, slowStart: 0, ...over },
    {
      clock,
      random: numbers(),
      fitness: (index) => fitness[index] ?? 'away',
      onEject: (index, reason, ms) => ejected.push({ index, reason, ms }),
    },
  )
  return {
    balancer,
    clock,
    fitness,
    ejected,
    call(index, verdict, ms = 1) {
      balancer.begin(index)
      balancer.end(index, verdict, ms)
    },
    shares(draws) {
      const counts = weights.map(() => 0)
      for (let draw = 0; draw < draws; draw++) {
        const index = balancer.choose(undefined)
        if (index !== undefined) counts[index] = (counts[index] ?? 0) + 1
      }
      return counts.map((count) => count / draws)
    },
  }
}

test('calls are spread evenly over equals, and by weight over others', () => {
  for (const share of bench([1, 1, 1, 1]).shares(4000))
    assert.ok(Math.abs(share - 0.25) < 0.03, String(share))
  const [heavy = 0] = bench([3, 1], { balance: 'weighted' }).shares(4000)
  assert.ok(Math.abs(heavy - 0.75) < 0.03, String(heavy))
})

test('the less loaded of two is chosen: who is stuck gets nothing more', () => {
  const { balancer, shares } = bench([1, 1])
  for (let call = 0; call < 10; call++) balancer.begin(0)
  assert.deepEqual(shares(100), [0, 1])
})

test('who carries more weight may carry more load', () => {
  const { balancer, shares } = bench([3, 1])
  balancer.begin(0)
  assert.equal(shares(100)[0], 1)
})

test('an endpoint that fails several times in a row is ejected, comes back on probation, and stays out longer', async () => {
  const { balancer, clock, ejected, call, shares } = bench([1, 1])
  call(0, 'failure')
  call(0, 'failure')
  call(0, 'success')
  call(0, 'failure')
  call(0, 'failure')
  assert.equal(ejected.length, 0, 'a success in between begins anew')
  call(0, 'failure')
  assert.deepEqual(ejected, [{ index: 0, reason: '3 calls in a row failed', ms: 1000 }])
  assert.equal(balancer.ejectedUntil(0), 1000)
  assert.deepEqual(shares(50), [0, 1])
  await clock.advance(1000)
  assert.equal(balancer.ejectedUntil(0), undefined)
  call(0, 'failure')
  assert.equal(ejected.at(-1)?.ms, 2000)
  for (const ms of [4000, 8000, 8000]) {
    await clock.advance(8000)
    call(0, 'failure')
    assert.equal(ejected.at(-1)?.ms, ms)
  }
})

test('who has done well long enough has made up for its ejections', async () => {
  const { clock, ejected, call } = bench([1, 1])
  for (let round = 0; round < 2; round++) {
    for (let failure = 0; failure < 3; failure++) call(0, 'failure')
    await clock.advance(8000)
  }
  call(0, 'success')
  call(0, 'success')
  for (let failure = 0; failure < 3; failure++) call(0, 'failure')
  assert.deepEqual(
    ejected.map(({ ms }) => ms),
    [1000, 2000, 1000],
  )
})

test('what says nothing of an endpoint neither ejects nor pardons it', () => {
  const { ejected, call } = bench([1, 1])
  call(0, 'failure')
  call(0, 'failure')
  call(0, 'nothing')
  assert.deepEqual(ejected, [])
  call(0, 'failure')
  assert.equal(ejected.length, 1)
})

test('an endpoint that is much slower than the others is ejected, a little slower is not', () => {
  for (const [ms, count] of [
    [90, 0],
    [300, 1],
  ] as const) {
    const { ejected, call } = bench([1, 1, 1], { ejection: { ...EJECTION, slowness: 3 } })
    for (let round = 0; round < 30; round++) {
      call(1, 'success', 40)
      call(2, 'success', 50)
    }
    for (let round = 0; round < 25; round++) call(0, 'success', ms)
    assert.equal(ejected.length, count, `${ms} ms`)
  }
})

test('without ejection nobody is ejected', () => {
  const { ejected, call, shares } = bench([1, 1], { ejection: undefined })
  for (let failure = 0; failure < 50; failure++) call(0, 'failure')
  assert.deepEqual(ejected, [])
  assert.ok((shares(100)[0] ?? 0) > 0.3)
})

test('an endpoint that comes back gets its part little by little', async () => {
  const { clock, fitness, shares } = bench([1, 1], { slowStart: 10_000, balance: 'weighted' })
  assert.ok((shares(2000)[0] ?? 0) > 0.45, 'at the beginning nobody is behind')
  fitness[0] = 'away'
  assert.equal(shares(10)[0], 0)
  fitness[0] = 'fit'
  const parts: number[] = []
  for (const wait of [0, 2500, 2500, 5000]) {
    await clock.advance(wait)
    parts.push(shares(4000)[0] ?? 0)
  }
  // A part of 0.1, 0.25, 0.5 and 1 beside one of 1.
  for (const [index, expected] of [0.1 / 1.1, 0.25 / 1.25, 0.5 / 1.5, 0.5].entries())
    assert.ok(Math.abs((parts[index] ?? 0) - expected) < 0.03, parts.join(' '))
})

test('where nobody is good, the connected are chosen; where nobody is connected, nobody', () => {
  const { balancer, fitness, call } = bench([1, 1, 1])
  for (let failure = 0; failure < 3; failure++) call(0, 'failure')
  fitness[1] = 'sick'
  fitness[2] = 'away'
  assert.notEqual(balancer.choose(undefined), 2)
  assert.equal(balancer.choose(new Set([0])), 1)
  fitness[0] = 'away'
  fitness[1] = 'away'
  assert.equal(balancer.choose(undefined), undefined)
})

test('the last good endpoint is never ejected', () => {
  const { fitness, ejected, call } = bench([1, 1, 1], { ejection: { ...EJECTION, share: 1 } })
  fitness[2] = 'away'
  for (const index of [0, 1]) for (let failure = 0; failure < 5; failure++) call(index, 'failure')
  assert.deepEqual(
    ejected.map(({ index }) => index),
    [0],
  )
})

test('an endpoint that connects a little later than the others when the gateway starts has its whole part at once', async () => {
  const { clock, fitness, shares } = bench([9, 1, 10], { slowStart: 10_000, balance: 'weighted' })
  fitness[0] = 'away'
  fitness[2] = 'away'
  assert.deepEqual(shares(10), [0, 1, 0])
  await clock.advance(50)
  fitness[0] = 'fit'
  const [most = 0] = shares(2000)
  assert.ok(most > 0.87 && most < 0.93, String(most))
  // One that comes when the others have long been there is new to its work.
  await clock.advance(20_000)
  fitness[2] = 'fit'
  const late = shares(2000)[2] ?? 0
  assert.ok(late > 0.06 && late < 0.13, String(late))
})

/** Anything that can happen to the endpoints of a backend. */
const event = (endpoints: number): fc.Arbitrary<Event> =>
  fc.oneof(
    fc.record({ kind: fc.constant('call' as const), verdict: verdicts, ms: fc.nat(500) }),
    fc.record({ kind: fc.constant('begin' as const) }),
    fc.record({ kind: fc.constant('end' as const), verdict: verdicts }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(800) }),
    fc.record({ kind: fc.constant('turn' as const), index: fc.nat(endpoints - 1), to: fitnesses }),
  )

type Event =
  | { readonly kind: 'call'; readonly verdict: Verdict; readonly ms: number }
  | { readonly kind: 'begin' }
  | { readonly kind: 'end'; readonly verdict: Verdict }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'turn'; readonly index: number; readonly to: Fitness }

const verdicts = fc.constantFrom<Verdict>('success', 'failure', 'failure', 'nothing')
const fitnesses = fc.constantFrom<Fitness>('fit', 'fit', 'sick', 'away')

test('whatever happens: nobody bad is chosen while somebody is good, few are ejected, and loads add up', async () => {
  const scenario = fc.integer({ min: 2, max: 6 }).chain((size) =>
    fc.record({
      size: fc.constant(size),
      share: fc.constantFrom(0.1, 0.34, 0.5, 1),
      slowness: fc.constantFrom(undefined, 2),
      failures: fc.constantFrom(1, 3),
      balance: fc.constantFrom('least-loaded' as const, 'weighted' as const),
      events: fc.array(event(size), { maxLength: 120 }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(scenario, async ({ size, share, slowness, failures, balance, events }) => {
      const ejection = { ...EJECTION, share, slowness, failures }
      const { balancer, clock, fitness, call } = bench(
        Array.from({ length: size }, (_, index) => 1 + (index % 3)),
        { ejection, balance, slowStart: 3000 },
      )
      const all = [...fitness.keys()]
      const open: number[] = []
      for (const happens of events) {
        const chosen = balancer.choose(undefined)
        const good = all.filter((index) => balancer.isGood(index))
        const connected = all.filter((index) => fitness[index] !== 'away')
        assert.equal(chosen === undefined, connected.length === 0)
        if (chosen !== undefined && good.length > 0) assert.ok(good.includes(chosen))
        if (happens.kind === 'wait') await clock.advance(happens.ms)
        else if (happens.kind === 'turn') fitness[happens.index] = happens.to
        else if (happens.kind === 'end') {
          const index = open.pop()
          if (index !== undefined) balancer.end(index, happens.verdict, 10)
        } else if (chosen !== undefined) {
          if (happens.kind === 'call') call(chosen, happens.verdict, happens.ms)
          else {
            balancer.begin(chosen)
            open.push(chosen)
          }
        }
        const out = all.filter((index) => balancer.ejectedUntil(index) !== undefined)
        assert.ok(out.length <= Math.max(1, Math.floor(size * share)) && out.length < size)
        for (const index of all)
          assert.equal(balancer.inFlight(index), open.filter((each) => each === index).length)
      }
    }),
    { numRuns: 150 },
  )
})
