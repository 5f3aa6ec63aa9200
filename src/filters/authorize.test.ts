import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock, settled } from '../../test/support/fake-clock.ts'
import {
  callOf,
  collect,
  identity,
  listOf,
  request,
  result,
  rpcError,
  scriptedBackend,
  someone,
  tool,
  valueOfReply,
} from '../../test/support/scripted.ts'
import { createPolicy } from '../auth/policy/policy.ts'
import { authorizationSchema } from '../config/authorization-schema.ts'
import type { NamePolicy } from '../config/types.ts'
import { type ErrorCode, GatewayError } from '../errors.ts'
import type { AuditEvent } from '../pipeline/audit.ts'
import type { Call, Principal, Reply } from '../pipeline/call.ts'
import { silentLog } from '../pipeline/log.ts'
import type { ListKind } from '../protocol/methods.ts'
import { changeNotification } from '../protocol/subscription.ts'
import { createCatalog } from '../routing/catalog.ts'
import { expose } from '../routing/expose.ts'
import { merge } from '../routing/merge.ts'
import { route } from '../routing/route.ts'
import { createSearch } from '../routing/search.ts'
import { createFanIn } from '../routing/subscriptions.ts'
import { createTaskIds } from '../routing/tasks.ts'
import { createSealer, randomKey } from '../seal/seal.ts'
import { authorize } from './authorize.ts'
import { dispatch } from './dispatch.ts'
import { forward } from './forward.ts'

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: {},
  resources: { listChanged: true, subscribe: true },
}
const TASKS_DECLARED = {
  _meta: {
    'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
  },
}

/** What backend `a` has; `b` has the same tools and nothing else. */
const LISTS: Readonly<Record<ListKind, readonly object[]>> = {
  tools: [
    tool('read', { annotations: { readOnlyHint: true } }),
    tool('write'),
    tool('secret', {
      inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } },
    }),
  ],
  prompts: [{ name: 'greet' }, { name: 'curse' }],
  resources: [
    { name: 'p', uri: 'file:///public/p' },
    { name: 's', uri: 'file:///secret/s' },
  ],
  resourceTemplates: [
    { name: 'pt', uriTemplate: 'file:///public/{name}' },
    { name: 'st', uriTemplate: 'file:///secret/{name}' },
  ],
}

interface Options {
  readonly names?: NamePolicy
  readonly pageSize?: number
}

/** Everything that a call passes, over backends that do what the test says. */
function setUp(section: object | undefined, { names = 'prefix', pageSize }: Options = {}) {
  const clock = createFakeClock()
  const backends = [scriptedBackend('a'), scriptedBackend('b')] as const
  const [a, b] = backends
  for (const backend of backends) {
    backend.statusNow = {
      identity: identity({ capabilities: CAPABILITIES, instructions: `I am ${backend.name}` }),
    }
    backend.onList = (kind) =>
      Promise.resolve(listOf(backend === a || kind === 'tools' ? LISTS[kind] : [], { ttlMs: 60_000 }))
  }
  const byName = new Map(backends.map((backend) => [backend.name, backend]))
  const catalog = createCatalog(backends, {
    clock,
    log: silentLog,
    names,
    listDeadline: 2000,
    staleFor: 10_000,
    fetchTimeout: () => 1000,
  })
  const events: AuditEvent[] = []
  const policy = createPolicy(section && authorizationSchema.parse(section), { clock, backends: ['a', 'b'] })
  const sealer = createSealer(randomKey())
  const taskIds = createTaskIds(sealer)
  const exposing = { catalog, taskIds }
  const search = createSearch({ ...exposing, backends: byName, clock, mayAsk: () => true, askTimeout: 1000 })
  const fanIn = createFanIn({
    ...exposing,
    backends: byName,
    clock,
    listDeadline: 2000,
    streams: 10,
    queue: 10,
    age: 3_600_000,
  })
  const handler = route({ ...exposing, backends: byName, rightsOf: policy?.rightsOf })(
    authorize(policy && { policy, catalog, audit: (event) => void events.push(event) })(
      dispatch({
        one: expose(exposing)(forward(byName, catalog)),
        many: merge({ catalog, backends: byName, sealer, clock, pageSize, listDeadline: 2000, search }),
        listen: fanIn.listen,
      }),
    ),
  )
  // Rungs that only look may throw.
  const ask = async (
    who: Principal,
    method: string,
    params?: unknown,
    over: Partial<Call> = {},
  ): Promise<Reply> => handler(callOf(request(method, params), { principal: who, ...over }), collect())
  const listed = async (
    who: Principal,
    kind: ListKind,
    over: Partial<Call> = {},
  ): Promise<readonly string[]> => {
    const method = kind === 'resourceTemplates' ? 'resources/templates/list' : `${kind}/list`
    const entries = valueOfReply(await ask(who, method, {}, over))[kind] as readonly Record<string, string>[]
    return entries.map((entry) => entry['uri'] ?? entry['uriTemplate'] ?? entry['name'] ?? '')
  }
  const refusal = async (who: Principal, method: string, params?: unknown, over: Partial<Call> = {}) =>
    ask(who, method, params, over).then(
      () => assert.fail(`${method} was let through`),
      (error: unknown) => {
        assert.ok(error instanceof GatewayError, String(error))
        return error
      },
    )
  return { clock, a, b, ask, listed, refusal, events, handler, catalog }
}

