import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import {
  type ScriptedBackend,
  callOf,
  collect,
  identity,
  listOf,
  request,
  scriptedBackend,
  tool,
  untilAborted,
  valueOfReply,
  someone,
} from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Call, Reply, Route } from '../pipeline/call.ts'
import { silentLog } from '../pipeline/log.ts'
import { mintPermit } from '../pipeline/permit.ts'
import type { ManyTarget } from '../pipeline/target.ts'
import type { ListMethod } from '../protocol/methods.ts'
import { createSealer, randomKey } from '../seal/seal.ts'
import { createCatalog } from './catalog.ts'
import { merge } from './merge.ts'

function setUp(over: { readonly pageSize?: number } = {}) {
  const clock = createFakeClock()
  const a: ScriptedBackend = scriptedBackend('a')
  const b: ScriptedBackend = scriptedBackend('b')
  const ports = { clock, listDeadline: 2000 }
  const catalog = createCatalog([a, b], {
    ...ports,
    log: silentLog,
    names: 'prefix',
    staleFor: 60_000,
    fetchTimeout: () => 30_000,
  })
  const backends = new Map([a, b].map((backend) => [backend.name, backend]))
  const sealer = createSealer(randomKey())
  const search = (): Promise<Reply> => Promise.reject(new Error('not to be asked'))
  const handler = merge({ ...ports, catalog, backends, sealer, pageSize: over.pageSize, search })
  const ask = (call: Call, target: ManyTarget): Promise<Reply> =>
    handler({ ...call, target, permit: mintPermit(target) }, collect())
  const list = (method: ListMethod, params?: unknown, over: Partial<Call> = {}): Promise<Reply> =>
    ask(callOf(request(method, params), over), {
      kind: 'many',
      operation: { kind: 'list', method },
      backends: ['a', 'b'],
    })
  const discover = (route: Route = { kind: 'aggregate' }, over: Partial<Call> = {}): Promise<Reply> =>
    ask(callOf(request('server/discover'), { route, ...over }), {
      kind: 'many',
      operation: { kind: 'discover' },
      backends: route.kind === 'aggregate' ? ['a', 'b'] : [route.backend],
    })
  return { clock, a, b, list, discover }
}

const numbered = (count: number): ScriptedBackend['onList'] => {
  const tools = Array.from({ length: count }, (_, index) => tool(`t${index}`))
  return () => Promise.resolve(listOf(tools, { ttlMs: 1000 }))
}

async function refusal(reply: Promise<Reply>): Promise<string> {
  try {
    await reply
  } catch (error) {
    assert.ok(error instanceof GatewayError)
    assert.equal(error.code, 'INVALID_PARAMS')
    return error.message
  }
  return assert.fail('not refused')
}

describe('a merged list', () => {
  test('is one full page with the cache hints of what it is made of', async () => {
    const { a, b, list } = setUp()
    a.onList = numbered(1)
    b.onList = () => Promise.resolve(listOf([tool('y')], { ttlMs: 500, cacheScope: 'private' }))
    const reply = await list('tools/list')
    assert.deepEqual(valueOfReply(reply), {
      resultType: 'complete',
      tools: [tool('a_t0'), tool('b_y')],
      ttlMs: 500,
      cacheScope: 'private',
    })
  })

  test('names the backends that are away', async () => {
    const { a, list } = setUp()
    a.onList = () => Promise.reject(new GatewayError('BACKEND_UNAVAILABLE', 'a is "gone"'))
    const { tools, ttlMs, _meta } = valueOfReply(await list('tools/list'))
    assert.deepEqual([tools, ttlMs], [[], 0])
    assert.deepEqual(_meta, { 'io.toolgate/backends': { a: { listed: 'omitted', reason: 'a is "gone"' } } })
  })

  test('page by page holds every entry once, in order', async () => {
    for (const pageSize of [1, 2, 3, 4, 5, 6, 50]) {
      const { a, b, list } = setUp({ pageSize })
      a.onList = numbered(3)
      b.onList = numbered(2)
      const names: string[] = []
      let cursor: unknown
      let pages = 0
      do {
        const value = valueOfReply(await list('tools/list', cursor === undefined ? undefined : { cursor }))
        names.push(...(value['tools'] as { name: string }[]).map(({ name }) => name))
        cursor = value['nextCursor']
        pages++
      } while (cursor !== undefined)
      assert.deepEqual(names, ['a_t0', 'a_t1', 'a_t2', 'b_t0', 'b_t1'])
      assert.equal(pages, Math.ceil(5 / pageSize), 'a full last page has no cursor')
    }
  })

  test('is empty without a cursor when there is nothing', async () => {
    const { list } = setUp({ pageSize: 2 })
    const { prompts, nextCursor } = valueOfReply(await list('prompts/list'))
    assert.deepEqual([prompts, nextCursor], [[], undefined])
  })
})

