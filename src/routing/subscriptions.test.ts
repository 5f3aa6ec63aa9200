import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import {
  callOf,
  collect,
  identity,
  listOf,
  notificationOf,
  requestOf,
  scriptedBackend,
  tool,
  valueOfReply,
} from '../../test/support/scripted.ts'
import type { Backend } from '../backend/backend.ts'
import { GatewayError } from '../errors.ts'
import type { Notifications, Route } from '../pipeline/call.ts'
import { silentLog } from '../pipeline/log.ts'
import { mintPermit } from '../pipeline/permit.ts'
import { type SubscriptionFilter, asksFor, changeNotification, changeOf } from '../protocol/subscription.ts'
import { createSealer, randomKey } from '../seal/seal.ts'
import { createCatalog } from './catalog.ts'
import { createFanIn } from './subscriptions.ts'
import { createTaskIds } from './tasks.ts'

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
}
const taskIds = createTaskIds(createSealer(randomKey()))
const LISTED = { name: 'listed', uri: 'a://listed' }

interface Options {
  readonly id?: string
  readonly route?: Route
  readonly out?: Notifications
  /** Raw JSON of the request's `_meta`. */
  readonly meta?: string
}

function setUp(over: { readonly streams?: number; readonly queue?: number } = {}) {
  const clock = createFakeClock()
  const backends = [scriptedBackend('a'), scriptedBackend('b')] as const
  const [a, b] = backends
  for (const backend of backends) {
    backend.statusNow = { identity: identity({ capabilities: CAPABILITIES }) }
    backend.onIdentify = () => Promise.resolve(identity({ capabilities: CAPABILITIES }))
  }
  a.onList = (kind) => Promise.resolve(listOf(kind === 'resources' ? [LISTED] : []))
  const catalog = createCatalog(backends, {
    clock,
    log: silentLog,
    names: 'prefix',
    listDeadline: 2000,
    staleFor: 10_000,
    fetchTimeout: () => 1000,
  })
  const fanIn = createFanIn({
    catalog,
    backends: new Map(backends.map((backend) => [backend.name, backend])),
    clock,
    taskIds,
    listDeadline: 2000,
    streams: over.streams ?? 10,
    queue: over.queue ?? 10,
    age: 86_400_000,
  })
  const open = (filter: object, options: Options = {}) => {
    const { id = '7', route = { kind: 'aggregate' }, meta = '{}' } = options
    const collected = collect()
    const leaving = new AbortController()
    const text = `{"jsonrpc":"2.0","id":${id},"method":"subscriptions/listen","params":{"notifications":${JSON.stringify(filter)},"_meta":${meta}}}`
    const names = route.kind === 'backend' ? [route.backend] : backends.map(({ name }) => name)
    const target = { kind: 'many', operation: { kind: 'listen' }, backends: names } as const
    const call = callOf(requestOf(text), { route, signal: leaving.signal })
    const ended = fanIn.listen({ ...call, target, permit: mintPermit(target) }, options.out ?? collected)
    ended.catch(() => undefined)
    const leave = (): void => leaving.abort(new GatewayError('CANCELLED', 'left'))
    return { texts: collected.texts, taken: () => collected.texts.splice(0), ended, leave }
  }
  return { clock, a, b, catalog, fanIn, open }
}

const ack = (id: string, honoured: string): string =>
  `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":${id}},"notifications":${honoured}}}`
const changed = (list: string, id = '7'): string =>
  `{"jsonrpc":"2.0","method":"notifications/${list}/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":${id}}}}`
const updated = (uri: string, rest = ''): string =>
  `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":${JSON.stringify(uri)}${rest}}}`

