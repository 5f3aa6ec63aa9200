import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  callOf,
  collect,
  identity,
  request,
  requestOf,
  scriptedBackend,
  someone,
} from '../../test/support/scripted.ts'
import type { BackendStatus } from '../backend/backend.ts'
import { GatewayError } from '../errors.ts'
import type { Call, Route, Routed } from '../pipeline/call.ts'
import type { OneTarget, Target } from '../pipeline/target.ts'
import { resultMessage } from '../protocol/message.ts'
import { TASKS } from '../protocol/meta.ts'
import type { ListKind } from '../protocol/methods.ts'
import type { ParamHeader } from '../protocol/param-headers.ts'
import { createSealer, randomKey } from '../seal/seal.ts'
import type { Catalog, Found } from './catalog.ts'
import { type RoutePorts, route } from './route.ts'
import { createTaskIds } from './tasks.ts'
import { type UriClaims, createUriSpace } from './uris.ts'
import { type View, ownView } from './view.ts'

const ALL: Route = { kind: 'aggregate' }
const GITHUB: Route = { kind: 'backend', backend: 'github' }
const BACKENDS = ['github', 'database']

interface Known {
  readonly entries?: Readonly<
    Record<
      string,
      { readonly backend: string; readonly key: string; readonly paramHeaders?: readonly ParamHeader[] }
    >
  >
  readonly uris?: Partial<UriClaims>
  readonly statuses?: Readonly<Record<string, Partial<BackendStatus>>>
  readonly unknown?: Partial<Extract<Found, { kind: 'unknown' }>>
}

/** A list of tools with these names. */
const viewOf = (names: readonly string[]): View =>
  ownView(
    names.map((key) => ({
      kind: 'tools',
      backend: 'github',
      key,
      text: '{}',
      paramHeaders: [],
      refersTo: [],
    })),
  )

/** A catalog that knows what the test says. */
function catalogOf(known: Known): Catalog {
  return {
    // Nothing is known at once, so that every name has to be asked for.
    peek: () => undefined,
    find(kind: ListKind, _scope, exposed) {
      const { entries = {} } = known
      const key = Object.hasOwn(entries, exposed) ? exposed : `${kind} ${exposed}`
      const found = Object.hasOwn(entries, key) ? entries[key] : undefined
      if (found === undefined)
        return Promise.resolve({ kind: 'unknown', view: viewOf([]), away: [], ...known.unknown })
      const entry = { kind, text: '{}', paramHeaders: [], refersTo: [], ...found }
      return Promise.resolve({ kind: 'found', shown: { entry, exposed, text: '{}' } })
    },
    list: () => Promise.reject(new Error('not to be asked')),
    refetch: () => Promise.reject(new Error('not to be asked')),
    known: () => undefined,
    onNews: () => () => undefined,
    uris: () => createUriSpace({ backends: BACKENDS, uris: [], templates: [], ...known.uris }),
    serve: () => undefined,
    cacheCounts: () => assert.fail('not to be asked'),
    close: () => undefined,
  }
}

const taskIds = createTaskIds(createSealer(randomKey()))

const portsOf = (known: Known): RoutePorts => ({
  catalog: catalogOf(known),
  taskIds,
  backends: new Map(
    BACKENDS.map((name) => {
      const backend = scriptedBackend(name)
      backend.statusNow = known.statuses?.[name] ?? {}
      return [name, backend]
    }),
  ),
})

const one = (backend: string, name: string | undefined): OneTarget => ({
  kind: 'one',
  backend,
  name,
  paramHeaders: [],
  hints: undefined,
})

const meta = (extensions: object): object => ({
  'io.modelcontextprotocol/clientCapabilities': { extensions },
})

async function targetOf(call: Call, known: Known = {}): Promise<Target> {
  let seen: Routed | undefined
  await route(portsOf(known))((routed) => {
    seen = routed
    return Promise.resolve(resultMessage('{}'))
  })(call, collect())
  assert.ok(seen)
  assert.equal(seen.message, call.message)
  return seen.target
}

async function refusalOf(call: Call, known: Known = {}): Promise<GatewayError> {
  try {
    await targetOf(call, known)
  } catch (error) {
    assert.ok(error instanceof GatewayError)
    return error
  }
  return assert.fail('not refused')
}

const toolCall = (name: unknown, over: Partial<Call> = {}): Call =>
  callOf(request('tools/call', { name, arguments: {} }), over)

