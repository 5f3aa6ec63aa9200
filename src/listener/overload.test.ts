import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { GatewayError } from '../errors.ts'
import type { Load } from '../pipeline/load.ts'
import { type Overload, createOverload } from './overload.ts'

const CALM: Load = { delayMs: 3, memory: 0.3 }

interface Watch {
  readonly overload: Overload
  readonly clock: ReturnType<typeof createFakeClock>
  readonly log: string[]
  load: Load
  closed: boolean
  /** Part of that many pieces of work that is refused. */
  refusedOf(count: number): number
}

function watch(): Watch {
  const clock = createFakeClock()
  const log: string[] = []
  let drawn = 1
  const state = { load: CALM, closed: false }
  const overload = createOverload(
    { delay: 200, memory: 0.85 },
    {
      clock,
      gauge: { read: () => state.load, close: () => void (state.closed = true) },
      // Looks random, and is the same every time.
      random: () => {
        drawn = (Math.imul(drawn, 1_103_515_245) + 12_345) >>> 0
        return drawn / 2 ** 32
      },
      log: (level, message) => log.push(`${level} ${message}`),
    },
  )
  return Object.assign(state, {
    overload,
    clock,
    log,
    refusedOf(count: number): number {
      const before = overload.state.refused
      for (let each = 0; each < count; each++) {
        try {
          overload.admit()
        } catch (error) {
          assert.ok(error instanceof GatewayError)
          assert.equal(error.code, 'OVERLOADED')
          const { retryAfterMs = 0 } = error.details
          assert.ok(retryAfterMs >= 1000 && retryAfterMs <= 2000, String(retryAfterMs))
        }
      }
      return (overload.state.refused - before) / count
    },
  })
}

test('a calm process refuses nothing, and neither does one below the limits', async () => {
  const one = watch()
  one.load = { delayMs: 199, memory: 0.84 }
  await one.clock.advance(10_000)
  assert.equal(one.refusedOf(200), 0)
  assert.deepEqual(one.log, [])
})

test('the later the loop, the more is refused: all of it in the end', async () => {
  const parts: number[] = []
  for (const delayMs of [240, 400, 600, 5000]) {
    const one = watch()
    one.load = { ...CALM, delayMs }
    await one.clock.advance(10_000)
    parts.push(one.refusedOf(10_000))
  }
  const [little = 0, half = 0, all, more] = parts
  assert.ok(little > 0.02 && little < 0.2, String(little))
  assert.ok(half > 0.4 && half < 0.6, String(half))
  assert.deepEqual([all, more], [1, 1])
})

test('memory that is nearly used up counts as much', async () => {
  const one = watch()
  one.load = { ...CALM, memory: 0.9 }
  await one.clock.advance(10_000)
  const half = one.refusedOf(10_000)
  assert.ok(half > 0.4 && half < 0.6, String(half))
  one.load = { ...CALM, memory: 0.96 }
  await one.clock.advance(10_000)
  assert.equal(one.refusedOf(1000), 1)
})

test('a short stall is no overload', async () => {
  const one = watch()
  for (let stall = 0; stall < 5; stall++) {
    one.load = { ...CALM, delayMs: 5000 }
    await one.clock.advance(750)
    one.load = CALM
    await one.clock.advance(250)
  }
  assert.equal(one.refusedOf(100), 0)
  assert.deepEqual(one.log, [])
})

test('what has lasted a second refuses a part, then more, and is over soon after the load is; both are told once', async () => {
  const one = watch()
  one.load = { ...CALM, delayMs: 5000 }
  await one.clock.advance(1000)
  assert.equal(one.overload.state.refusing, 0.5)
  await one.clock.advance(250)
  assert.equal(one.overload.state.refusing, 0.75)
  one.load = CALM
  await one.clock.advance(2500)
  assert.equal(one.overload.state.refusing, 0)
  assert.equal(one.refusedOf(100), 0)
  assert.deepEqual(one.log, ['warn overloaded: calls are refused', 'info no longer overloaded'])
})

test('the end stops looking', async () => {
  const one = watch()
  one.overload.close()
  assert.ok(one.closed)
  assert.equal(one.clock.pending, 0)
})
