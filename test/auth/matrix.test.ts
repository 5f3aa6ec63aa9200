/**
 * Every way to speak to the gateway × every kind of caller. A column is a kind of caller and what it must get; a row is
 * a method.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bearer } from '../language/as.ts'
import { ask, declaring, handwritten, seenBy } from '../language/handwritten.ts'
import { gateway } from '../language/house.ts'
import { openIdProvider } from '../language/provider.ts'
import { fileScope } from '../language/scope.ts'
import type { Arguments } from '../language/stage.ts'

const TASKS = 'io.modelcontextprotocol/tasks'
const TASK = { taskId: 't-1', status: 'working', createdAt: 'now', lastUpdatedAt: 'now', ttlMs: null }
const _meta = declaring(TASKS)

const scope = fileScope()
const provider = await openIdProvider(scope)
const tool = (name: string): object => ({ name, inputSchema: { type: 'object' } })
const worker = await handwritten(
  scope,
  { [TASKS]: {} },
  {
    'server/discover': () => ({
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {}, prompts: {}, resources: {}, completions: {}, extensions: { [TASKS]: {} } },
    }),
    'prompts/list': () => ({ prompts: [{ name: 'p' }] }),
    'prompts/get': () => ({ messages: [] }),
    'tools/list': () => ({ tools: [tool('a'), tool('b'), tool('c')] }),
    'tools/call': () => ({ ...TASK, resultType: 'task' }),
    'resources/list': () => ({ resources: [{ uri: 'x://y', name: 'y' }] }),
    'resources/read': () => ({ contents: [{ uri: 'x://y', text: 'y' }] }),
    'tasks/get': () => ({ ...TASK, resultType: 'task' }),
    'tasks/update': () => ({}),
    'tasks/cancel': () => ({}),
  },
)
const house = await gateway({
  backends: { worker },
  gateway: { pageSize: 2, sse: true },
  auth: {
    issuer: provider.issuer,
    scopes: { work: { tools: ['worker_*'], prompts: ['worker_*'], resources: ['x://*'] } },
  },
})
scope.after(async () => house.close())

const alice = bearer(await provider.sign({ aud: house.url, sub: 'alice', scope: 'work' }))
/** The same person, who was granted less. */
const lesser = bearer(await provider.sign({ aud: house.url, sub: 'alice', scope: 'other' }))
const bob = bearer(await provider.sign({ aud: house.url, sub: 'bob', scope: 'work' }))
const bad = bearer(await provider.sign({ aud: 'https://elsewhere.example/mcp' }))

/** A handle of Alice, which is worth nothing in other hands. */
const handles = {
  cursor: String(
    (await house.raw.modern('tools/list', {}, { headers: alice })).response.result?.['nextCursor'],
  ),
  taskId: String(
    (await ask(house, 'tools/call', { name: 'worker_a', _meta }, { headers: alice })).response.result?.[
      'taskId'
    ],
  ),
}

interface Row {
  readonly method: string
  readonly params: Arguments
  /** The member of the parameters that is a handle of Alice. */
  readonly handle?: 'cursor' | 'taskId'
  /** Whether a scope is needed; without it lists are shorter, and what concerns nothing in particular is served. */
  readonly scoped?: true
}

const ROWS: readonly Row[] = [
  { method: 'server/discover', params: {} },
  { method: 'tools/list', params: { cursor: handles.cursor }, handle: 'cursor' },
  { method: 'tools/call', params: { name: 'worker_a', arguments: {} }, scoped: true },
  { method: 'prompts/list', params: {} },
  { method: 'prompts/get', params: { name: 'worker_p' }, scoped: true },
  { method: 'resources/list', params: {} },
  { method: 'resources/templates/list', params: {} },
  { method: 'resources/read', params: { uri: 'x://y' }, scoped: true },
  {
    method: 'completion/complete',
    params: { ref: { type: 'ref/prompt', name: 'worker_p' }, argument: { name: 'a', value: '' } },
    scoped: true,
  },
  { method: 'subscriptions/listen', params: { notifications: {} } },
  { method: 'tasks/get', params: { taskId: handles.taskId }, handle: 'taskId', scoped: true },
  {
    method: 'tasks/update',
    params: { taskId: handles.taskId, inputResponses: {} },
    handle: 'taskId',
    scoped: true,
  },
  { method: 'tasks/cancel', params: { taskId: handles.taskId }, handle: 'taskId', scoped: true },
  { method: 'made/up', params: {} },
]