describe('a subscription', () => {
  test('is acknowledged first, and then tells what was asked for, every message under the id of the client', async () => {
    const { a, b, open } = setUp()
    const id = '"s\\u0031 \\/"'
    const one = open({ toolsListChanged: true, resourceSubscriptions: ['a://listed'] }, { id })
    await settled()
    assert.deepEqual(one.taken(), [
      ack(id, '{"toolsListChanged":true,"resourceSubscriptions":["a://listed"]}'),
    ])
    b.announce('tools')
    b.announce('prompts')
    a.announce('resources')
    assert.deepEqual(one.taken(), [changed('tools', id)])
    a.announce(
      notificationOf(
        updated('a://listed', ',"_meta":{"k":1.0,"io.modelcontextprotocol/subscriptionId":99},"n":-0'),
      ),
    )
    b.announce(notificationOf(updated('a://listed')))
    assert.deepEqual(one.taken(), [
      updated('a://listed', `,"_meta":{"k":1.0,"io.modelcontextprotocol/subscriptionId":${id}},"n":-0`),
    ])
    a.announce(notificationOf(updated('a://listed/part')))
    assert.match(one.taken()[0] ?? '', /"uri":"a:\/\/listed\/part"/)
    assert.equal(a.listeners, 2)
    one.leave()
    await assert.rejects(one.ended, { code: 'CANCELLED' })
    assert.equal(a.listeners, 1, 'only the catalog follows')
  })

  test('says nothing before it is acknowledged, and waits for slow backends but not for ever', async () => {
    const { clock, a, b, open } = setUp()
    const late = Promise.withResolvers<SubscriptionFilter>()
    const asked: SubscriptionFilter[] = []
    b.honours = (filter) => (asked.push(filter), late.promise)
    const one = open({ toolsListChanged: true, resourceSubscriptions: ['x://nobody'] })
    await settled()
    a.announce('tools')
    a.announce(notificationOf(updated('x://nobody')))
    await clock.advance(1999)
    assert.deepEqual(one.texts, [])
    await clock.advance(1)
    assert.equal(one.texts[0], ack('7', '{"toolsListChanged":true,"resourceSubscriptions":["x://nobody"]}'))
    assert.equal(one.taken().length, 3)
    late.resolve({ lists: ['tools'], resources: [], tasks: [] })
    await clock.advance(200)
    assert.deepEqual(one.taken(), [changed('tools')], 'what comes late is news')
  })

  test('drops resources that nobody owns, and asks only the owner where it is known', async () => {
    const { a, b, open } = setUp()
    a.honours = b.honours = (filter) =>
      Promise.resolve({ ...filter, resources: filter.resources.filter((uri) => uri !== 'x://nobody') })
    const one = open({ resourceSubscriptions: ['x://nobody', 'a://listed', 'x://some'] })
    await settled()
    assert.deepEqual(one.taken(), [ack('7', '{"resourceSubscriptions":["a://listed","x://some"]}')])
    assert.deepEqual(a.subscriptions.at(-1)?.filter.resources, ['x://nobody', 'a://listed', 'x://some'])
    assert.deepEqual(b.subscriptions.at(-1)?.filter.resources, ['x://nobody', 'x://some'])
    a.announce(notificationOf(updated('x://nobody')))
    assert.deepEqual(one.taken(), [], 'what was not agreed is not told')
  })

  test('on the route of one backend concerns that backend alone', async () => {
    const { a, b, open } = setUp()
    a.statusNow = { identity: identity({ capabilities: { tools: {} } }) }
    const route = { kind: 'backend', backend: 'a' } as const
    const one = open({ toolsListChanged: true, promptsListChanged: true }, { route })
    await settled()
    b.announce('tools')
    assert.deepEqual(one.taken(), [ack('7', '{"toolsListChanged":true}')])
    a.announce('tools')
    assert.deepEqual(one.taken(), [changed('tools')])
  })

  test('tells a burst of list changes at its beginning and once at its end', async () => {
    const { clock, a, b, open } = setUp()
    const one = open({ toolsListChanged: true, promptsListChanged: true })
    await settled()
    one.taken()
    for (let times = 0; times < 50; times++) (times % 2 === 0 ? a : b).announce('tools')
    a.announce('prompts')
    assert.deepEqual(one.taken(), [changed('tools'), changed('prompts')])
    await clock.advance(100)
    assert.deepEqual(one.taken(), [changed('tools')])
    await clock.advance(1000)
    assert.deepEqual(one.taken(), [])
  })

  test('hears of a list that changed without a word, and of one that is not shown any more', async () => {
    const { clock, a, catalog, open } = setUp()
    a.onList = () => Promise.resolve(listOf([tool('x')]))
    await catalog.list('tools', { kind: 'aggregate' })
    const one = open({ toolsListChanged: true })
    await settled()
    one.taken()
    a.onList = () => Promise.resolve(listOf([tool('y')]))
    await catalog.list('tools', { kind: 'aggregate' })
    assert.deepEqual(one.taken(), [changed('tools')])
    a.announce('tools')
    await clock.advance(1000)
    one.taken()
    a.onList = () => Promise.resolve(listOf([tool('z')]))
    await catalog.list('tools', { kind: 'aggregate' })
    assert.deepEqual(one.taken(), [], 'it said so')
    a.onList = () => Promise.reject(new GatewayError('BACKEND_UNAVAILABLE', 'gone'))
    await catalog.list('tools', { kind: 'aggregate' })
    await clock.advance(9999)
    assert.deepEqual(one.taken(), [])
    await clock.advance(1)
    assert.deepEqual(one.taken(), [changed('tools')])
    catalog.close()
  })

  test('of a client that does not read keeps the last word on each resource, and ends when that is too much', async () => {
    const { a, open } = setUp({ queue: 3 })
    const ready = Promise.withResolvers<void>()
    const read: string[] = []
    const out = { send: ({ text }: { text: string }) => (read.push(text), ready.promise) }
    const uris = ['x://1', 'x://2', 'x://3', 'x://4']
    const one = open({ toolsListChanged: true, resourceSubscriptions: uris }, { out })
    await settled()
    for (let times = 0; times < 1000; times++) {
      for (const uri of uris.slice(0, 3)) a.announce(notificationOf(updated(uri, `,"n":${times}`)))
      a.announce('tools')
    }
    assert.equal(read.length, 1, 'only the acknowledgement')
    a.announce(notificationOf(updated('x://4')))
    await assert.rejects(one.ended, { code: 'SLOW_CONSUMER' })
    ready.resolve()
    await settled()
    assert.equal(read.length, 1)
  })

  test('goes on at the pace of its client', async () => {
    const { a, open } = setUp()
    let ready = Promise.withResolvers<void>()
    const read: string[] = []
    const out = { send: ({ text }: { text: string }) => (read.push(text), ready.promise) }
    open({ resourceSubscriptions: ['x://1', 'x://2'] }, { out })
    await settled()
    for (const uri of ['x://1', 'x://2', 'x://1'])
      a.announce(notificationOf(updated(uri, `,"n":${read.length}`)))
    for (const count of [2, 3, 3]) {
      const last = ready
      ready = Promise.withResolvers()
      last.resolve()
      await settled()
      assert.equal(read.length, count)
    }
  })

  test('is refused without a filter, and with more resources than anybody needs', async () => {
    const { open } = setUp()
    await assert.rejects(open([]).ended, { code: 'INVALID_PARAMS' })
    const resourceSubscriptions = Array.from({ length: 1001 }, (_, index) => `x://${index}`)
    await assert.rejects(open({ resourceSubscriptions }).ended, { code: 'INVALID_PARAMS' })
  })

  test('beyond the limit of a principal is refused until another ends', async () => {
    const { open } = setUp({ streams: 2 })
    const [first] = [open({}), open({})]
    await settled()
    await assert.rejects(open({}).ended, { code: 'TOO_MANY' })
    first?.leave()
    await settled()
    const next = open({})
    await settled()
    assert.deepEqual(next.texts, [ack('7', '{}')])
  })

  test('ends in good order when the gateway drains, and none begins after that', async () => {
    const { a, clock, fanIn, open } = setUp()
    a.honours = (filter) =>
      filter.lists.includes('prompts') ? new Promise(() => undefined) : Promise.resolve(filter)
    const one = open({ toolsListChanged: true }, { id: '"x"' })
    const opening = open({ promptsListChanged: true })
    await settled()
    fanIn.drain()
    const reply = await one.ended
    assert.deepEqual(valueOfReply(reply), {
      resultType: 'complete',
      _meta: { 'io.modelcontextprotocol/subscriptionId': 'x' },
    })
    await assert.rejects(opening.ended, { code: 'DRAINING' })
    await assert.rejects(open({}).ended, { code: 'DRAINING' })
    assert.deepEqual(opening.texts, [], 'nothing is said before the acknowledgement')
    assert.equal(clock.pending, 0)
  })
})