type House = ReturnType<typeof setUp>

const scoped = (...scopes: string[]): Principal =>
  someone(`with ${scopes.join(' ')}`, { scopes: new Set(scopes) })
const NOBODY = scoped()
const ANONYMOUS: Principal = { id: 'anonymous', anonymous: true }

/** The names and the code of a refusal, and that nothing reached a backend. */
async function refused(
  house: House,
  code: ErrorCode,
  ...[who, method, params, over]: Parameters<House['refusal']>
) {
  const before = house.a.sent.length + house.b.sent.length
  const error = await house.refusal(who, method, params, over)
  assert.equal(error.code, code, error.message)
  assert.equal(house.a.sent.length + house.b.sent.length, before, 'a backend saw it')
  return error
}

describe('without rules', () => {
  test('everything passes, and lists are for everybody', async () => {
    const { ask, listed } = setUp(undefined)
    assert.equal((await listed(ANONYMOUS, 'tools')).length, 6)
    assert.equal(valueOfReply(await ask(ANONYMOUS, 'tools/list'))['cacheScope'], 'public')
    assert.equal((await ask(ANONYMOUS, 'tools/call', { name: 'a_secret' })).kind, 'result')
  })
})

describe('a call', () => {
  const section = { scopes: { read: ['a_read'], write: ['a/write', '*/read'] } }

  test('passes with the scope, whatever the exposed name, and to the real tool', async () => {
    for (const [names, exposed] of [
      ['prefix', 'a_write'],
      ['conflict', 'a_write'],
      ['bare', 'write'],
    ] as const) {
      const { ask, a } = setUp(section, { names })
      await ask(scoped('write'), 'tools/call', { name: exposed })
      assert.deepEqual(
        a.sent.map(({ target }) => target.name),
        ['write'],
      )
    }
    const { ask, a } = setUp(section)
    await ask(scoped('write'), 'tools/call', { name: 'write' }, { route: { kind: 'backend', backend: 'a' } })
    assert.equal(a.sent.length, 1)
  })

  test('without the scope is told which', async () => {
    const house = setUp(section)
    const error = await refused(house, 'INSUFFICIENT_SCOPE', NOBODY, 'tools/call', { name: 'a_write' })
    assert.deepEqual(error.details.scopes, ['write'])
    assert.equal(error.message, 'tools/call needs the scope write')
    const anonymous = await refused(house, 'UNAUTHENTICATED', ANONYMOUS, 'tools/call', { name: 'a_read' })
    assert.deepEqual(anonymous.details.scopes, ['read'])
  })

  test('of a tool that no scope opens is answered as if there were no such tool', async () => {
    const house = setUp(section)
    for (const route of [{ kind: 'aggregate' }, { kind: 'backend', backend: 'a' }] as const) {
      const prefix = route.kind === 'aggregate' ? 'a_' : ''
      const hidden = await refused(
        house,
        'UNKNOWN_TOOL',
        scoped('write'),
        'tools/call',
        { name: `${prefix}secret` },
        { route },
      )
      const missing = await refused(
        house,
        'UNKNOWN_TOOL',
        scoped('write'),
        'tools/call',
        { name: `${prefix}secrex` },
        { route },
      )
      assert.equal(hidden.message.replace('secret', ''), missing.message.replace('secrex', ''))
      assert.ok(!/secret/.test(missing.message), missing.message)
    }
  })

  test('of a tool that is not seen is not told by its headers either', async () => {
    const house = setUp(section)
    const over = { headers: {} }
    const params = { name: 'a_secret', arguments: { region: 'eu' } }
    await refused(house, 'UNKNOWN_TOOL', NOBODY, 'tools/call', params, over)
    await refused(
      setUp({ scopes: { all: ['*/*'] } }),
      'HEADER_MISMATCH',
      scoped('all'),
      'tools/call',
      params,
      over,
    )
  })

  test('with arguments that are not allowed is forbidden, and says no more', async () => {
    const house = setUp({
      rules: [{ effect: 'allow', tools: 'a/write', when: 'args.path.startsWith("/tmp/")' }],
    })
    await house.ask(NOBODY, 'tools/call', { name: 'a_write', arguments: { path: '/tmp/x' } })
    for (const args of [{ path: '/etc' }, {}, undefined]) {
      const error = await refused(house, 'FORBIDDEN', NOBODY, 'tools/call', {
        name: 'a_write',
        arguments: args,
      })
      assert.equal(error.message, 'a_write is not allowed with these arguments')
    }
  })

  test('is judged by its own arguments, and again when it comes again', async () => {
    const house = setUp({ rules: [{ effect: 'allow', tools: 'a/write', when: 'args.n == 1' }] })
    const retry = { name: 'a_write', inputResponses: { x: {} }, requestState: 'sealed' }
    await house.ask(NOBODY, 'tools/call', { ...retry, arguments: { n: 1 } })
    await refused(house, 'FORBIDDEN', NOBODY, 'tools/call', { ...retry, arguments: { n: 2 } })
  })

  test('by annotations is judged by what the tool says now', async () => {
    const house = setUp({ rules: [{ effect: 'allow', annotations: { readOnlyHint: true } }] })
    await house.ask(NOBODY, 'tools/call', { name: 'a_read' })
    assert.deepEqual(await house.listed(NOBODY, 'tools'), ['a_read', 'b_read'])
    house.a.onList = () => Promise.resolve(listOf([tool('read')]))
    await house.catalog.refetch('tools', 'a')
    assert.deepEqual(await house.listed(NOBODY, 'tools'), ['b_read'])
    await refused(house, 'UNKNOWN_TOOL', NOBODY, 'tools/call', { name: 'a_read' })
  })

  test('that is denied leaves one event, without its arguments', async () => {
    const house = setUp({
      rules: [{ name: 'tmp only', effect: 'allow', tools: 'a/write', when: 'args.path == "/tmp"' }],
      scopes: { read: ['a/read'] },
    })
    const who = someone('x', { subject: 'alice', client: 'desk', tenant: 'acme' })
    await refused(house, 'FORBIDDEN', who, 'tools/call', { name: 'a_write', arguments: { token: 'hunter2' } })
    await refused(house, 'UNAUTHENTICATED', ANONYMOUS, 'tools/call', { name: 'a_read' })
    const [first, second] = house.events
    assert.deepEqual(first, {
      event: 'call.denied',
      anonymous: false,
      issuer: 'https://issuer.example',
      subject: 'alice',
      client: 'desk',
      tenant: 'acme',
      method: 'tools/call',
      route: '/mcp',
      backend: 'a',
      kind: 'tools',
      name: 'write',
      rule: 'tmp only',
      problem: 'when cannot be evaluated',
      scopes: undefined,
    })
    assert.ok(second?.event === 'call.denied' && second.anonymous && second.scopes === 'read')
    assert.equal(house.events.length, 2)
  })
})