describe('a cursor', () => {
  async function withCursor() {
    const parts = setUp({ pageSize: 1 })
    parts.a.onList = numbered(3)
    const cursor = valueOfReply(await parts.list('tools/list'))['nextCursor']
    assert.ok(typeof cursor === 'string')
    return { ...parts, cursor }
  }

  test('is good for its list, again and again', async () => {
    const { list, cursor } = await withCursor()
    const first = await list('tools/list', { cursor })
    const second = await list('tools/list', { cursor })
    assert.deepEqual(valueOfReply(first)['tools'], valueOfReply(second)['tools'])
  })

  const elsewhere: readonly (readonly [string, ListMethod, Partial<Call>])[] = [
    ['another method', 'prompts/list', {}],
    ['another route', 'tools/list', { route: { kind: 'backend', backend: 'a' } }],
    ['another principal', 'tools/list', { principal: someone('eve') }],
  ]
  for (const [what, method, over] of elsewhere) {
    test(`is unknown to ${what}`, async () => {
      const { list, cursor } = await withCursor()
      assert.match(await refusal(list(method, { cursor }, over)), /^Unknown cursor: /)
    })
  }

  test('is refused when the list changed since: pages of two lists do not fit together', async () => {
    const { a, list, cursor, clock } = await withCursor()
    a.onList = numbered(4)
    await clock.advance(1000)
    assert.match(await refusal(list('tools/list', { cursor })), /^The list changed since /)
  })

  test('of somebody else’s making is refused', async () => {
    const { list, cursor } = await withCursor()
    for (const forged of ['', 'MQ', `${cursor}A`, cursor.slice(1), '0', 7, null, {}]) {
      assert.match(await refusal(list('tools/list', { cursor: forged })), /^Unknown cursor: /)
    }
  })
})

describe('discovery', () => {
  test('offers the union of what the backends offer and the gateway relays', async () => {
    const { a, b, discover } = setUp()
    const changing = { listChanged: true }
    a.onIdentify = () => Promise.resolve(identity({ capabilities: { prompts: {}, logging: {} } }))
    b.onIdentify = () => Promise.resolve(identity({ capabilities: { resources: {}, completions: {} } }))
    const reply = await discover()
    assert.deepEqual(valueOfReply(reply), {
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: changing, prompts: changing, resources: changing, completions: {} },
      ttlMs: 0,
      cacheScope: 'private',
    })
    assert.deepEqual(valueOfReply(await discover({ kind: 'backend', backend: 'b' }))['capabilities'], {
      resources: changing,
      completions: {},
    })
    a.onIdentify = () => Promise.resolve(identity({ capabilities: { resources: { subscribe: true } } }))
    const { resources } = valueOfReply(await discover())['capabilities'] as { resources: unknown }
    assert.deepEqual(resources, { listChanged: true, subscribe: true })
  })

  test('relays the extensions that it can, and all of a single backend', async () => {
    const { a, b, discover } = setUp()
    const extensions = {
      'io.modelcontextprotocol/ui': { mimeTypes: ['text/html', 'x/1'], n: 1 },
      'io.modelcontextprotocol/tasks': {},
      'com.x/y': { z: [1] },
    }
    const old = {
      'io.modelcontextprotocol/ui': { mimeTypes: ['x/2', 'text/html'], n: 2, m: 3 },
      'io.modelcontextprotocol/tasks': {},
    }
    a.onIdentify = () => Promise.resolve(identity({ capabilities: { extensions } }))
    b.onIdentify = () => Promise.resolve(identity({ era: 'legacy', capabilities: { extensions: old } }))
    const extensionsOf = async (route?: Route, over?: Partial<Call>): Promise<unknown> =>
      (valueOfReply(await discover(route, over))['capabilities'] as { extensions?: unknown }).extensions
    const ui = { mimeTypes: ['text/html', 'x/1', 'x/2'], n: 1, m: 3 }
    const tasks = { 'io.modelcontextprotocol/tasks': {} }
    assert.deepEqual(await extensionsOf(), { 'io.modelcontextprotocol/ui': ui, ...tasks })
    assert.deepEqual(await extensionsOf({ kind: 'backend', backend: 'a' }), extensions)
    assert.deepEqual(await extensionsOf({ kind: 'backend', backend: 'b' }), old)
  })

  test('passes instructions on, each under its backend; those of one backend as they are', async () => {
    const { a, b, discover } = setUp()
    a.onIdentify = () => Promise.resolve(identity({ instructions: 'Use "a".' }))
    b.onIdentify = () => Promise.resolve(identity({ instructions: 'b'.repeat(5000) }))
    assert.equal(
      valueOfReply(await discover())['instructions'],
      `## a\n\nUse "a".\n\n## b\n\n${'b'.repeat(4000)}`,
    )
    assert.equal(valueOfReply(await discover({ kind: 'backend', backend: 'a' }))['instructions'], 'Use "a".')
  })

  test('waits for backends that were never reached until its deadline, and names them', async () => {
    const { clock, a, b, discover } = setUp()
    a.onIdentify = (signal) => untilAborted(signal)
    b.onIdentify = () => Promise.reject(new GatewayError('BACKEND_UNAVAILABLE', 'refused'))
    b.statusNow = { condition: { state: 'down', reason: 'connection refused' } }
    const reply = discover()
    await clock.advance(2000)
    const { capabilities, _meta } = valueOfReply(await reply)
    assert.deepEqual(capabilities, { tools: { listChanged: true } })
    assert.deepEqual(_meta, {
      'io.toolgate/backends': {
        a: { listed: 'omitted', reason: 'has not answered yet' },
        b: { listed: 'omitted', reason: 'connection refused' },
      },
    })
    assert.equal(clock.pending, 0)
  })

  test('does not ask a backend that is known', async () => {
    const { a, b, discover } = setUp()
    for (const backend of [a, b]) {
      backend.statusNow = { identity: identity() }
      backend.onIdentify = () => assert.fail('asked')
    }
    assert.ok(valueOfReply(await discover())['capabilities'])
  })
})