describe('a route', () => {
  test('finds one backend by table, under the name that the backend knows', async () => {
    const entries = { github_list: { backend: 'github', key: 'list' } }
    assert.deepEqual(await targetOf(toolCall('github_list'), { entries }), {
      kind: 'one',
      backend: 'github',
      name: 'list',
      paramHeaders: [],
      hints: undefined,
    })
  })

  test('takes lists and discovery to every backend, or to the one of the route', async () => {
    for (const [face, backends] of [
      [ALL, BACKENDS],
      [GITHUB, ['github']],
    ] as const) {
      assert.deepEqual(await targetOf(callOf(request('prompts/list'), { route: face })), {
        kind: 'many',
        operation: { kind: 'list', method: 'prompts/list' },
        backends,
      })
      const discover = await targetOf(callOf(request('server/discover'), { route: face }))
      assert.deepEqual(discover, { kind: 'many', operation: { kind: 'discover' }, backends })
    }
  })

  test('takes completions to the backend of the route as they are', async () => {
    const complete = request('completion/complete', { ref: {} })
    assert.deepEqual(await targetOf(callOf(complete, { route: GITHUB })), one('github', undefined))
  })

  test('takes completions of the aggregate to whoever owns the reference', async () => {
    const entries = {
      'prompts github_greet': { backend: 'github', key: 'greet' },
      'resourceTemplates file+db:///{p}': { backend: 'database', key: 'file:///{p}' },
      'resources file:///a': { backend: 'github', key: 'file:///a' },
    }
    const complete = (ref: object): Promise<Target> =>
      targetOf(callOf(request('completion/complete', { ref, argument: {} })), { entries })
    assert.deepEqual(await complete({ type: 'ref/prompt', name: 'github_greet' }), one('github', 'greet'))
    assert.deepEqual(
      await complete({ type: 'ref/resource', uri: 'file+db:///{p}' }),
      one('database', 'file:///{p}'),
    )
    assert.deepEqual(await complete({ type: 'ref/resource', uri: 'file:///a' }), one('github', 'file:///a'))
    await assert.rejects(complete({ type: 'ref/prompt', name: 'file:///a' }), { code: 'UNKNOWN_NAME' })
    await assert.rejects(complete({ type: 'ref/resource', uri: 'nope:' }), { code: 'UNKNOWN_NAME' })
    for (const ref of [{}, { type: 'ref/prompt' }, { type: 'ref/tool', name: 'x' }])
      await assert.rejects(complete(ref), { code: 'INVALID_PARAMS' })
  })

  test('lets the backend of the route decide about resources that nobody listed', async () => {
    const read = request('resources/read', { uri: 'file:///a' })
    assert.deepEqual(await targetOf(callOf(read, { route: GITHUB })), one('github', 'file:///a'))
  })

  test('takes unlisted resources to whoever refers to them or has the template', async () => {
    const uris = {
      uris: [
        { backend: 'github', uri: 'ui://x' },
        { backend: 'database', uri: 'ui://x' },
      ],
      templates: [{ backend: 'database', uri: 'row:{id}' }],
    }
    const read = (uri: string): Promise<Target> =>
      targetOf(callOf(request('resources/read', { uri })), { uris })
    assert.deepEqual(await read('ui://x'), one('github', 'ui://x'))
    assert.deepEqual(await read('ui://database/x'), one('database', 'ui://x'))
    assert.deepEqual(await read('row:7'), one('database', 'row:7'))
  })

  test('looks for resources that nobody knows at those that may have any', async () => {
    const read = callOf(request('resources/read', { uri: 'file+database:///a' }))
    const candidates = [
      one('database', 'file:///a'),
      one('github', 'file+database:///a'),
      one('database', 'file+database:///a'),
    ]
    assert.deepEqual(await targetOf(read), {
      kind: 'many',
      operation: { kind: 'search', uri: 'file+database:///a', candidates },
      backends: ['database', 'github'],
    })
    const none = { identity: identity({ capabilities: { tools: {} } }) }
    const away = { condition: { state: 'down', reason: 'gone' } } as const
    const few = await targetOf(read, { statuses: { github: none } })
    assert.ok(few.kind === 'many' && few.operation.kind === 'search')
    assert.deepEqual(few.operation.candidates, [candidates[0], candidates[2]])
    const refusal = await refusalOf(read, { statuses: { github: none, database: away } })
    assert.equal(refusal.code, 'UNKNOWN_NAME')
    assert.deepEqual(refusal.details.data, { uri: 'file+database:///a' })
  })

  test('looks each named method up in its own table', async () => {
    const cases = [
      ['tools/call', { name: 'n' }, 'tools'],
      ['prompts/get', { name: 'n' }, 'prompts'],
      ['resources/read', { uri: 'n' }, 'resources'],
    ] as const
    for (const [method, params, kind] of cases) {
      const entries = { [`${kind} n`]: { backend: 'github', key: 'own' } }
      assert.deepEqual(await targetOf(callOf(request(method, params)), { entries }), one('github', 'own'))
    }
  })
})