describe('lists', () => {
  const section = {
    rules: [
      { effect: 'deny', tools: '*/secret' },
      { effect: 'allow', groups: 'ops', backends: '*' },
      { effect: 'allow', tools: 'a/write', when: 'args.n == 1' },
    ],
    scopes: {
      read: { tools: ['*/read'], prompts: 'a/greet', resources: 'file:///public/*' },
    },
  }
  const ops = someone('ops', { groups: new Set(['ops']) })

  test('hold what may be called, and nothing else', async () => {
    const { listed } = setUp(section)
    const reader = scoped('read')
    assert.deepEqual(await listed(reader, 'tools'), ['a_read', 'a_write', 'b_read'])
    assert.deepEqual(await listed(reader, 'prompts'), ['a_greet'])
    assert.deepEqual(await listed(reader, 'resources'), ['file:///public/p'])
    assert.deepEqual(await listed(reader, 'resourceTemplates'), ['file:///public/{name}'])
    assert.deepEqual(await listed(ops, 'tools'), ['a_read', 'a_write', 'b_read', 'b_write'])
    assert.deepEqual(await listed(ops, 'prompts'), ['a_greet', 'a_curse'])
    assert.deepEqual(await listed(NOBODY, 'tools'), ['a_write'])
    assert.deepEqual(await listed(NOBODY, 'prompts'), [])
    assert.deepEqual(await listed(reader, 'tools', { route: { kind: 'backend', backend: 'b' } }), ['read'])
  })

  test('keep their exposed names when others are left out', async () => {
    const { listed } = setUp({ scopes: { b: ['b/*'] } }, { names: 'conflict' })
    assert.deepEqual(await listed(scoped('b'), 'tools'), ['b_read', 'b_write', 'b_secret'])
  })

  test('are private, and the same bytes for all who may see the same', async () => {
    const { ask } = setUp(section)
    const [one, two, other] = await Promise.all(
      [scoped('read'), scoped('read', 'more'), ops].map((who) => ask(who, 'tools/list')),
    )
    assert.equal(valueOfReply(one as Reply)['cacheScope'], 'private')
    assert.equal(one?.text, two?.text)
    assert.notEqual(one?.text, other?.text)
  })

  test('in pages hold no empty ones, and a cursor is of no use to whoever may see other things', async () => {
    const { ask } = setUp(section, { pageSize: 1 })
    const first = valueOfReply(await ask(ops, 'tools/list'))
    const cursor = first['nextCursor']
    assert.equal(typeof cursor, 'string')
    const names: unknown[] = []
    let next: unknown
    do {
      const page = valueOfReply(
        await ask(scoped('read'), 'tools/list', next === undefined ? {} : { cursor: next }),
      )
      names.push(...(page['tools'] as readonly { name: string }[]).map(({ name }) => name))
      next = page['nextCursor']
    } while (next !== undefined)
    assert.deepEqual(names, ['a_read', 'a_write', 'b_read'])
    await assert.rejects(ask(scoped('read'), 'tools/list', { cursor }), { code: 'INVALID_PARAMS' })
  })

  test('tell of backends that are away only those who may use them', async () => {
    const house = setUp({
      rules: [
        { effect: 'allow', groups: 'ops' },
        { effect: 'allow', backends: 'a' },
      ],
    })
    house.b.onList = () => Promise.reject(new GatewayError('BACKEND_UNAVAILABLE', 'gone'))
    const away = async (who: Principal): Promise<boolean> =>
      JSON.stringify(valueOfReply(await house.ask(who, 'tools/list'))).includes('gone')
    assert.ok(await away(ops))
    assert.ok(!(await away(NOBODY)))
    const told = await house.refusal(ops, 'tools/call', { name: 'b_read' })
    assert.equal(told.code, 'BACKEND_UNAVAILABLE')
    const untold = await refused(house, 'UNKNOWN_TOOL', NOBODY, 'tools/call', { name: 'b_read' })
    assert.ok(!untold.message.includes('Away'))
  })
})