interface Column {
  readonly caller: string
  readonly headers: Readonly<Record<string, string>>
  /** What every row must come to; `served` is anything but a matter of identity. */
  readonly expects: 'no-token' | 'bad-token' | 'no-scope' | 'served'
}

const COLUMNS: readonly Column[] = [
  { caller: 'without a token', headers: {}, expects: 'no-token' },
  { caller: 'with a bad token', headers: bad, expects: 'bad-token' },
  { caller: 'with a token without the scope', headers: lesser, expects: 'no-scope' },
  { caller: 'with a token', headers: alice, expects: 'served' },
]

const CHALLENGE = {
  'no-token': /^Bearer resource_metadata="/,
  'no-scope': /^Bearer error="insufficient_scope", scope="work", resource_metadata="/,
  'bad-token': /^Bearer error="invalid_token", error_description="[^"]+", resource_metadata="/,
}

function assertExpected(
  answer: { readonly status: number; readonly headers: Headers },
  expects: Column['expects'],
): void {
  const challenge = answer.headers.get('www-authenticate')
  if (expects === 'served') {
    assert.ok(![401, 403].includes(answer.status), String(answer.status))
    assert.equal(challenge, null)
    return
  }
  assert.equal(answer.status, expects === 'no-scope' ? 403 : 401)
  assert.match(challenge ?? '', CHALLENGE[expects])
}

const LEGACY_META = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'c', version: '1' },
}

const openSession = async (): Promise<string> => {
  const body = { jsonrpc: '2.0', id: 1, method: 'initialize', params: LEGACY_META }
  return (await house.raw.post(body, { headers: alice })).headers.get('mcp-session-id') ?? ''
}
const session = await openSession()

describe('modern methods', () => {
  for (const { method, params, handle, scoped } of ROWS) {
    for (const { caller, headers, expects: wanted } of COLUMNS) {
      const expects = wanted === 'no-scope' && scoped === undefined ? 'served' : wanted
      test(`${method} ${caller}: ${expects}`, async () => {
        const before = worker.received.length
        // A subscription that is let in does not end by itself.
        const leaving = new AbortController()
        const asked = { ...params, _meta }
        if (method === 'subscriptions/listen' && expects === 'served') {
          const answer = await openListen(headers, leaving.signal)
          leaving.abort()
          return assertExpected(answer, expects)
        }
        assertExpected(await ask(house, method, asked, { headers }), expects)
        if (expects !== 'served') assert.equal(worker.received.length, before)
      })
    }
    if (handle !== undefined) {
      test(`${method} with the handle of somebody else: refused, and the backend hears nothing`, async () => {
        const before = seenBy(worker, method).length
        const answer = await ask(house, method, { ...params, _meta }, { headers: bob })
        assert.equal(answer.status, 400)
        assert.equal(answer.response.error?.code, -32602)
        assert.equal(seenBy(worker, method).length, before)
      })
    }
  }
})

const openListen = (headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Response> =>
  fetch(house.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'subscriptions/listen',
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'subscriptions/listen',
      params: { notifications: {}, _meta },
    }),
    signal,
  })