describe('a subscription while backends change', () => {
  const NO_RIGHTS = { rightsOf: undefined }
  const mapOf = (...backends: readonly Backend[]): ReadonlyMap<string, Backend> =>
    new Map(backends.map((backend) => [backend.name, backend]))
  const another = (name: string) => {
    const backend = scriptedBackend(name)
    backend.statusNow = { identity: identity({ capabilities: CAPABILITIES }) }
    backend.onIdentify = () => Promise.resolve(identity({ capabilities: CAPABILITIES }))
    return backend
  }

  test('follows what came, lets go of what left, and is told of both', async () => {
    const { clock, a, b, catalog, fanIn, open } = setUp()
    const one = open({ toolsListChanged: true, resourceSubscriptions: ['x://nobody'] })
    await settled()
    one.taken()
    const c = another('c')
    catalog.serve([a, c])
    fanIn.serve({ ...NO_RIGHTS, backends: mapOf(a, c) })
    await settled()
    assert.deepEqual(one.taken(), [changed('tools')])
    await clock.advance(1000)
    one.taken()
    assert.equal(b.listeners, 0)
    c.announce('tools')
    c.announce(notificationOf(updated('x://nobody')))
    assert.equal(one.taken().length, 2)
    one.leave()
    await assert.rejects(one.ended)
    assert.equal(c.listeners, 1, 'only the catalog follows')
  })

  test('goes on with the rights that hold now', async () => {
    const { clock, a, b, catalog, fanIn, open } = setUp()
    const one = open({ toolsListChanged: true })
    await settled()
    one.taken()
    const c = another('c')
    catalog.serve([a, b, c])
    const rights = { reaches: (backend: string) => backend === 'a', sees: () => true }
    fanIn.serve({ rightsOf: () => rights, backends: mapOf(a, b, c) })
    await settled()
    for (const backend of [b, c]) backend.announce('tools')
    await clock.advance(1000)
    assert.deepEqual(one.taken(), [])
    a.announce('tools')
    assert.deepEqual(one.taken(), [changed('tools')])
  })

  test('misses nothing that came before it was acknowledged', async () => {
    const { clock, a, b, fanIn, catalog, open } = setUp()
    const late = Promise.withResolvers<SubscriptionFilter>()
    b.honours = () => late.promise
    const c = another('c')
    const one = open({ toolsListChanged: true })
    catalog.serve([a, b, c])
    fanIn.serve({ ...NO_RIGHTS, backends: mapOf(a, b, c) })
    await settled()
    late.resolve({ lists: ['tools'], resources: [], tasks: [] })
    await clock.advance(3000)
    one.taken()
    c.announce('tools')
    assert.deepEqual(one.taken(), [changed('tools')])
  })

  test('to one backend stays where that stays, and ends in good order where it does not', async () => {
    const { a, b, fanIn, open } = setUp()
    const one = open({ toolsListChanged: true }, { route: { kind: 'backend', backend: 'a' } })
    const other = open({ toolsListChanged: true }, { route: { kind: 'backend', backend: 'b' } })
    await settled()
    fanIn.serve({ ...NO_RIGHTS, backends: mapOf(a) })
    assert.deepEqual(valueOfReply(await other.ended)['resultType'], 'complete')
    one.taken()
    a.announce('tools')
    assert.deepEqual(one.taken(), [changed('tools')])
    void b
  })
})

