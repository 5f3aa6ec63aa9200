import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import {
  type ScriptedBackend,
  listOf,
  scriptedBackend,
  tool,
  untilAborted,
} from '../../test/support/scripted.ts'
import type { BackendList } from '../backend/backend.ts'
import { GatewayError } from '../errors.ts'
import { silentLog } from '../pipeline/log.ts'
import { believing } from './integrity/integrity.ts'
import { type CatalogPorts, type Snapshot, createCatalog } from './catalog.ts'

const ALL = { kind: 'aggregate' } as const
const one = (backend: string) => ({ kind: 'backend', backend }) as const

function setUp(over: Partial<CatalogPorts> = {}) {
  const clock = createFakeClock()
  const a: ScriptedBackend = scriptedBackend('a')
  const b: ScriptedBackend = scriptedBackend('b')
  const catalog = createCatalog([a, b], {
    clock,
    log: silentLog,
    names: 'prefix',
    listDeadline: 2000,
    staleFor: 60_000,
    fetchTimeout: () => 30_000,
    ...over,
  })
  a.onList = lists('x')
  b.onList = lists('y')
  return { clock, a, b, catalog }
}

function lists(name: string, over: Partial<BackendList> = {}): ScriptedBackend['onList'] {
  return (kind) =>
    Promise.resolve(kind === 'tools' ? listOf([tool(name)], over) : listOf([], { offered: false }))
}

const down: ScriptedBackend['onList'] = () => Promise.reject(new GatewayError('BACKEND_UNAVAILABLE', 'gone'))
const hanging: ScriptedBackend['onList'] = (_kind, signal) => untilAborted(signal)

function namesIn(snapshot: Snapshot): readonly string[] {
  return snapshot.view.entries.map(({ exposed }) => exposed)
}

describe('a list of the catalog', () => {
  test('merges in the order of the configuration, whoever answers first', async () => {
    const { a, b, catalog } = setUp()
    const gate = Promise.withResolvers<BackendList>()
    a.onList = () => gate.promise
    const listing = catalog.list('tools', ALL)
    await Promise.resolve()
    gate.resolve(listOf([tool('x')]))
    assert.deepEqual(namesIn(await listing), ['a_x', 'b_y'])
    assert.deepEqual(namesIn(await catalog.list('tools', one('b'))), ['y'])
    assert.equal(a.listed.length, 1, 'the route of one backend asks no other')
    assert.equal(b.listed.length, 2)
  })

  test('waits a moment only for a backend that is known to be sick, which may be back', async () => {
    const { a, b, clock, catalog } = setUp()
    await catalog.list('tools', ALL)
    b.statusNow = { health: { status: 'unreachable', since: 0 } }
    b.onList = hanging
    const listing = catalog.list('tools', ALL)
    await clock.advance(250)
    const snapshot = await listing
    assert.deepEqual(namesIn(snapshot), ['a_x', 'b_y'])
    assert.deepEqual(
      snapshot.away.map(({ backend, listed }) => [backend, listed]),
      [['b', 'stale']],
    )
    a.statusNow = { health: { status: 'unhealthy', since: 0 } }
    a.onList = lists('back')
    const again = catalog.list('tools', ALL)
    await clock.advance(250)
    assert.deepEqual(namesIn(await again), ['a_back', 'b_y'])
  })

  test('answers at its deadline without the backend that hangs, names it, and leaves no timer', async () => {
    const { clock, a, catalog } = setUp()
    a.onList = hanging
    const listing = catalog.list('tools', ALL)
    await clock.advance(1999)
    let answered = false
    void listing.then(() => (answered = true))
    await clock.advance(0)
    assert.ok(!answered)
    await clock.advance(1)
    const snapshot = await listing
    assert.deepEqual(namesIn(snapshot), ['b_y'])
    assert.deepEqual(snapshot.away, [{ backend: 'a', listed: 'omitted', reason: 'has not answered yet' }])
    assert.equal(snapshot.ttlMs, 0)
    assert.equal(clock.pending, 1, 'the fetch itself may still end well')
    await clock.advance(28_000)
    assert.equal(clock.pending, 0)
  })

  test('of a backend that hangs shows what it listed last and says that it is stale, however old that is', async () => {
    const { clock, a, catalog } = setUp()
    await catalog.list('tools', ALL)
    await clock.advance(600_000)
    a.onList = hanging
    const listing = catalog.list('tools', ALL)
    await clock.advance(2000)
    const snapshot = await listing
    assert.deepEqual(namesIn(snapshot), ['a_x', 'b_y'])
    assert.deepEqual(snapshot.away, [{ backend: 'a', listed: 'stale', reason: 'has not answered yet' }])
  })

  test('of a dead backend is shown for staleFor, then omitted, and comes back', async () => {
    const { clock, a, catalog } = setUp()
    await catalog.list('tools', ALL)
    a.onList = down
    const stale = await catalog.list('tools', ALL)
    assert.deepEqual(namesIn(stale), ['a_x', 'b_y'])
    assert.deepEqual([stale.away[0]?.listed, stale.ttlMs, stale.cacheScope], ['stale', 0, 'private'])
    await clock.advance(59_999)
    assert.deepEqual(namesIn(await catalog.list('tools', ALL)), ['a_x', 'b_y'])
    await clock.advance(1)
    const omitted = await catalog.list('tools', ALL)
    assert.deepEqual(namesIn(omitted), ['b_y'])
    assert.deepEqual(omitted.away, [{ backend: 'a', listed: 'omitted', reason: 'gone' }])
    assert.equal(omitted.ttlMs, 0)
    a.onList = lists('x')
    const back = await catalog.list('tools', ALL)
    assert.deepEqual(namesIn(back), ['a_x', 'b_y'])
    assert.deepEqual(back.away, [])
  })

  test('lives as long as its shortest part and is as private as its most private', async () => {
    const { clock, a, b, catalog } = setUp()
    a.onList = lists('x', { ttlMs: 10_000 })
    b.onList = lists('y', { ttlMs: 4000 })
    assert.equal((await catalog.list('tools', ALL)).ttlMs, 4000)
    await clock.advance(1500)
    const later = await catalog.list('tools', ALL)
    assert.deepEqual([later.ttlMs, later.cacheScope], [2500, 'public'])
    b.onList = lists('y', { ttlMs: 5000, cacheScope: 'private' })
    await clock.advance(2500)
    const third = await catalog.list('tools', ALL)
    assert.deepEqual([third.ttlMs, third.cacheScope], [5000, 'private'])
    assert.deepEqual([a.listed.length, b.listed.length], [1, 2], 'only what had run out was asked for')
  })

  test('does not let backends without the feature shorten its life', async () => {
    const { a, b, catalog } = setUp()
    a.onList = lists('x', { ttlMs: 10_000 })
    b.onList = () => Promise.resolve(listOf([], { offered: false }))
    assert.equal((await catalog.list('tools', ALL)).ttlMs, 10_000)
  })

  test('is built once for as long as nothing in it changes', async () => {
    const { a, catalog } = setUp()
    const first = await catalog.list('tools', ALL)
    const second = await catalog.list('tools', ALL)
    assert.equal(second.view, first.view)
    a.onList = lists('renamed')
    const third = await catalog.list('tools', ALL)
    assert.notEqual(third.view, first.view)
    assert.notEqual(third.view.digest, first.view.digest)
  })

  test('is asked for again after a backend announced a change, until the catalog is closed', async () => {
    const { a, catalog } = setUp()
    a.onList = lists('x', { ttlMs: 60_000 })
    await catalog.list('tools', ALL)
    await catalog.list('tools', ALL)
    assert.equal(a.listed.length, 1)
    a.announce('prompts')
    await catalog.list('tools', ALL)
    assert.equal(a.listed.length, 1)
    a.announce('tools')
    await catalog.list('tools', ALL)
    assert.equal(a.listed.length, 2)
    catalog.close()
    assert.equal(a.listeners, 0)
  })
})