describe('a task', () => {
  const declared = meta({ [TASKS]: {} })
  const task = (params: object, over: Partial<Call> = {}): Call =>
    callOf(request('tasks/get', { _meta: declared, ...params }), over)
  const mine = callOf(request('tools/call'))
  const taskId = taskIds.seal({ backend: 'database', taskId: 't1', tool: 'run' }, mine)

  test('goes to its backend under the id that it has there, with the tool that it is of', async () => {
    const own = { kind: 'one', backend: 'database', name: 't1', paramHeaders: [], taskOf: 'run' }
    assert.deepEqual(await targetOf(task({ taskId })), own)
    assert.deepEqual(
      await targetOf(task({ taskId }, { route: { kind: 'backend', backend: 'database' } })),
      own,
    )
  })

  test('is unknown to anybody else, at other backends, and when it was made up', async () => {
    const other = { principal: someone('somebody') }
    const calls = [
      task({ taskId }, other),
      task({ taskId }, { route: GITHUB }),
      task({ taskId: 't1' }),
      task({}),
    ]
    for (const call of calls) assert.equal((await refusalOf(call)).code, 'INVALID_PARAMS')
  })

  test('needs the extension', async () => {
    const refusal = await refusalOf(callOf(request('tasks/get', { _meta: meta({}), taskId })))
    assert.equal(refusal.code, 'MISSING_CAPABILITY')
    assert.deepEqual(refusal.details.data, { requiredCapabilities: { extensions: { [TASKS]: {} } } })
  })

  test('is served in the modern form alone, without the methods that are gone', async () => {
    for (const method of ['tasks/list', 'tasks/result'])
      for (const face of [ALL, GITHUB]) {
        const call = callOf(request(method, { _meta: declared }), { route: face })
        const statuses = { github: { identity: identity({ capabilities: { extensions: { [TASKS]: {} } } }) } }
        assert.equal((await refusalOf(call, { statuses })).code, 'METHOD_NOT_FOUND')
      }
  })
})

describe('a method that the gateway does not know', () => {
  const statuses = {
    github: { identity: identity({ capabilities: { extensions: { 'com.x/y': { a: 1 } } } }) },
  }
  const call = (extensions: object, face: Route, method = 'x/do'): Call =>
    callOf(request(method, { _meta: meta(extensions) }), { route: face })

  test('goes to the backend of the route where both sides declare an extension', async () => {
    assert.deepEqual(await targetOf(call({ 'com.x/y': {} }, GITHUB), { statuses }), one('github', undefined))
  })

  test('is refused elsewhere', async () => {
    const refused = [
      call({}, GITHUB),
      call({ 'com.x/z': {} }, GITHUB),
      call({ toString: {} }, GITHUB),
      call({ 'com.x/y': {} }, ALL),
      call({ 'com.x/y': {} }, { kind: 'backend', backend: 'database' }),
      ...['ping', 'initialize', 'logging/setLevel', 'tools/nope', 'tasks/list', 'notifications/x'].map(
        (method) => call({ 'com.x/y': {} }, GITHUB, method),
      ),
    ]
    for (const each of refused) assert.equal((await refusalOf(each, { statuses })).code, 'METHOD_NOT_FOUND')
  })
})

