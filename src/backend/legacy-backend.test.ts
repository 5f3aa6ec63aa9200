import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type FakeClock, createFakeClock, settled } from '../../test/support/fake-clock.ts'
import {
  collect,
  notificationOf,
  requestOf,
  untilAborted,
  valueOfReply,
  someone,
} from '../../test/support/scripted.ts'
import {
  INITIALIZED,
  type Script,
  type ScriptedChannel,
  answer,
  backendPorts,
  fail,
  refuse,
  scriptedChannel,
  speakerPorts,
} from '../../test/support/scripted-channel.ts'
import { DEFAULT_RESILIENCE } from '../config/resilience-schema.ts'
import type { McpBackendConfig } from '../config/types.ts'
import { GatewayError } from '../errors.ts'
import type { Downstream, Principal, Reply } from '../pipeline/call.ts'
import type { BackendRequest } from './backend.ts'
import type { Exchange } from './channel.ts'
import { connectHttp, initializeOverHttp } from './connect.ts'
import { createLegacySpeaker } from './legacy.ts'
import { type LegacyCalls, createLegacyCalls } from './legacy-backend.ts'

const CONFIG: McpBackendConfig = {
  name: 'a',
  transport: 'http',
  url: 'http://127.0.0.1/mcp',
  era: 'legacy',
  headers: {},
  connections: 1,
  timeout: 1000,
  isolation: 'principal',
  interactive: 'concurrent',
  maxSessions: 2,
  resilience: DEFAULT_RESILIENCE,
}
const ASKING = { elicitation: { form: {}, url: {} } }
const MODERN: Downstream = {
  era: 'modern',
  version: '2026-07-28',
  transport: 'http',
  session: undefined,
  address: undefined,
}
const ALICE: Principal = someone('alice')
const NOBODY: Principal = { id: 'anonymous', anonymous: true }

interface SendOptions extends Partial<BackendRequest> {
  readonly capabilities?: object
  readonly args?: unknown
  readonly meta?: object
  readonly params?: object
}

interface Desk {
  readonly calls: LegacyCalls
  readonly channel: ScriptedChannel
  readonly clock: FakeClock
  /** Sends a `tools/call`, or takes up the one whose state is given. */
  send(options?: SendOptions): Promise<Reply>
  /** The capabilities of each session, in the order of their start. */
  declared(): readonly unknown[]
  count(method: string): number
}

