import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { chargesOf, limitScripts } from '../../test/support/limit-scripts.ts'
import { createNaiveLimits } from '../../test/support/naive-limits.ts'
import type { Allowance } from '../config/limits-types.ts'
import type { Charge, StoredLimit, Taken } from './limit-store.ts'
import { createMemoryStore } from './memory.ts'

/** A clock that is set by hand. */
function handClock(): { time: number; now: () => number; wallTime: () => number } {
  const clock = { time: 0, now: () => clock.time, wallTime: () => Date.UTC(2026, 10, 30) + clock.time }
  return clock
}

const limitOf = (allowance: Allowance, shadow = false): StoredLimit => ({
  id: allowance.kind,
  allowance,
  shadow,
})

const chargeOf = (limit: StoredLimit, key = 'a', cost = 1): Charge => ({ limit, key, cost })

const waitOf = (taken: Taken): number => (taken.kind === 'refused' ? (taken.standings[0]?.waitMs ?? NaN) : 0)

describe('the memory store', () => {
  test('agrees with a naive count, whatever is done to whatever limits', () => {
    fc.assert(
      fc.property(limitScripts, (script) => {
        const clock = handClock()
        const store = createMemoryStore(clock)
        const naive = createNaiveLimits((now) => Date.UTC(2026, 10, 30) + now)
        const granted: { readonly release: (() => void) | undefined; isHeld: boolean }[] = []
        for (const step of script.steps) {
          clock.time += step.after
          if (step.does === 'end') {
            const call = granted[step.which]
            if (call?.isHeld !== true) continue
            call.isHeld = false
            call.release?.()
            naive.release(step.which)
            continue
          }
          const charges = chargesOf(script, step)
          const taken = store.take(charges)
          assert.equal(taken.kind === 'granted', naive.take(charges, clock.time))
          if (taken.kind === 'granted') granted.push({ release: taken.release, isHeld: true })
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a sliding window admits no more in any span than its limit, and all of it where it is asked for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.integer({ min: 0, max: 30 })),
        (count, gaps) => {
          const per = 100
          const clock = handClock()
          const store = createMemoryStore(clock)
          const limit = limitOf({ kind: 'window', count, per })
          const offered: number[] = []
          const admitted: number[] = []
          for (const gap of gaps) {
            clock.time += gap
            offered.push(clock.time)
            if (store.take([chargeOf(limit)]).kind === 'granted') admitted.push(clock.time)
          }
          const within = (times: readonly number[], end: number): number =>
            times.filter((time) => time > end - per && time <= end).length
          for (const end of offered) {
            assert.ok(within(admitted, end) <= count)
            const isFull = within(admitted, end) === count
            assert.ok(isFull || admitted.includes(end), 'it was refused only where the window was full')
          }
        },
      ),
    )
  })

  test('a bucket admits its burst, and from then on its rate: never more than both together', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 40 })),
        (burst, gaps) => {
          const clock = handClock()
          const store = createMemoryStore(clock)
          const limit = limitOf({ kind: 'gcra', count: 10, per: 100, burst })
          const admitted: number[] = []
          for (const gap of gaps) {
            clock.time += gap
            if (store.take([chargeOf(limit)]).kind === 'granted') admitted.push(clock.time)
          }
          for (const [first, from] of admitted.entries()) {
            for (const [index, to] of admitted.entries()) {
              if (index < first) continue
              assert.ok(index - first + 1 <= burst + ((to - from) * 10) / 100 + 1e-9)
            }
          }
        },
      ),
    )
  })

  test('says exactly how long to wait', () => {
    const kinds: readonly Allowance[] = [
      { kind: 'window', count: 3, per: 1000 },
      { kind: 'gcra', count: 3, per: 999, burst: 2 },
      { kind: 'quota', count: 3, period: 'month' },
    ]
    for (const allowance of kinds) {
      const clock = handClock()
      const store = createMemoryStore(clock)
      const charge = [chargeOf(limitOf(allowance))]
      let taken = store.take(charge)
      for (; taken.kind === 'granted'; taken = store.take(charge)) clock.time += 7
      const wait = waitOf(taken)
      assert.ok(wait > 0)
      clock.time += wait - 1
      assert.equal(store.take(charge).kind, 'refused', allowance.kind)
      clock.time += 1
      assert.equal(store.take(charge).kind, 'granted', allowance.kind)
    }
  })

  test('takes of all limits or of none, and tells how each stands', () => {
    const clock = createFakeClock()
    const store = createMemoryStore(clock)
    const [wide, narrow] = [
      limitOf({ kind: 'window', count: 9, per: 10 }),
      limitOf({ kind: 'concurrency', count: 1 }),
    ]
    const both = [chargeOf(wide), chargeOf(narrow)]
    const first = store.take(both)
    assert.equal(first.kind, 'granted')
    const second = store.take(both)
    assert.deepEqual(
      second.kind === 'refused' && second.standings.map(({ admits, remaining }) => [admits, remaining]),
      [
        [true, 8],
        [false, 0],
      ],
    )
    if (first.kind === 'granted') first.release?.()
    assert.equal(store.take(both).kind, 'granted')
  })

  test('a shadow limit counts and tells, and refuses nothing', () => {
    const store = createMemoryStore(createFakeClock())
    const shadow = chargeOf(limitOf({ kind: 'window', count: 1, per: 10 }, true))
    assert.deepEqual(store.take([shadow]), { kind: 'granted', release: undefined, over: [] })
    assert.deepEqual(store.take([shadow]), { kind: 'granted', release: undefined, over: [shadow] })
  })

  test('forgets keys that are idle, and admits no more when it cannot remember any', async () => {
    const clock = createFakeClock()
    const store = createMemoryStore(clock, { keys: 2, times: 1000 })
    const limit = limitOf({ kind: 'window', count: 2, per: 1000 })
    const take = (key: string): string => store.take([chargeOf(limit, key)]).kind
    for (const key of ['a', 'b']) assert.deepEqual([take(key), take(key)], ['granted', 'granted'])
    // Those that come now share one count.
    assert.deepEqual([take('c'), take('d'), take('e')], ['granted', 'granted', 'refused'])
    assert.equal(take('a'), 'refused', 'nobody was forgotten for them')
    await clock.advance(1000)
    assert.deepEqual([take('f'), take('f'), take('f')], ['granted', 'granted', 'refused'])
    assert.equal(take('g'), 'granted')
  })

  test('a window that cannot remember more calls admits fewer', () => {
    const clock = handClock()
    const store = createMemoryStore(clock, { keys: 10, times: 10 })
    const limit = limitOf({ kind: 'window', count: 100, per: 1000 })
    const offered = Array.from({ length: 50 }, () => store.take([chargeOf(limit)]))
    const admitted = offered.filter(({ kind }) => kind === 'granted').length
    assert.ok(admitted > 0 && admitted <= 10, String(admitted))
    assert.ok(waitOf(offered.at(-1) ?? assert.fail()) > 0)
    clock.time += 1000
    assert.equal(store.take([chargeOf(limit)]).kind, 'granted')
  })
})
