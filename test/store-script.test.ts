// The script of the shared store, on a real server with a clock that is set by hand: it counts as a naive count does.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, suite, test } from 'node:test'
import fc from 'fast-check'
import type { RedisClient } from '../src/store/redis/client.ts'
import { createRemote } from '../src/store/redis/remote.ts'
import type { StoredLimit } from '../src/store/limit-store.ts'
import { type RedisServer, redisServer, withoutRedis } from './language/redis.ts'
import { fileScope } from './language/scope.ts'
import { chargesOf, limitScripts } from './support/limit-scripts.ts'
import { createNaiveLimits } from './support/naive-limits.ts'

const scope = fileScope()
const EPOCH = Date.UTC(2026, 1, 27)

suite('the script of the shared store', { skip: withoutRedis }, () => {
  let server: RedisServer
  let time = 0
  before(async () => {
    server = await redisServer(scope)
  })

  /** Runs scripts as they are, but for the time, and without what only frees memory: expiry knows no other clock. */
  const byHand: RedisClient = {
    run: async ({ text }, keys, args) => {
      const now = EPOCH + time
      const fake = `{${Math.floor(now / 1000)}, ${(now % 1000) * 1000}}`
      const timeless = text
        .replaceAll("redis.call('TIME')", fake)
        .replaceAll(/redis\.call\('P?EXPIRE(AT)?',.*\)/g, '')
        .replaceAll(/, 'PX', math\.ceil\(.*\) \+ 1\)/g, ')')
      return server.client.eval(timeless, keys.length, ...keys, ...args)
    },
    connected: async () => undefined,
    close: () => undefined,
  }

  test('agrees with a naive count, whatever is done to whatever limits', async () => {
    await fc.assert(
      fc.asyncProperty(limitScripts, async (script) => {
        time = 0
        const remote = createRemote({ client: byHand, prefix: randomUUID(), replica: 'r' })
        const naive = createNaiveLimits((now) => EPOCH + now)
        const granted: { readonly release: (() => void) | undefined; isHeld: boolean }[] = []
        for (const step of script.steps) {
          // Longer than a lease lasts, what runs is kept only by signs of life.
          for (let left = step.after; left > 0; left -= 3_600_000) {
            time += Math.min(left, 3_600_000)
            await remote.beat()
          }
          if (step.does === 'end') {
            const call = granted[step.which]
            if (call?.isHeld !== true) continue
            call.isHeld = false
            call.release?.()
            naive.release(step.which)
            continue
          }
          const charges = chargesOf(script, step)
          const taken = await remote.take(charges)
          assert.equal(taken.kind === 'granted', naive.take(charges, time), JSON.stringify({ time, step }))
          if (taken.kind === 'granted') granted.push({ release: taken.release, isHeld: true })
        }
      }),
      { numRuns: 100 },
    )
  })

  test('says exactly how long to wait, and what remains', async () => {
    const remote = createRemote({ client: byHand, prefix: randomUUID(), replica: 'r' })
    const allowances: readonly StoredLimit['allowance'][] = [
      { kind: 'window', count: 5, per: 1000 },
      { kind: 'gcra', count: 4, per: 1000, burst: 5 },
      { kind: 'quota', count: 5, period: 'month' },
      { kind: 'quota', count: 5, period: 'day' },
    ]
    for (const [index, allowance] of allowances.entries()) {
      const limit: StoredLimit = { id: `exact-${index}`, allowance, shadow: false }
      const take = async (cost: number): ReturnType<typeof remote.take> =>
        remote.take([{ limit, key: 'k', cost }])
      time = 0
      assert.equal((await take(3)).kind, 'granted')
      time = 10
      const refused = await take(3)
      assert.ok(refused.kind === 'refused')
      const [standing] = refused.standings
      assert.equal(standing?.remaining, 2, allowance.kind)
      time += (standing?.waitMs ?? 0) - 1
      assert.equal((await take(3)).kind, 'refused', `${allowance.kind} a moment before`)
      time += 1
      assert.equal((await take(3)).kind, 'granted', allowance.kind)
    }
  })

  test('what a gateway held that is gone is free after a while', async () => {
    const prefix = randomUUID()
    const [gone, here] = ['gone', 'here'].map((replica) => createRemote({ client: byHand, prefix, replica }))
    const limit: StoredLimit = { id: 'held', allowance: { kind: 'concurrency', count: 1 }, shadow: false }
    const charges = [{ limit, key: 'k', cost: 1 }]
    time = 0
    assert.equal(await gone?.beat(), 1)
    assert.equal(await here?.beat(), 2)
    assert.equal((await gone?.take(charges))?.kind, 'granted')
    time = 29_999
    assert.equal((await here?.take(charges))?.kind, 'refused')
    assert.equal(await here?.beat(), 1, 'it is no replica any more')
    time = 30_001
    assert.equal((await here?.take(charges))?.kind, 'granted')
  })

  test('names of keys show nobody', async () => {
    const remote = createRemote({ client: byHand, prefix: 'shown', replica: 'r' })
    const limit: StoredLimit = { id: 'x', allowance: { kind: 'window', count: 1, per: 1000 }, shadow: false }
    await remote.take([{ limit, key: 'id alice@example.com', cost: 1 }])
    const keys = await server.client.keys('{shown}*')
    assert.equal(keys.length, 1)
    assert.match(keys[0] ?? '', /^\{shown\}:limit:x:[\w-]{22}$/)
  })
})