/** Sessions are told apart by their id; `tool` answers the calls. */
function desk(tool: Script, over: Partial<McpBackendConfig> = {}): Desk {
  const clock = createFakeClock()
  let sessions = 0
  const channel = scriptedChannel((method, exchange) => {
    if (method === 'initialize') {
      const capabilities = { tools: {}, logging: {} }
      return answer(exchange, { ...INITIALIZED, capabilities }, { session: `s${++sessions}` })
    }
    return method === 'tools/call' ? tool(method, exchange) : answer(exchange, {})
  })
  channel.onListen = () => fail({ kind: 'status', status: 405, body: '' })
  const ports = { ...backendPorts(clock), onChange: () => undefined }
  const config = { ...CONFIG, ...over } as McpBackendConfig
  const calls = createLegacyCalls(
    config,
    connectHttp(initializeOverHttp(channel), speakerPorts(), clock),
    ports,
  )
  const identity = { era: 'legacy', version: '2025-11-25', serverInfo: undefined, capabilities: {} } as const
  const session = {
    identity: { ...identity, instructions: undefined },
    headers: { 'mcp-session-id': 'base' },
  }
  const base = createLegacySpeaker(channel, session, speakerPorts())
  return {
    calls,
    channel,
    clock,
    send({ capabilities = {}, args = {}, meta = {}, params = {}, ...request } = {}) {
      const _meta = { 'io.modelcontextprotocol/clientCapabilities': capabilities, ...meta }
      const body = { name: 'a_t', arguments: args, ...params, _meta }
      const full: BackendRequest = {
        message: requestOf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${JSON.stringify(body)}}`),
        target: { kind: 'one', backend: 'a', name: 't', paramHeaders: [] },
        exposedName: 'a_t',
        principal: ALICE,
        downstream: MODERN,
        headers: undefined,
        signal: new AbortController().signal,
        ...request,
      }
      const out = collect()
      return calls.resume(full, out) ?? calls.send(full, base, out)
    },
    declared: () =>
      channel.requests
        .filter(({ text }) => text.includes('"method":"initialize"'))
        .map(({ text }) => (JSON.parse(text) as { params: { capabilities: unknown } }).params.capabilities),
    count: (method) => channel.methods.filter((other) => other === method).length,
  }
}

const done: Script = (_method, exchange) => answer(exchange, { content: [] })

/** A tool that asks one question and ends when it is answered. */
function asking(question = '{"message":"name?","requestedSchema":{}}') {
  const exchanges: Exchange[] = []
  const ends = new Map<Exchange, () => void>()
  const script: Script = (_method, exchange) => {
    exchanges.push(exchange)
    const id = exchanges.length
    exchange.onRequest(
      requestOf(`{"jsonrpc":"2.0","id":"q${id}","method":"elicitation/create","params":${question}}`),
    )
    const answered = Promise.withResolvers<void>()
    ends.set(exchange, answered.resolve)
    return Promise.race([
      answered.promise.then(() => answer(exchange, { content: [], n: id })),
      untilAborted(exchange.signal),
    ])
  }
  return { script, exchanges, end: (at = 0) => ends.get(exchanges[at] as Exchange)?.() }
}

interface InputRequired {
  readonly resultType: string
  readonly inputRequests: Readonly<Record<string, unknown>>
  readonly requestState: string
}

async function parkedOf({ clock }: Desk, sent: Promise<Reply>): Promise<InputRequired> {
  await settled()
  await clock.advance(5)
  return valueOfReply(await sent) as unknown as InputRequired
}

const ACCEPT = { elicitation_1: { action: 'accept', content: { n: 1 } } }

describe('the session of a call', () => {
  test('declares exactly what its client declared, in the legacy shape', async () => {
    const one = desk(done)
    await one.send({
      capabilities: {
        roots: { listChanged: true },
        sampling: { tools: {} },
        extensions: { 'io.modelcontextprotocol/tasks': {}, 'io.modelcontextprotocol/ui': { a: 1 } },
      },
    })
    assert.deepEqual(one.declared(), [
      { sampling: { tools: {} }, roots: {}, extensions: { 'io.modelcontextprotocol/ui': { a: 1 } } },
    ])
  })

  const cases: readonly (readonly [string, Partial<McpBackendConfig>, readonly SendOptions[], number])[] = [
    ['is shared by the calls of a principal with the same capabilities', {}, [{}, {}], 1],
    ['is not shared across principals', {}, [{}, { principal: someone('bob') }], 2],
    ['is not shared across sets of capabilities', {}, [{}, { capabilities: ASKING }], 2],
    [
      'is one per session of the client where that is configured',
      { isolation: 'session' },
      ['x', 'y', 'x'].map((session) => ({ downstream: { ...MODERN, session } })),
      2,
    ],
    [
      'tells anonymous clients apart by their sessions',
      {},
      ['x', 'y', 'x'].map((session) => ({ principal: NOBODY, downstream: { ...MODERN, session } })),
      2,
    ],
    ['of strangers who cannot be asked is the gateway’s own', {}, [{ principal: NOBODY }], 0],
    [
      'of a stranger who can be asked is used for one call only',
      {},
      [1, 2, 3].map(() => ({ principal: NOBODY, capabilities: ASKING })),
      3,
    ],
    [
      'is one for all where that is configured',
      { isolation: 'shared' },
      [{ capabilities: ASKING }, { capabilities: ASKING, principal: someone('bob') }],
      1,
    ],
  ]
  for (const [name, config, requests, sessions] of cases) {
    test(name, async () => {
      const one = desk(done, config)
      for (const request of requests) await one.send(request)
      assert.equal(one.declared().length, sessions)
      await one.calls.close()
    })
  }

  test('is closed when nobody has used it for long, or somebody else needs the place', async () => {
    const one = desk(done)
    await one.send()
    await one.clock.advance(1000)
    await one.send({ principal: someone('bob') })
    await one.send({ principal: someone('cid') })
    assert.deepEqual(
      [one.calls.sessions, one.channel.deleted.map((headers) => headers['mcp-session-id'])],
      [2, ['s1']],
    )
    await one.clock.advance(7 * 60_000)
    assert.equal(one.calls.sessions, 0)
    assert.equal(one.channel.deleted.length, 3)
  })

  test('is refused while all are in use', async () => {
    const tool = asking()
    const one = desk(tool.script, { maxSessions: 1 })
    await parkedOf(one, one.send({ capabilities: ASKING }))
    await assert.rejects(one.send({ principal: someone('bob') }), { code: 'TOO_MANY' })
    await one.calls.close()
  })

  test('is opened again, once, for all whose session the server forgot', async () => {
    const one = desk((_method, exchange) =>
      exchange.headers['mcp-session-id'] === 's1'
        ? fail({ kind: 'status', status: 404, body: '' })
        : answer(exchange, { content: [] }),
    )
    await Promise.all([one.send(), one.send(), one.send()])
    assert.equal(one.declared().length, 2)
  })

  test('is told once how talkative it has to be, and what comes is filtered', async () => {
    const said: string[] = []
    const one = desk((_method, exchange) => {
      const log = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}'
      void exchange.onNotification(notificationOf(log))
      return answer(exchange, {})
    })
    for (const level of ['warning', 'info', 'error', 'info'])
      await one.send({ meta: { 'io.modelcontextprotocol/logLevel': level } })
    for (const { text } of one.channel.requests)
      if (text.includes('setLevel'))
        said.push((JSON.parse(text) as { params: { level: string } }).params.level)
    assert.deepEqual(said, ['warning', 'info'])
  })
})

describe('a call that waits for its client', () => {
  test('asks in the modern form, and is answered in the legacy one: sent once, whatever comes twice', async () => {
    const tool = asking(
      '{"mode":"url","elicitationId":"e","url":"https://x/","message":"go","_meta":{"k":1}}',
    )
    const one = desk(tool.script)
    const parked = await parkedOf(one, one.send({ capabilities: ASKING }))
    assert.deepEqual(parked.inputRequests, {
      elicitation_1: {
        method: 'elicitation/create',
        params: { mode: 'url', url: 'https://x/', message: 'go' },
      },
    })
    const params = { requestState: parked.requestState, inputResponses: ACCEPT }
    const retries = [1, 2].map(() => one.send({ capabilities: ASKING, params }))
    await settled()
    tool.end()
    const replies = await Promise.all(retries)
    const late = await one.send({ capabilities: ASKING, params })
    for (const reply of [...replies, late]) assert.equal(valueOfReply(reply)['n'], 1)
    assert.deepEqual(
      one.channel.notified.filter(({ text }) => text.includes('"q1"')).map(({ text }) => text),
      ['{"jsonrpc":"2.0","id":"q1","result":{"action":"accept","content":{"n":1}}}'],
    )
    assert.equal(one.count('tools/call'), 1)
    assert.ok(!tool.exchanges[0]?.text.includes('requestState'))
    await one.clock.advance(31_000)
    await assert.rejects(one.send({ capabilities: ASKING, params }), { code: 'INVALID_PARAMS' })
  })

  test('is nobody else’s, and of no other call', async () => {
    const tool = asking()
    const one = desk(tool.script)
    const { requestState } = await parkedOf(one, one.send({ capabilities: ASKING, args: { a: 1, b: 2 } }))
    const params = { requestState, inputResponses: ACCEPT }
    const mine = { capabilities: ASKING, args: { b: 2, a: 1 }, params }
    const foreign: readonly SendOptions[] = [
      { ...mine, principal: someone('bob') },
      { ...mine, args: { a: 1, b: 3 } },
      { ...mine, target: { kind: 'one', backend: 'a', name: 'u', paramHeaders: [] } },
      { ...mine, target: { kind: 'one', backend: 'b', name: 't', paramHeaders: [] } },
      { ...mine, params: { ...params, requestState: `${requestState}A` } },
      { ...mine, params: { ...params, requestState: 7 } },
    ]
    for (const request of foreign)
      await assert.rejects(
        async () => one.send(request),
        { code: 'INVALID_PARAMS', message: 'Invalid or expired requestState' },
        JSON.stringify(request),
      )
    const retry = one.send(mine)
    tool.end()
    assert.equal(valueOfReply(await retry)['n'], 1)
    assert.equal(one.count('tools/call'), 1)
  })

  test('goes on when its first request is over, and ends when the client does not come in time', async () => {
    const tool = asking()
    const one = desk(tool.script)
    const first = new AbortController()
    await parkedOf(one, one.send({ capabilities: ASKING, signal: first.signal }))
    first.abort(new Error('the response has been written'))
    await one.clock.advance(59_000)
    assert.equal(tool.exchanges[0]?.signal.aborted, false)
    await one.clock.advance(2000)
    assert.equal(tool.exchanges[0]?.signal.aborted, true)
    const told = one.channel.notified.map(({ text }) => text)
    assert.ok(told.includes('{"jsonrpc":"2.0","id":"q1","result":{"action":"cancel"}}'), told.join('\n'))
    assert.ok(told.some((text) => text.includes('notifications/cancelled')))
  })

  test('that is resumed survives a lost connection for a moment, and no longer', async () => {
    const tool = asking()
    const one = desk(tool.script)
    const parked = await parkedOf(one, one.send({ capabilities: ASKING }))
    const lost = new AbortController()
    const params = { requestState: parked.requestState, inputResponses: ACCEPT }
    const retry = one.send({ capabilities: ASKING, params, signal: lost.signal })
    lost.abort(new GatewayError('CANCELLED', 'The client closed the connection'))
    await assert.rejects(retry, { code: 'CANCELLED' })
    await one.clock.advance(4000)
    assert.equal(tool.exchanges[0]?.signal.aborted, false)
    await one.clock.advance(2000)
    assert.equal(tool.exchanges[0]?.signal.aborted, true)
  })

  test('is cancelled with its first request, before anything was asked', async () => {
    const one = desk((_method, exchange) => untilAborted(exchange.signal))
    const caller = new AbortController()
    const sent = one.send({ capabilities: ASKING, signal: caller.signal })
    await settled()
    caller.abort(new Error('left'))
    await assert.rejects(sent, /left/)
    assert.equal(one.channel.requests.at(-1)?.signal.aborted, true)
  })

  test('is not asked what it did not declare', async () => {
    const one = desk((_method, exchange) => {
      const ask = (id: number, method: string, params: object): void =>
        exchange.onRequest(requestOf(JSON.stringify({ jsonrpc: '2.0', id, method, params })))
      ask(1, 'elicitation/create', { mode: 'url', url: 'https://x', message: 'm' })
      ask(2, 'sampling/createMessage', {})
      ask(3, 'roots/list', {})
      ask(4, 'ping', {})
      return answer(exchange, { content: [] })
    })
    await one.send({ capabilities: { elicitation: {} } })
    const told = one.channel.notified.map(({ text }) => JSON.parse(text) as { error?: { code: number } })
    assert.deepEqual(
      told.map(({ error }) => error?.code),
      [undefined, -32602, -32601, -32601, undefined],
    )
  })
})

describe('an error that asks for a visit to a URL', () => {
  const visit = { elicitations: [{ mode: 'url', elicitationId: 'e', url: 'https://x/', message: 'sign in' }] }

  test('becomes an input request, and the retry sends the call again', async () => {
    let times = 0
    const one = desk((_method, exchange) =>
      ++times === 1 ? refuse(exchange, -32042, visit) : answer(exchange, { content: [] }),
    )
    const asked = valueOfReply(await one.send({ capabilities: ASKING })) as unknown as InputRequired
    assert.deepEqual(asked.inputRequests, {
      elicitation_1: {
        method: 'elicitation/create',
        params: { mode: 'url', message: 'sign in', url: 'https://x/' },
      },
    })
    const { requestState } = asked
    const params = { requestState, inputResponses: { elicitation_1: { action: 'accept' } } }
    await assert.rejects(one.send({ capabilities: ASKING, params, args: { other: 1 } }), {
      code: 'INVALID_PARAMS',
    })
    const reply = valueOfReply(await one.send({ capabilities: ASKING, params }))
    assert.equal(reply['resultType'], 'complete')
    assert.equal(one.count('tools/call'), 2)
  })

  test('is refused to a client that cannot be sent there', async () => {
    const one = desk((_method, exchange) => refuse(exchange, -32042, visit))
    const reply = await one.send({ capabilities: { elicitation: {} } })
    assert.equal(reply.kind === 'error' && reply.code, -32021)
    assert.match(reply.text, /"requiredCapabilities":\{"elicitation":\{"url":\{\}\}\}/)
  })
})

describe('a task of a legacy backend', () => {
  const TASKS = 'io.modelcontextprotocol/tasks'
  const capabilities = { ...ASKING, extensions: { [TASKS]: {} } }

  /** Each session makes one task, which says its status when it is asked. */
  function taskDesk() {
    const now = { status: 'working' }
    const clock = createFakeClock()
    const told: string[] = []
    const channel = scriptedChannel((method, exchange) => {
      const task = { taskId: 't', createdAt: 'c', lastUpdatedAt: 'l', ttl: null, ...now }
      if (method === 'initialize') return answer(exchange, INITIALIZED, { session: 's' })
      if (method === 'tools/call') return answer(exchange, { task })
      if (method === 'tasks/get') return answer(exchange, task)
      return answer(exchange, { content: [] })
    })
    channel.onListen = () => fail({ kind: 'status', status: 405, body: '' })
    const ports = { ...backendPorts(clock), onChange: ({ text }: { text: string }) => void told.push(text) }
    const calls = createLegacyCalls(
      CONFIG,
      connectHttp(initializeOverHttp(channel), speakerPorts(), clock),
      ports,
    )
    const identity = {
      era: 'legacy',
      version: '2025-11-25',
      serverInfo: undefined,
      instructions: undefined,
    } as const
    const base = createLegacySpeaker(
      channel,
      { identity: { ...identity, capabilities: { extensions: { [TASKS]: {} } } }, headers: {} },
      speakerPorts(),
    )
    const send = async (
      method: string,
      name: string,
      principal: Principal,
    ): Promise<ReturnType<typeof valueOfReply>> => {
      const meta = { 'io.modelcontextprotocol/clientCapabilities': capabilities }
      const text = JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method,
        params: { name, taskId: name, _meta: meta },
      })
      const target = { kind: 'one', backend: 'a', name, paramHeaders: [], taskSupport: 'required' } as const
      const request: BackendRequest = {
        message: requestOf(text),
        target,
        exposedName: name,
        principal,
        downstream: MODERN,
        headers: undefined,
        signal: new AbortController().signal,
      }
      return valueOfReply(await calls.send(request, base, collect()))
    }
    return { now, clock, calls, channel, told, send }
  }

  test('holds its session until it is over, and is known for a while longer', async () => {
    const { now, clock, calls, channel, send } = taskDesk()
    const made = await send('tools/call', 'work', NOBODY)
    const id = String(made['taskId'])
    assert.equal(calls.sessions, 1)
    now.status = 'completed'
    const done = await send('tasks/get', id, NOBODY)
    assert.deepEqual([done['status'], done['result'], done['ttlMs']], ['completed', { content: [] }, null])
    await settled()
    assert.equal(calls.sessions, 0, 'the session of a stranger has served its task')
    const asked = channel.methods.length
    assert.deepEqual(await send('tasks/get', id, NOBODY), done)
    await assert.rejects(send('tasks/cancel', id, NOBODY), { code: 'INVALID_PARAMS' })
    assert.equal(channel.methods.length, asked, 'nobody is asked what is known')
    await clock.advance(600_000)
    await assert.rejects(send('tasks/get', id, NOBODY), { code: 'INVALID_PARAMS' })
    await calls.close()
    assert.equal(clock.pending, 0)
  })

  test('that nobody asks for is forgotten, and each client has a limited number', async () => {
    const { clock, calls, send } = taskDesk()
    for (let made = 0; made < 10; made++) await send('tools/call', 'work', ALICE)
    await assert.rejects(send('tools/call', 'work', ALICE), { code: 'TOO_MANY' })
    await send('tools/call', 'work', someone('bob'))
    await clock.advance(3_600_000)
    assert.equal((await send('tools/call', 'work', ALICE))['resultType'], 'task')
    await calls.close()
  })

  test('says nothing of its progress: the extension has none', async () => {
    const { channel, told, send } = taskDesk()
    await send('tools/call', 'work', ALICE)
    const [sent] = channel.requests.filter(({ text }) => text.includes('"tools/call"'))
    await sent?.onNotification(
      notificationOf(
        `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${sent.id},"progress":1}}`,
      ),
    )
    assert.deepEqual(told, [])
  })
})
