import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { callOf, collect, request, requestOf } from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Call, Route, Routed } from '../pipeline/call.ts'
import type { Target } from '../pipeline/target.ts'
import { resultMessage } from '../protocol/message.ts'
import type { ListKind } from '../protocol/methods.ts'
import type { ParamHeader } from '../protocol/param-headers.ts'
import type { Catalog, Found } from './catalog.ts'
import { route } from './route.ts'
import { type UriClaims, createUriSpace } from './uris.ts'

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
  readonly unknown?: Partial<Extract<Found, { kind: 'unknown' }>>
}

/** A catalog that knows what the test says. */
function catalogOf(known: Known): Catalog & { readonly asked: unknown[] } {
  const asked: unknown[] = []
  return {
    asked,
    // Nothing is known at once, so that every name has to be asked for.
    peek: () => undefined,
    find(kind: ListKind, scope, exposed) {
      asked.push([kind, scope, exposed])
      const found = Object.hasOwn(known.entries ?? {}, exposed) ? known.entries?.[exposed] : undefined
      if (found === undefined)
        return Promise.resolve({ kind: 'unknown', known: [], away: [], ...known.unknown })
      const entry = { kind, text: '{}', paramHeaders: [], refersTo: [], ...found }
      return Promise.resolve({ kind: 'found', shown: { entry, exposed, text: '{}' } })
    },
    list: () => Promise.reject(new Error('not to be asked')),
    refetch: () => Promise.reject(new Error('not to be asked')),
    known: () => undefined,
    uris: () => createUriSpace({ backends: BACKENDS, uris: [], templates: [], ...known.uris }),
    close: () => undefined,
  }
}

async function targetOf(call: Call, known: Known = {}): Promise<Target> {
  let seen: Routed | undefined
  await route(
    catalogOf(known),
    BACKENDS,
  )((routed) => {
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

  test('takes completions to the backend of the route, and knows none on the aggregate', async () => {
    const complete = request('completion/complete', { ref: {} })
    assert.deepEqual(await targetOf(callOf(complete, { route: GITHUB })), {
      kind: 'one',
      backend: 'github',
      name: undefined,
      paramHeaders: [],
    })
    assert.equal((await refusalOf(callOf(complete))).code, 'METHOD_NOT_FOUND')
  })

  test('lets the backend of the route decide about resources that nobody listed', async () => {
    const read = request('resources/read', { uri: 'file:///a' })
    const target = await targetOf(callOf(read, { route: GITHUB }))
    assert.deepEqual(target, { kind: 'one', backend: 'github', name: 'file:///a', paramHeaders: [] })
    const refusal = await refusalOf(callOf(read), { unknown: { known: ['file:///b'] } })
    assert.equal(refusal.code, 'UNKNOWN_NAME')
    assert.deepEqual(refusal.details.data, { uri: 'file:///a' })
  })

  test('looks each named method up in its own table', async () => {
    const cases = [
      ['tools/call', { name: 'n' }, 'tools'],
      ['prompts/get', { name: 'n' }, 'prompts'],
      ['resources/read', { uri: 'n' }, 'resources'],
    ] as const
    for (const [method, params, kind] of cases) {
      const catalog = catalogOf({ entries: { n: { backend: 'github', key: 'n' } } })
      await route(catalog, BACKENDS)(() => Promise.resolve(resultMessage('{}')))(
        callOf(request(method, params)),
        collect(),
      )
      assert.deepEqual(catalog.asked, [[kind, ALL, 'n']])
    }
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
      const refusal = await refusalOf(toolCall(name), { unknown: { known } })
      assert.equal(refusal.code, 'UNKNOWN_TOOL')
      assert.equal(refusal.message, message)
    })
  }

  test('of an unknown tool is short however many there are', async () => {
    const known = Array.from(
      { length: 10_000 },
      (_, index) => `${'n'.repeat(59)}${String(index).padStart(5, '0')}`,
    )
    const refusal = await refusalOf(toolCall('m'.repeat(64)), { unknown: { known } })
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
    const other = await refusalOf(toolCall('github_x'), { unknown: { away, known: ['github_list'] } })
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