describe('discovery', () => {
  test('speaks of what there is for whoever asks', async () => {
    const { ask } = setUp({ scopes: { a: ['a/*'], r: { resources: 'file:*' } } })
    const seen = async (who: Principal) => valueOfReply(await ask(who, 'server/discover'))
    const tools = await seen(scoped('a'))
    assert.deepEqual(Object.keys(tools['capabilities'] as object), ['tools'])
    assert.equal(tools['instructions'], 'I am a')
    assert.equal(tools['cacheScope'], 'private')
    const resources = await seen(scoped('r'))
    assert.deepEqual(Object.keys(resources['capabilities'] as object), ['tools', 'resources'])
    const nothing = await seen(NOBODY)
    assert.equal(nothing['instructions'], undefined)
    assert.deepEqual(nothing['capabilities'], { tools: { listChanged: true } })
  })

  test('on the route of a backend that is closed to the caller is empty', async () => {
    const { ask } = setUp({ scopes: { a: ['a/*'] } })
    const route = { kind: 'backend', backend: 'b' } as const
    assert.deepEqual(
      valueOfReply(await ask(scoped('a'), 'server/discover', {}, { route }))['capabilities'],
      {},
    )
  })
})

describe('prompts, resources and completions', () => {
  const section = { scopes: { p: { prompts: 'a/greet', resources: 'file:///public/*' } } }
  const who = scoped('p')

  test('are let through by rules of their own', async () => {
    const house = setUp(section)
    await house.ask(who, 'prompts/get', { name: 'a_greet' })
    await refused(house, 'UNKNOWN_NAME', who, 'prompts/get', { name: 'a_curse' })
    await refused(house, 'INSUFFICIENT_SCOPE', NOBODY, 'prompts/get', { name: 'a_greet' })
    await house.ask(who, 'resources/read', { uri: 'file:///public/p' })
    const hidden = await refused(house, 'UNKNOWN_NAME', who, 'resources/read', { uri: 'file:///secret/s' })
    assert.deepEqual(hidden.details.data, { uri: 'file:///secret/s' })
    const dotted = { uri: 'file:///public/%2e%2e/secret/s' }
    const refusal = await refused(house, 'INVALID_PARAMS', who, 'resources/read', dotted)
    assert.match(refusal.message, /"\.\."/)
    await refused(house, 'INVALID_PARAMS', NOBODY, 'resources/read', dotted)
  })

  test('that are read are not kept for everybody', async () => {
    const house = setUp(section)
    house.a.onSend = () =>
      Promise.resolve(result('{"contents":[],"ttlMs":9,"cacheScope":"public","odd":1.0}'))
    const reply = await house.ask(who, 'resources/read', { uri: 'file:///public/p' })
    assert.ok(reply.text.includes('{"contents":[],"ttlMs":9,"cacheScope":"private","odd":1.0}'), reply.text)
  })

  test('that nobody lists are looked for only where they may be read', async () => {
    const house = setUp({
      rules: [
        { effect: 'allow', backends: 'b', resources: 'x:*' },
        { effect: 'allow', backends: 'a', resources: 'x:*', scopes: 'deep' },
      ],
    })
    house.a.onSend = house.b.onSend = () => Promise.resolve(rpcError(-32602))
    const error = await house.refusal(NOBODY, 'resources/read', { uri: 'x:1' })
    assert.match(error.message, /asked for at: b\.$/)
    assert.deepEqual([house.a.sent.length, house.b.sent.length], [0, 1])
    await refused(house, 'UNKNOWN_NAME', NOBODY, 'resources/read', { uri: 'y:1' })
    const closed = setUp({ scopes: { deep: { resources: 'x:*' } } })
    await refused(closed, 'INSUFFICIENT_SCOPE', NOBODY, 'resources/read', { uri: 'x:1' })
  })

  test('are completed where they may be seen', async () => {
    const house = setUp(section)
    const own = { route: { kind: 'backend', backend: 'a' } } as const
    const prompt = (name: string) => ({
      ref: { type: 'ref/prompt', name },
      argument: { name: 'x', value: '' },
    })
    const uri = (text: string) => ({
      ref: { type: 'ref/resource', uri: text },
      argument: { name: 'x', value: '' },
    })
    await house.ask(who, 'completion/complete', prompt('a_greet'))
    await house.ask(who, 'completion/complete', prompt('greet'), own)
    await house.ask(who, 'completion/complete', uri('file:///public/{name}'))
    await refused(house, 'UNKNOWN_NAME', who, 'completion/complete', prompt('a_curse'))
    await refused(house, 'UNKNOWN_NAME', who, 'completion/complete', prompt('curse'), own)
    await refused(house, 'UNKNOWN_NAME', who, 'completion/complete', uri('file:///secret/{name}'))
    await refused(house, 'UNKNOWN_NAME', who, 'completion/complete', uri('file:///secret/{name}'), own)
    await refused(house, 'INVALID_PARAMS', who, 'completion/complete', {}, own)
  })
})