describe('a refusal of a route', () => {
  test('of a method', async () => {
    for (const method of ['tools/unknown', '__proto__', 'constructor', 'toString', 'initialize', '']) {
      assert.equal((await refusalOf(callOf(request(method)))).code, 'METHOD_NOT_FOUND', method)
    }
    const forged = await refusalOf(callOf(request(`x\n2026 fake line ${'y'.repeat(500)}`)))
    assert.match(forged.message, /^Method not found: x\?2026 fake line y+$/)
    assert.ok(forged.message.length < 200)
  })

  test('of a backend says which there are', async () => {
    const refusal = await refusalOf(
      callOf(request('tools/list'), { route: { kind: 'backend', backend: 'nope' } }),
    )
    assert.equal(refusal.code, 'UNKNOWN_BACKEND')
    assert.equal(refusal.message, 'Unknown backend: nope. There is github, database.')
  })

  test('of a call without a name says what it needs', async () => {
    for (const name of [undefined, 7, null, {}]) {
      const refusal = await refusalOf(toolCall(name))
      assert.equal(refusal.code, 'INVALID_PARAMS')
      assert.equal(refusal.message, 'tools/call needs "params.name", a string')
    }
    const read = await refusalOf(callOf(request('resources/read', { name: 'x' })))
    assert.equal(read.message, 'resources/read needs "params.uri", a string')
    assert.equal((await refusalOf(callOf(request('tools/call')))).code, 'INVALID_PARAMS')
  })

  const messages = [
    [
      'lists_repos',
      ['github_list_repos', 'list_repo', 'query'],
      'Unknown tool: lists_repos. Close to it: list_repo.',
    ],
    ['list', ['github_list_repos', 'query'], 'Unknown tool: list. Close to it: github_list_repos.'],
    ['zzzzzz', ['github_list', 'query'], 'Unknown tool: zzzzzz. There is: github_list, query.'],
    ['zzzzzz', [], 'Unknown tool: zzzzzz. There is no tool.'],
  ] as const
  for (const [name, known, message] of messages) {
    test(`of an unknown tool: ${message}`, async () => {
      const refusal = await refusalOf(toolCall(name), { unknown: { view: viewOf(known) } })
      assert.equal(refusal.code, 'UNKNOWN_TOOL')
      assert.equal(refusal.message, message)
    })
  }

  test('of an unknown tool is short however many there are', async () => {
    const known = Array.from(
      { length: 10_000 },
      (_, index) => `${'n'.repeat(59)}${String(index).padStart(5, '0')}`,
    )
    const refusal = await refusalOf(toolCall('m'.repeat(64)), { unknown: { view: viewOf(known) } })
    assert.ok(refusal.message.endsWith(' and 9990 more.'))
    assert.ok(refusal.message.length < 1000)
  })

  test('names the backend that is away where the name seems to be meant for it', async () => {
    const away = [{ backend: 'database', listed: 'omitted', reason: 'connection refused' }] as const
    const meant = await refusalOf(toolCall('database_query'), { unknown: { away } })
    assert.equal(meant.code, 'BACKEND_UNAVAILABLE')
    assert.equal(meant.details.backend, 'database')
    assert.match(
      meant.message,
      /^tool database_query may belong to backend database, which is away: connection refused$/,
    )
    const other = await refusalOf(toolCall('github_x'), { unknown: { away, view: viewOf(['github_list']) } })
    assert.equal(other.code, 'UNKNOWN_TOOL')
    assert.match(other.message, / Away: database\.$/)
    const own = await refusalOf(toolCall('query', { route: { kind: 'backend', backend: 'database' } }), {
      unknown: { away },
    })
    assert.equal(own.code, 'BACKEND_UNAVAILABLE')
  })
})

describe('headers that mirror parameters', () => {
  const paramHeaders: readonly ParamHeader[] = [
    { header: 'mcp-param-region', path: ['region'], type: 'string' },
  ]
  const entries = { t: { backend: 'github', key: 't', paramHeaders } }
  const message = requestOf(
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"region":"eu"}}}',
  )

  test('must agree with the body', async () => {
    await targetOf(callOf(message, { headers: { 'mcp-param-region': 'eu' } }), { entries })
    for (const headers of [{ 'mcp-param-region': 'us' }, {}, { 'mcp-param-region': ['eu', 'eu'] }]) {
      assert.equal((await refusalOf(callOf(message, { headers }), { entries })).code, 'HEADER_MISMATCH')
    }
  })

  test('are nobody’s duty where there are no headers', async () => {
    const target = await targetOf(callOf(message), { entries })
    assert.ok(target.kind === 'one')
    assert.equal(target.paramHeaders, paramHeaders)
  })
})
