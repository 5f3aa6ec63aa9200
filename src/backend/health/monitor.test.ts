import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Signal } from '../../pipeline/signal.ts'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { untilAborted } from '../../../test/support/scripted.ts'
import type { HealthConfig } from '../../config/types.ts'
import type { BackendCondition } from '../backend.ts'
import { ChannelError } from '../channel.ts'
import { type Monitor, createMonitor } from './monitor.ts'

const CONFIG: HealthConfig = { interval: 10_000, timeout: 1000, unhealthy: 3, healthy: 2 }

/** A check that takes that many milliseconds and then does this. */
type Check = (signal: Signal) => Promise<unknown>

interface Ward {
  readonly monitor: Monitor
  readonly clock: ReturnType<typeof createFakeClock>
  /** When checks began, in clock milliseconds. */
  readonly asked: number[]
  readonly log: string[]
  check: Check
  link: { condition: BackendCondition; since: number }
}

const well: Check = () => Promise.resolve()
const answers =
  (status: number): Check =>
  () =>
    Promise.reject(new ChannelError({ kind: 'status', status, body: '' }))

function ward(config: HealthConfig | undefined = CONFIG): Ward {
  const clock = createFakeClock()
  const asked: number[] = []
  const log: string[] = []
  const state: Pick<Ward, 'check' | 'link'> = { check: well, link: { condition: { state: 'up' }, since: 0 } }
  const monitor = createMonitor(config, {
    clock,
    random: () => 0.5,
    log: (level, message, fields) => log.push(`${level} ${message}: ${String(fields?.['reason'])}`),
    backend: 'a',
    check: (signal) => {
      asked.push(clock.now())
      return state.check(signal)
    },
    link: () => state.link,
  })
  return Object.assign(state, { monitor, clock, asked, log })
}

test('a healthy endpoint is asked once per interval, at first at a random time, and shows how long it took', async () => {
  const one = ward()
  one.check = () => new Promise((resolve) => void one.clock.after(40, () => resolve(undefined)))
  await one.clock.advance(30_000)
  assert.deepEqual(one.asked, [1000, 11_040, 21_080])
  assert.deepEqual(one.monitor.health, { status: 'healthy', since: 0, reason: undefined, latencyMs: 40 })
})

test('a doubt is settled fast: degraded first, then unhealthy, and healthy after as many good answers as it takes', async () => {
  const one = ward()
  one.check = answers(503)
  await one.clock.advance(1000)
  assert.equal(one.monitor.health.status, 'degraded')
  assert.equal(one.monitor.health.reason, 'answered HTTP 503')
  assert.ok(!one.monitor.isSick)
  await one.clock.advance(4000)
  assert.deepEqual(one.asked, [1000, 3000, 5000])
  const { status, reason, since } = one.monitor.health
  assert.deepEqual([status, reason], ['unhealthy', 'answered HTTP 503'])
  assert.equal(since, one.clock.wallTime(), 'since the third failure')
  assert.ok(one.monitor.isSick)
  one.check = well
  await one.clock.advance(10_000)
  assert.equal(one.monitor.health.status, 'unhealthy', 'one good answer is not enough')
  await one.clock.advance(2000)
  assert.equal(one.monitor.health.status, 'healthy')
  assert.equal(one.monitor.health.reason, undefined)
  assert.deepEqual(one.log, [
    'warn backend is degraded: answered HTTP 503',
    'warn backend is unhealthy: answered HTTP 503',
    'info backend is healthy: undefined',
  ])
})

test('one failed check and a good one are forgotten', async () => {
  const one = ward()
  one.check = answers(500)
  await one.clock.advance(3000)
  one.check = well
  await one.clock.advance(2000)
  assert.equal(one.monitor.health.status, 'healthy')
  one.check = answers(500)
  await one.clock.advance(12_000)
  assert.equal(one.monitor.health.status, 'degraded')
})

test('silence is unreachable, and says for how long it lasted', async () => {
  const one = ward()
  one.check = untilAborted
  await one.clock.advance(8100)
  const { status, reason } = one.monitor.health
  assert.deepEqual([status, reason], ['unreachable', 'did not answer a health check within 1000 ms'])
})

test('who stays sick is asked ever more rarely, but at least once a minute', async () => {
  const one = ward()
  one.check = answers(500)
  await one.clock.advance(300_000)
  const pauses = one.asked.map((at, index) => at - (one.asked[index - 1] ?? 0)).slice(1)
  assert.deepEqual(pauses.slice(0, 7), [2000, 2000, 10_000, 20_000, 40_000, 60_000, 60_000])
})

test('traffic says at once that a backend is down, and why; nobody asks then, and what was found before is forgotten', async () => {
  const one = ward()
  one.check = answers(500)
  await one.clock.advance(5000)
  assert.ok(one.monitor.isSick)
  one.link = { condition: { state: 'down', reason: 'connection refused', detail: 'stderr' }, since: 42 }
  const { status, reason, detail, since } = one.monitor.health
  assert.deepEqual([status, reason, detail, since], ['unreachable', 'connection refused', 'stderr', 42])
  const before = one.asked.length
  await one.clock.advance(60_000)
  assert.equal(one.asked.length, before)
  one.link = { condition: { state: 'up' }, since: one.clock.wallTime() }
  assert.equal(one.monitor.health.status, 'healthy')
  assert.equal(one.monitor.health.since, one.clock.wallTime())
})

test('who answers wrongly from the beginning is unhealthy, not unreachable', () => {
  const one = ward()
  one.link = { condition: { state: 'down', reason: 'HTTP status 401', answers: true }, since: 0 }
  assert.equal(one.monitor.health.status, 'unhealthy')
  one.link = { condition: { state: 'connecting' }, since: 0 }
  assert.equal(one.monitor.health.status, 'connecting')
})

test('nobody is asked before somebody has needed it, and soon after', async () => {
  const one = ward()
  one.link = { condition: { state: 'connecting' }, since: 0 }
  await one.clock.advance(60_000)
  assert.deepEqual(one.asked, [])
  one.link = { condition: { state: 'up' }, since: 60_000 }
  await one.clock.advance(2000)
  assert.equal(one.asked.length, 1)
})

test('without checks nobody is asked, and traffic alone says how it is', async () => {
  const one = ward()
  const off = createMonitor(undefined, {
    clock: one.clock,
    random: () => 0.5,
    log: () => undefined,
    backend: 'a',
    check: () => assert.fail('asked'),
    link: () => ({ condition: { state: 'up' }, since: 7 }),
  })
  await one.clock.advance(100_000)
  assert.deepEqual(off.health, { status: 'healthy', since: 7, reason: undefined, latencyMs: undefined })
})

test('nothing goes on after the end', async () => {
  const one = ward()
  one.check = untilAborted
  await one.clock.advance(1000)
  one.monitor.close()
  await one.clock.advance(60_000)
  assert.deepEqual([one.asked.length, one.clock.pending], [1, 0])
  assert.equal(one.monitor.health.status, 'healthy', 'a check that was cut short says nothing')
})
