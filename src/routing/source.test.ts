import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import {
  type ScriptedBackend,
  listOf,
  scriptedBackend,
  tool,
  untilAborted,
} from '../../test/support/scripted.ts'
import type { BackendList } from '../backend/backend.ts'
import { GatewayError } from '../errors.ts'
import { type Source, type SourcePorts, createSource } from './source.ts'

function setUp(over: Partial<SourcePorts> = {}) {
  const clock = createFakeClock()
  const backend: ScriptedBackend = scriptedBackend('a')
  const seen = { changes: 0, news: 0, warnings: [] as unknown[], debug: [] as unknown[] }
  const source: Source = createSource(backend, 'tools', {
    clock,
    log: (level, _message, fields) => {
      if (level === 'warn') seen.warnings.push(fields?.['problem'])
      if (level === 'debug') seen.debug.push(fields?.['reason'])
    },
    staleFor: 10_000,
    fetchTimeout: 3000,
    onInvisible: 'escape',
    onListed: () => undefined,
    onChange: () => seen.changes++,
    onNews: () => seen.news++,
    ...over,
  })
  return { clock, backend, source, seen }
}

const down = (): Promise<never> =>
  Promise.reject(new GatewayError('BACKEND_UNAVAILABLE', 'Backend a is not reachable'))

describe('a source', () => {
  test('is fetched once for all who ask at the same time', async () => {
    const { backend, source } = setUp()
    const gate = Promise.withResolvers<BackendList>()
    backend.onList = () => gate.promise
    const asked = [source.refresh(), source.refresh(), source.refresh()]
    gate.resolve(listOf([tool('x')]))
    await Promise.all(asked)
    assert.equal(backend.listed.length, 1)
    await source.refresh()
    assert.equal(backend.listed.length, 2, 'a list without a life is asked for again')
  })

  test('is not asked while its list is fresh, and asked again when that ends or a change is announced', async () => {
    const { backend, clock, source } = setUp()
    backend.onList = () => Promise.resolve(listOf([], { ttlMs: 1000 }))
    await source.refresh()
    await clock.advance(999)
    await source.refresh()
    assert.equal(backend.listed.length, 1)
    await clock.advance(1)
    await source.refresh()
    assert.equal(backend.listed.length, 2)
    assert.ok(source.isFresh())
    source.invalidate()
    assert.ok(!source.isFresh())
    await source.refresh()
    assert.equal(backend.listed.length, 3)
  })

  test('does not lose a change that is announced while the list is on its way', async () => {
    const { backend, source } = setUp()
    const gate = Promise.withResolvers<BackendList>()
    backend.onList = () => gate.promise
    const first = source.refresh()
    source.invalidate()
    gate.resolve(listOf([], { ttlMs: 60_000 }))
    await first
    assert.ok(!source.isFresh())
    assert.equal(source.age(), Number.POSITIVE_INFINITY)
    backend.onList = () => Promise.resolve(listOf([], { ttlMs: 60_000 }))
    await source.refresh()
    assert.ok(source.isFresh())
    assert.equal(backend.listed.length, 2)
  })

  test('is asked for no longer than its timeout, and says so', async () => {
    const { backend, clock, source } = setUp()
    backend.onList = (_kind, signal) => untilAborted(signal)
    const done = source.refresh()
    await clock.advance(2999)
    assert.deepEqual(source.state(false), { kind: 'omitted', reason: 'has not answered yet' })
    await clock.advance(1)
    await done
    assert.deepEqual(source.state(true), { kind: 'omitted', reason: 'Backend a did not list within 3000 ms' })
    assert.equal(clock.pending, 0, 'no timer is left behind')
  })

  test('that is slow shows what it listed last; only a failure lets it run out', async () => {
    const { backend, clock, source } = setUp()
    backend.onList = () => Promise.resolve(listOf([tool('x')]))
    await source.refresh()
    await clock.advance(60_000)
    backend.onList = (_kind, signal) => untilAborted(signal)
    const slow = source.refresh()
    assert.equal(source.state(false).kind, 'stale', 'older than staleFor, but nothing failed yet')
    assert.equal(source.state(true).kind, 'current')
    await clock.advance(3000)
    await slow
    assert.equal(source.state(true).kind, 'stale')
    await clock.advance(9999)
    assert.equal(source.state(true).kind, 'stale')
    await clock.advance(1)
    assert.equal(source.state(true).kind, 'omitted')
  })

  test('that fails again and again runs out from the first failure', async () => {
    const { backend, clock, source } = setUp()
    backend.onList = () => Promise.resolve(listOf([tool('x')]))
    await source.refresh()
    backend.onList = down
    await source.refresh()
    await clock.advance(6000)
    await source.refresh()
    await clock.advance(4000)
    assert.deepEqual(source.state(true), { kind: 'omitted', reason: 'Backend a is not reachable' })
    backend.onList = () => Promise.resolve(listOf([tool('x')]))
    await source.refresh()
    assert.equal(source.state(true).kind, 'current')
    backend.onList = down
    await source.refresh()
    assert.equal(source.state(true).kind, 'stale', 'the new silence has its own time')
  })

  test('says what it did not foresee to the log alone', async () => {
    const { backend, source, seen } = setUp()
    backend.onList = () => Promise.reject(new TypeError('secret of the gateway'))
    await source.refresh()
    assert.deepEqual(source.state(true), { kind: 'omitted', reason: 'Internal error of the gateway' })
    assert.deepEqual(seen.debug, ['secret of the gateway'])
  })

  test('tells of a change only when other entries are to be shown', async () => {
    const { backend, source, seen } = setUp()
    const steps: readonly (readonly [() => Promise<BackendList>, number])[] = [
      [() => Promise.resolve(listOf([tool('x')])), 1],
      [() => Promise.resolve(listOf([tool('x')], { cacheScope: 'private' })), 1],
      [() => Promise.resolve(listOf([tool('x'), tool('y')])), 2],
      [() => Promise.resolve(listOf([tool('x'), tool('y', { title: 'Y' })])), 3],
      [down, 4],
      [down, 4],
      [() => Promise.resolve(listOf([tool('x'), tool('y', { title: 'Y' })])), 5],
    ]
    for (const [list, changes] of steps) {
      backend.onList = list
      await source.refresh()
      assert.equal(seen.changes, changes)
    }
  })

  test('leaves out what would make clients refuse the whole list, and warns once', async () => {
    const { backend, source, seen } = setUp()
    const entries = [tool('x'), { name: 'no-schema' }, tool('x', { title: 'twin' }), tool('z')]
    backend.onList = () => Promise.resolve(listOf(entries))
    await source.refresh()
    await source.refresh()
    const state = source.state(true)
    assert.ok(state.kind === 'current')
    assert.deepEqual(
      state.listing.entries.map(({ key, text }) => [key, text.includes('twin')]),
      [
        ['x', false],
        ['z', false],
      ],
    )
    assert.deepEqual(seen.warnings, ['no-schema: inputSchema must be of type object', 'x is listed twice'])
    backend.onList = () => Promise.resolve(listOf([{ name: 'other' }]))
    await source.refresh()
    assert.equal(seen.warnings.length, 3)
    await settled()
  })
})