describe('looking a name up', () => {
  test('is a look-up in a table that is there: nothing is asked, nothing is built', async () => {
    const { a, b, catalog } = setUp()
    await catalog.list('tools', ALL)
    const asked = a.listed.length + b.listed.length
    const found = await catalog.find('tools', ALL, 'a_x')
    const again = await catalog.find('tools', ALL, 'a_x')
    assert.ok(found.kind === 'found' && again.kind === 'found')
    assert.equal(found.shown, again.shown)
    assert.deepEqual([found.shown.entry.backend, found.shown.entry.key], ['a', 'x'])
    assert.equal(a.listed.length + b.listed.length, asked)
  })

  test('never takes names apart', async () => {
    const { catalog } = setUp()
    assert.equal((await catalog.find('tools', ALL, 'x')).kind, 'unknown')
    assert.equal((await catalog.find('tools', one('a'), 'a_x')).kind, 'unknown')
    assert.equal((await catalog.find('tools', one('a'), 'x')).kind, 'found')
    assert.equal((await catalog.find('tools', ALL, '__proto__')).kind, 'unknown')
  })

  test('asks again before it gives up, once for many callers and not more often than once a second', async () => {
    const { clock, a, catalog } = setUp()
    a.onList = lists('x', { ttlMs: 600_000 })
    await catalog.list('tools', ALL)
    await clock.advance(1000)
    const missing = await Promise.all(['n1', 'n2', 'n3'].map((name) => catalog.find('tools', ALL, name)))
    assert.deepEqual(new Set(missing.map(({ kind }) => kind)), new Set(['unknown']))
    assert.equal(a.listed.length, 2)
    await clock.advance(999)
    await catalog.find('tools', ALL, 'n4')
    assert.equal(a.listed.length, 2)
    a.onList = lists('new', { ttlMs: 600_000 })
    await clock.advance(1)
    assert.equal((await catalog.find('tools', ALL, 'a_new')).kind, 'found')
  })

  test('asks at once where a change was announced', async () => {
    const { a, catalog } = setUp()
    a.onList = lists('x', { ttlMs: 600_000 })
    await catalog.list('tools', ALL)
    a.onList = lists('new', { ttlMs: 600_000 })
    a.announce('tools')
    assert.equal((await catalog.find('tools', ALL, 'a_new')).kind, 'found')
  })

  test('asks a backend at once that came up after its list could not be had, and only once', async () => {
    const { clock, a, catalog } = setUp()
    a.onList = down
    a.statusNow = { condition: { state: 'up' }, since: clock.wallTime() }
    await catalog.find('tools', ALL, 'a_x')
    await catalog.find('tools', ALL, 'a_x')
    assert.equal(a.listed.length, 1, 'it was up all the time')
    await clock.advance(1)
    a.statusNow = { condition: { state: 'up' }, since: clock.wallTime() }
    await catalog.find('tools', ALL, 'a_x')
    await catalog.find('tools', ALL, 'a_x')
    assert.equal(a.listed.length, 2, 'it has been asked since it came up')
    await clock.advance(1)
    a.statusNow = { condition: { state: 'up' }, since: clock.wallTime() }
    a.onList = lists('x')
    assert.equal((await catalog.find('tools', ALL, 'a_x')).kind, 'found')
  })

  test('says what is known and who is away', async () => {
    const { a, catalog } = setUp()
    a.onList = down
    const missing = await catalog.find('tools', ALL, 'a_x')
    assert.ok(missing.kind === 'unknown')
    assert.deepEqual(
      missing.view.entries.map(({ exposed }) => exposed),
      ['b_y'],
    )
    assert.deepEqual(missing.away, [{ backend: 'a', listed: 'omitted', reason: 'gone' }])
  })

  test('still finds the tool of a backend that went away, for as long as it is listed', async () => {
    const { clock, a, catalog } = setUp()
    await catalog.list('tools', ALL)
    a.onList = down
    await catalog.list('tools', ALL)
    assert.equal((await catalog.find('tools', ALL, 'a_x')).kind, 'found')
    await clock.advance(60_000)
    assert.equal((await catalog.find('tools', ALL, 'a_x')).kind, 'unknown')
  })
})