describe('tasks', () => {
  test('follow the rights on their tool, and belong to one principal', async () => {
    const section = { scopes: { w: ['a/write'] } }
    const house = setUp(section)
    house.a.onSend = () => Promise.resolve(result({ resultType: 'task', taskId: 't1', status: 'working' }))
    const who = someone('alice', { scopes: new Set(['w']) })
    const created = valueOfReply(await house.ask(who, 'tools/call', { name: 'a_write', ...TASKS_DECLARED }))
    const params = { taskId: created['taskId'], ...TASKS_DECLARED }
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      assert.equal((await house.ask(who, method, params)).kind, 'result')
      // The same principal with a token that says less.
      const weaker = someone('alice')
      const error = await refused(house, 'INSUFFICIENT_SCOPE', weaker, method, params)
      assert.deepEqual(error.details.scopes, ['w'])
      await refused(house, 'INVALID_PARAMS', someone('bob', { scopes: new Set(['w']) }), method, params)
    }
  })

  test('of tools that are closed now are unknown', async () => {
    const house = setUp({ rules: [{ effect: 'allow', groups: 'ops' }] })
    house.a.onSend = () => Promise.resolve(result({ resultType: 'task', taskId: 't1', status: 'working' }))
    const ops = someone('alice', { groups: new Set(['ops']) })
    const created = valueOfReply(await house.ask(ops, 'tools/call', { name: 'a_write', ...TASKS_DECLARED }))
    const params = { taskId: created['taskId'], ...TASKS_DECLARED }
    const error = await refused(house, 'INVALID_PARAMS', someone('alice'), 'tasks/get', params)
    assert.match(error.message, /^Unknown task/)
  })
})

