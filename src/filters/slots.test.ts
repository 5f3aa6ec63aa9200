import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import { NoSlotError, createSlots } from './slots.ts'

const CONFIG = { calls: 2, queue: 3, wait: 1000 }
const never = new AbortController().signal

function setUp(config: Partial<typeof CONFIG> = {}) {
  const clock = createFakeClock()
  const slots = createSlots({ ...CONFIG, ...config }, clock)
  const served: string[] = []
  const enter = (name: string, signal = never): Promise<string> =>
    slots.wait(name[0] ?? '', signal).then(
      () => (served.push(name), name),
      (error: unknown) => (error instanceof NoSlotError ? error.why : 'left'),
    )
  while (slots.take());
  return { clock, slots, served, enter }
}

describe('slots', () => {
  test('pass on to whoever waits, one call of each in turn', async () => {
    const { slots, served, enter } = setUp({ queue: 10 })
    for (const name of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) void enter(name)
    for (let given = 0; given < 6; given++) {
      slots.give()
      await settled()
    }
    assert.deepEqual(served, ['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
    assert.deepEqual([slots.taken, slots.waiting], [2, 0])
    slots.give()
    slots.give()
    assert.deepEqual([slots.taken, slots.take()], [0, true])
  })

  test('let nobody wait for ever', async () => {
    const { clock, slots, enter } = setUp()
    const late = enter('a')
    await clock.advance(999)
    assert.equal(slots.waiting, 1)
    await clock.advance(1)
    assert.equal(await late, 'late')
    assert.deepEqual([slots.waiting, clock.pending], [0, 0])
  })

  test('forget whoever leaves', async () => {
    const { clock, slots, served, enter } = setUp()
    const caller = new AbortController()
    const left = enter('a', caller.signal)
    const stays = enter('b')
    caller.abort(new Error('gone'))
    assert.equal(await left, 'left')
    assert.equal(await enter('c', caller.signal), 'left')
    slots.give()
    await stays
    assert.deepEqual(served, ['b'])
    assert.equal(clock.pending, 0)
  })

  test('have a queue that one caller cannot fill for the others', async () => {
    const { enter } = setUp()
    const waiting = ['a1', 'a2', 'a3'].map((name) => enter(name))
    assert.equal(await enter('a4'), 'full')
    void enter('b1')
    assert.equal(await waiting[2], 'full', 'the latest of whoever has most makes room')
    assert.equal(await enter('b2'), 'full', 'with as many as anybody else nobody makes room')
  })
})

test('no interleaving admits more than allowed, loses a slot, or starves anybody', async () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ does: fc.constant('enter' as const), who: fc.nat(3) }) },
    { weight: 3, arbitrary: fc.record({ does: fc.constant('end' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('leave' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ does: fc.constant('pass' as const), ms: fc.nat(600) }) },
  )
  const config = fc.record({ calls: fc.integer({ min: 1, max: 3 }), queue: fc.nat(5) })
  await fc.assert(
    fc.asyncProperty(config, fc.array(step, { maxLength: 60 }), async (bounds, steps) => {
      const clock = createFakeClock()
      const slots = createSlots({ ...bounds, wait: 1000 }, clock)
      let running = 0
      const ends: (() => void)[] = []
      const callers: AbortController[] = []
      const started: Promise<void>[] = []
      const begin = async (who: string, signal: AbortSignal): Promise<void> => {
        if (!slots.take()) await slots.wait(who, signal)
        running++
        assert.ok(running <= bounds.calls, 'more than allowed')
        await new Promise<void>((resolve) => void ends.push(resolve))
        running--
        slots.give()
      }
      for (const one of steps) {
        if (one.does === 'enter') {
          const caller = new AbortController()
          callers.push(caller)
          started.push(begin(String(one.who), caller.signal).catch(() => undefined))
        } else if (one.does === 'end') ends.splice(one.which % (ends.length || 1), 1)[0]?.()
        else if (one.does === 'leave') callers[one.which % (callers.length || 1)]?.abort(new Error('left'))
        else await clock.advance(one.ms)
        await settled()
        assert.equal(slots.taken, running)
        assert.ok(slots.waiting <= bounds.queue, 'a longer queue than allowed')
        assert.ok(slots.waiting === 0 || slots.taken === bounds.calls, 'somebody waits before a free slot')
      }
      while (slots.taken > 0) {
        ends.shift()?.()
        await settled()
      }
      await Promise.all(started)
      assert.deepEqual([slots.taken, slots.waiting, clock.pending], [0, 0, 0], 'nothing is left behind')
    }),
    { numRuns: 300 },
  )
})