describe('a subscription to tasks', () => {
  const meta =
    '{"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}'
  const idOf = (backend: string, taskId: string, principal = 'anonymous'): string =>
    taskIds.seal({ backend, taskId, tool: 'run' }, { principal: { id: principal, anonymous: true } })
  const status = (taskId: string, rest = ''): string =>
    `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"${taskId}"${rest}}}`
  const meta7 = (subscription: string): string =>
    `,"_meta":{"io.modelcontextprotocol/subscriptionId":${subscription}}`

  test('follows them at their backends, and tells of each under the id that the client has', async () => {
    const { a, b, open } = setUp()
    const [first, again, other] = [idOf('a', '1'), idOf('a', '1'), idOf('b', '1')]
    const one = open({ taskIds: [first, again, other] }, { meta })
    await settled()
    assert.deepEqual(one.taken(), [ack('7', JSON.stringify({ taskIds: [first, again, other] }))])
    assert.deepEqual(a.subscriptions.at(-1)?.filter, { lists: [], resources: [], tasks: ['1'] })
    a.announce(notificationOf(status('1', `,"ttlMs":1.0${meta7('99')}`)))
    assert.deepEqual(one.taken(), [
      status(first, `,"ttlMs":1.0${meta7('7')}`),
      status(again, `,"ttlMs":1.0${meta7('7')}`),
    ])
    b.announce(notificationOf(status('1', meta7('99'))))
    b.announce(notificationOf(status('2', meta7('99'))))
    assert.deepEqual(one.taken(), [status(other, meta7('7'))])
    one.leave()
    await assert.rejects(one.ended, { code: 'CANCELLED' })
    assert.equal(a.listeners, 1, 'only the catalog follows')
  })

  test('leaves out what is not the client’s, what this route does not reach and what its backend refuses', async () => {
    const { a, open } = setUp()
    a.honours = (filter) => Promise.resolve({ ...filter, tasks: filter.tasks.filter((id) => id !== 'gone') })
    const mine = idOf('a', '1')
    const ids = ['1', idOf('a', '1', 'somebody'), idOf('b', '1'), idOf('a', 'gone'), mine]
    const one = open({ taskIds: ids }, { meta, route: { kind: 'backend', backend: 'a' } })
    await settled()
    assert.deepEqual(one.taken(), [ack('7', JSON.stringify({ taskIds: [mine] }))])
    a.announce(notificationOf(status('gone')))
    assert.deepEqual(one.taken(), [])
  })

  test('is the same at a backend of either era', async () => {
    const { a, open } = setUp()
    a.statusNow = { identity: identity({ era: 'legacy', capabilities: CAPABILITIES }) }
    open({ taskIds: [idOf('a', '1')] }, { meta })
    await settled()
    assert.deepEqual(
      a.subscriptions.flatMap(({ filter }) => filter.tasks),
      ['1'],
    )
  })

  test('keeps the last status of each task while the client does not read', async () => {
    const { a, open } = setUp()
    const ready = Promise.withResolvers<void>()
    const read: string[] = []
    const out = { send: ({ text }: { text: string }) => (read.push(text), ready.promise) }
    open({ taskIds: [idOf('a', '1')] }, { meta, out })
    await settled()
    for (let times = 0; times < 100; times++) a.announce(notificationOf(status('1', `,"n":${times}`)))
    ready.resolve()
    await settled()
    assert.equal(read.length, 2)
    assert.match(read[1] ?? '', /"n":99/)
  })

  test('is refused to whoever does not declare the extension', async () => {
    const { open } = setUp()
    await assert.rejects(open({ taskIds: [idOf('a', '1')] }).ended, { code: 'MISSING_CAPABILITY' })
    const nothing = open({ taskIds: [] })
    await settled()
    assert.deepEqual(nothing.taken(), [ack('7', '{}')])
    const taskIds = Array.from({ length: 1001 }, (_, index) => String(index))
    await assert.rejects(open({ taskIds }, { meta }).ended, { code: 'INVALID_PARAMS' })
  })
})