describe('subscriptions', () => {
  test('follow what may be seen, and tell of nothing else', async () => {
    const house = setUp({ scopes: { a: { tools: 'a/*', resources: 'file:///public/p' } } })
    const out = collect()
    const leaving = new AbortController()
    const asked = {
      toolsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: ['file:///public/p', 'file:///secret/s'],
    }
    await house.listed(scoped('a'), 'resources')
    const call = callOf(request('subscriptions/listen', { notifications: asked }), {
      principal: scoped('a'),
      signal: leaving.signal,
    })
    const ended = house.handler(call, out).catch(() => undefined)
    await settled()
    const [acknowledged] = out.texts.splice(0)
    assert.match(acknowledged ?? '', /"resourceSubscriptions":\["file:\/\/\/public\/p"\]/)
    const followed = [house.a, house.b].map(({ subscriptions }) =>
      // The catalog follows every backend for itself.
      subscriptions.slice(1).map(({ filter }) => filter),
    )
    assert.deepEqual(followed, [
      [{ lists: ['tools', 'resources'], resources: ['file:///public/p'], tasks: [] }],
      [{ lists: ['resources'], resources: [], tasks: [] }],
    ])
    house.b.announce('tools')
    await settled()
    assert.deepEqual(out.texts, [])
    house.a.announce('tools')
    await settled()
    assert.equal(out.texts.splice(0).length, 1)
    // What lies below a resource is another one.
    for (const uri of ['file:///public/p/below', 'file:///public/p'])
      house.a.announce(changeNotification({ kind: 'resource', uri }))
    await settled()
    assert.deepEqual(
      out.texts.map((text) => /"uri":"([^"]+)"/.exec(text)?.[1]),
      ['file:///public/p'],
    )
    leaving.abort(new GatewayError('CANCELLED', 'left'))
    await ended
  })
})

test('methods of extensions need a rule about everything', async () => {
  const extension = { capabilities: { extensions: { 'x.y/z': {} } } }
  const params = {
    _meta: { 'io.modelcontextprotocol/clientCapabilities': { extensions: { 'x.y/z': {} } } },
  }
  const over = { route: { kind: 'backend', backend: 'a' } } as const
  const wide = setUp({ rules: [{ effect: 'allow', backends: 'a' }] })
  const narrow = setUp({ rules: [{ effect: 'allow', tools: '*/*' }] })
  for (const house of [wide, narrow]) house.a.statusNow = { identity: identity(extension) }
  assert.equal((await wide.ask(NOBODY, 'x/do', params, over)).kind, 'result')
  const error = await refused(narrow, 'METHOD_NOT_FOUND', NOBODY, 'x/do', params, over)
  assert.equal(error.message, 'Method not found: x/do')
})

test('whose backends are named depends on who asks', async () => {
  const house = setUp({ rules: [{ effect: 'allow', backends: 'a' }] })
  const over = { route: { kind: 'backend', backend: 'zzz' } } as const
  const error = await refused(house, 'UNKNOWN_BACKEND', NOBODY, 'tools/list', {}, over)
  assert.equal(error.message, 'Unknown backend: zzz. There is a.')
})