test('refetching asks even for a fresh list, and only the backend that is meant', async () => {
  const { a, b, catalog } = setUp()
  a.onList = lists('x', { ttlMs: 600_000 })
  await catalog.list('tools', ALL)
  a.onList = lists('z', { ttlMs: 600_000 })
  await catalog.refetch('tools', 'a')
  await catalog.refetch('tools', 'nobody')
  assert.deepEqual([a.listed.length, b.listed.length], [2, 1])
  assert.equal((await catalog.find('tools', ALL, 'a_z')).kind, 'found')
  const known = catalog.known('tools', 'a')
  assert.ok(known?.kind === 'current' && known.listing.entries.length === 1)
  assert.equal(catalog.known('tools', 'nobody'), undefined)
})

describe('a catalog whose backends change', () => {
  test('keeps what it knows of those that stay, and asks those that came', async () => {
    const { a, b, catalog } = setUp()
    a.onList = lists('x', { ttlMs: 60_000 })
    assert.deepEqual(namesIn(await catalog.list('tools', ALL)), ['a_x', 'b_y'])
    const asked = a.listed.length
    const c = scriptedBackend('c')
    c.onList = lists('z')
    catalog.serve([c, a])
    assert.deepEqual(namesIn(await catalog.list('tools', ALL)), ['c_z', 'a_x'])
    assert.equal(a.listed.length, asked)
    assert.equal(catalog.peek('tools', ALL, 'b_y'), undefined)
    assert.equal(catalog.known('tools', 'b'), undefined)
    assert.deepEqual([a.listeners, b.listeners, c.listeners], [1, 0, 1])
  })

  test('takes another backend of the same name for another', async () => {
    const { a, b, catalog } = setUp()
    await catalog.list('tools', ALL)
    const other = scriptedBackend('b')
    other.onList = lists('other')
    catalog.serve([a, other])
    assert.equal(catalog.peek('tools', ALL, 'b_y'), undefined)
    assert.deepEqual(namesIn(await catalog.list('tools', ALL)), ['a_x', 'b_other'])
    assert.equal(b.listeners, 0)
  })

  test('does not let a list that comes too late judge those of others', async () => {
    const judged: string[] = []
    const integrity = { ...believing, update: (backend: string) => void judged.push(backend) }
    const { a, b, catalog } = setUp({ integrity })
    const gate = Promise.withResolvers<BackendList>()
    b.onList = () => gate.promise
    const listing = catalog.refetch('tools', 'b')
    catalog.serve([a])
    gate.resolve(listOf([tool('y')]))
    await listing
    assert.deepEqual(judged, [])
  })
})