/** What a legacy client sends, in a session of Alice. */
const EXCHANGES: readonly (readonly [what: string, init: RequestInit])[] = [
  ...[
    'ping',
    'tools/list',
    'tools/call',
    'prompts/list',
    'prompts/get',
    'resources/list',
    'resources/templates/list',
    'resources/read',
    'resources/subscribe',
    'resources/unsubscribe',
    'completion/complete',
    'logging/setLevel',
    'made/up',
  ].map((method): [string, RequestInit] => [
    method,
    {
      method: 'POST',
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: method,
        method,
        params: { name: method === 'prompts/get' ? 'worker_p' : 'worker_a', uri: 'x://y', level: 'info' },
      }),
    },
  ]),
  ['a notification', { method: 'POST', body: '{"jsonrpc":"2.0","method":"notifications/initialized"}' }],
  ['an answer', { method: 'POST', body: '{"jsonrpc":"2.0","id":"x","result":{}}' }],
  ['a batch', { method: 'POST', body: '[{"jsonrpc":"2.0","id":"b","method":"ping"}]' }],
  ['a stream', { method: 'GET' }],
  ['a resumed stream', { method: 'GET', headers: { 'last-event-id': '1-1' } }],
  ['the end of the session', { method: 'DELETE' }],
]

const send = (
  init: RequestInit,
  headers: Readonly<Record<string, string>>,
  id = session,
): Promise<Response> =>
  fetch(house.url, {
    ...init,
    headers: {
      ...(init.method === 'POST' ? { 'content-type': 'application/json' } : {}),
      accept: 'application/json, text/event-stream',
      'mcp-session-id': id,
      'mcp-protocol-version': '2025-11-25',
      ...(init.headers as Readonly<Record<string, string>> | undefined),
      ...headers,
    },
  })

/** Those that need a scope. */
const SCOPED: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

describe('exchanges of a legacy session', () => {
  for (const [what, init] of EXCHANGES) {
    for (const { caller, headers, expects: wanted } of COLUMNS) {
      const expects = wanted === 'no-scope' && !SCOPED.has(what) ? 'served' : wanted
      test(`${what} ${caller}: ${expects}`, async () => {
        // Whatever ends a session ends one of its own.
        const id = expects === 'served' && init.method === 'DELETE' ? await openSession() : session
        const answer = await send(init, headers, id)
        assertExpected(answer, expects)
        await answer.body?.cancel()
      })
    }
    test(`${what} in the session of somebody else: not found`, async () => {
      const answer = await send(init, bob)
      assert.equal(answer.status, 404)
      const { error } = (await answer.json()) as { readonly error: { readonly data: Arguments } }
      assert.equal(error.data['code'], 'SESSION_NOT_FOUND')
    })
  }
})

describe('the transport of 2024-11-05', () => {
  const events = new URL('/sse', house.url)
  for (const { caller, headers, expects: wanted } of COLUMNS) {
    const expects = wanted === 'no-scope' ? 'served' : wanted
    test(`a stream ${caller}: ${expects}`, async () => {
      const answer = await fetch(events, { headers })
      assertExpected(answer, expects)
      await answer.body?.cancel()
    })
  }

  test('messages need a token of whoever opened the stream', async () => {
    const stream = await fetch(events, { headers: alice })
    const reader = (stream.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()).getReader()
    const path = /data: (\S+)/.exec((await reader.read()).value ?? '')?.[1] ?? ''
    const post = (headers: Readonly<Record<string, string>>): Promise<Response> =>
      fetch(new URL(path, house.url), {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: LEGACY_META }),
      })
    assertExpected(await post({}), 'no-token')
    assertExpected(await post(bad), 'bad-token')
    assert.equal((await post(bob)).status, 404)
    assert.equal((await post(alice)).status, 202)
    await reader.cancel()
  })
})

test('health stays open, and nothing else does', async () => {
  const at = async (path: string): Promise<number> => (await fetch(new URL(path, house.url))).status
  assert.deepEqual([await at('/healthz'), await at('/readyz')], [200, 200])
  assert.deepEqual([await at('/mcp'), await at('/mcp/worker'), await at('/mcp/unknown')], [401, 401, 401])
  assert.equal(await at('/elsewhere'), 404)
})
