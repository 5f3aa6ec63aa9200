import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createTimers } from './timers.ts'

/** Timers over a platform whose time passes by hand. */
function setUp() {
  let now = 0
  let watches: { readonly at: number; readonly action: () => void }[] = []
  const after = createTimers({
    now: () => now,
    wake(ms, action) {
      const watch = { at: now + ms, action }
      watches.push(watch)
      return () => {
        watches = watches.filter((other) => other !== watch)
      }
    },
  })
  const advance = (ms: number): void => {
    const until = now + ms
    for (;;) {
      const next = watches.toSorted((a, b) => a.at - b.at).at(0)
      if (next === undefined || next.at > until) break
      watches = watches.filter((other) => other !== next)
      now = next.at
      next.action()
    }
    now = until
  }
  return { after, advance, watches: () => watches.length, now: () => now }
}

describe('timers', () => {
  test('run once, when they are due, in the order in which they were set', () => {
    const { after, advance, watches } = setUp()
    const ran: string[] = []
    after(10, () => ran.push('a'))
    after(10, () => ran.push('b'))
    after(5, () => ran.push('c'))
    advance(9)
    assert.deepEqual(ran, ['c'])
    advance(1)
    assert.deepEqual(ran, ['c', 'a', 'b'])
    advance(100)
    assert.deepEqual([ran.length, watches()], [3, 0])
  })

  test('of one length share one timer of the platform, however often they are called off', () => {
    const { after, advance, watches } = setUp()
    for (let i = 0; i < 100; i++) {
      const cancel = [after(30_000, assert.fail), after(30_000, assert.fail)]
      cancel.forEach((call) => call())
      advance(1)
      assert.equal(watches(), 1)
    }
    advance(30_000)
    assert.equal(watches(), 0)
  })

  test('of a length that nothing else has leave nothing behind once they are called off', () => {
    const { after, watches } = setUp()
    after(12.5, assert.fail)()
    assert.equal(watches(), 0)
  })

  test('that throw do not take the others with them', () => {
    const { after, advance } = setUp()
    const ran: string[] = []
    after(1, () => {
      throw new Error('mine')
    })
    after(1, () => ran.push('other'))
    assert.throws(() => advance(1), /mine/)
    advance(1)
    assert.deepEqual(ran, ['other'])
  })

  test('take no number, and too little, for a millisecond, and too much for the longest time', () => {
    const { after, advance } = setUp()
    const ran: string[] = []
    for (const ms of [Number.NaN, -1, 0, 0.2]) after(ms, () => ran.push(String(ms)))
    after(Number.POSITIVE_INFINITY, () => ran.push('long'))
    advance(1)
    assert.deepEqual(ran, ['NaN', '-1', '0', '0.2'])
    advance(2 ** 31)
    assert.equal(ran.at(-1), 'long')
  })

  test('do what a list that is searched at every step would do', () => {
    const step = fc.oneof(
      fc.record({ set: fc.constantFrom(1, 2, 2.5, 7), again: fc.boolean() }),
      fc.record({ cancel: fc.nat(30) }),
      fc.record({ advance: fc.constantFrom(0, 0.5, 1, 3, 10) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { after, advance, watches, now } = setUp()
        const ran: string[] = []
        const expected: string[] = []
        let waiting: { readonly id: number; readonly due: number; readonly again: number | undefined }[] = []
        const cancels: (() => void)[] = []
        let ids = 0
        const set = (ms: number, again: boolean): void => {
          const id = ids++
          waiting.push({ id, due: now() + ms, again: again ? ms : undefined })
          cancels[id] = after(ms, () => {
            ran.push(`${id} at ${now()}`)
            const timer = waiting.find((other) => other.id === id)
            waiting = waiting.filter((other) => other !== timer)
            expected.push(`${id} at ${timer?.due}`)
            if (again) set(ms, false)
          })
        }
        for (const one of steps) {
          if ('set' in one) set(one.set, one.again)
          else if ('cancel' in one) {
            cancels[one.cancel]?.()
            waiting = waiting.filter(({ id }) => id !== one.cancel)
          } else {
            advance(one.advance)
            assert.ok(
              waiting.every(({ due }) => due > now()),
              'nothing that is due still waits',
            )
          }
        }
        assert.deepEqual(ran, expected)
        waiting.forEach(({ id }) => cancels[id]?.())
        advance(20)
        assert.equal(watches(), 0)
      }),
    )
  })
})