test('whatever backends announce, nothing is told that was not asked for', async () => {
  // A generator of its own, so that every run tries the same.
  let state = 20_261_122
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % below
  }
  const uris = ['a://listed', 'a://listed/x', 'a://listedx', 'x://1', 'x://1?q', 'x://12']
  const some = <T>(from: readonly T[]): readonly T[] => from.filter(() => random(2) === 0)
  for (let run = 0; run < 100; run++) {
    const { clock, a, b, open } = setUp({ queue: 100 })
    const filter: SubscriptionFilter = {
      lists: some(['tools', 'prompts', 'resources']),
      resources: some(uris),
      tasks: [],
    }
    const honours = some(uris)
    b.honours = (asked) =>
      Promise.resolve({ ...asked, resources: asked.resources.filter((uri) => honours.includes(uri)) })
    const flags = Object.fromEntries(filter.lists.map((list) => [`${list}ListChanged`, true]))
    const one = open({ ...flags, resourceSubscriptions: filter.resources })
    if (random(2) === 0) await settled()
    for (let times = 0; times < 20; times++) {
      const backend = random(2) === 0 ? a : b
      if (random(2) === 0)
        backend.announce((['tools', 'prompts', 'resources'] as const)[random(3)] ?? 'tools')
      else backend.announce(changeNotification({ kind: 'resource', uri: uris[random(6)] ?? '' }))
      if (random(5) === 0) await clock.advance(50)
    }
    await clock.advance(5000)
    const [first, ...others] = one.texts
    assert.match(first ?? '', /acknowledged/)
    for (const text of others) {
      const change = changeOf(notificationOf(text))
      assert.ok(change !== undefined && asksFor(filter, change), `${JSON.stringify(filter)} ${text}`)
      assert.match(text, /"io.modelcontextprotocol\/subscriptionId":7/)
    }
  }
})
