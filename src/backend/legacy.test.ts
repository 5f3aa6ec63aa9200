import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { settled } from '../../test/support/fake-clock.ts'
import {
  collect,
  identity,
  notificationOf,
  requestOf,
  result,
  untilAborted,
  someone,
} from '../../test/support/scripted.ts'
import {
  type Script,
  answer,
  fail,
  refuse,
  scriptedChannel,
  speakerPorts,
} from '../../test/support/scripted-channel.ts'
import type { BackendRequest } from './backend.ts'
import { createLegacySpeaker } from './legacy.ts'
import type { SpeakerPorts } from './ports.ts'
import { StaleSpeakerError } from './speaker.ts'

const LIVE = new AbortController().signal
const HEADERS = { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': 's1' }
const RESERVED =
  '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}'

function sending(text: string, over: Partial<BackendRequest> = {}): BackendRequest {
  const target = { kind: 'one', backend: 'a', name: 'list', paramHeaders: [] } as const
  return {
    message: requestOf(text),
    target,
    exposedName: 'a_list',
    principal: someone('alice'),
    downstream: {
      era: 'modern',
      version: '2026-07-28',
      transport: 'http',
      session: undefined,
      address: undefined,
    },
    headers: undefined,
    signal: LIVE,
    ...over,
  }
}

function setUp(script: Script, transport: 'http' | 'stdio' = 'http', onChange?: SpeakerPorts['onChange']) {
  const channel = scriptedChannel(script, transport)
  const session = {
    identity: identity({ era: 'legacy', capabilities: { tools: { listChanged: true } } }),
    headers: HEADERS,
  }
  return { channel, out: collect(), speaker: createLegacySpeaker(channel, session, speakerPorts(onChange)) }
}

const call = (meta: string): string =>
  `{ "jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"a_list","arguments":{"n":1.0e5,"z":-0}${meta}} }`

describe('a request of a client, as a legacy backend gets it', () => {
  const cases: readonly (readonly [string, meta: string, sent: string])[] = [
    ['without a trace of the modern era', `,"_meta":{${RESERVED}}`, ''],
    [
      'with what else the client put there',
      `,"_meta":{"k":1.0,${RESERVED},"l":2}`,
      ',"_meta":{"k":1.0,"l":2}',
    ],
    [
      'with the gateway’s progress token',
      `,"_meta":{${RESERVED},"progressToken":"t"}`,
      ',"_meta":{"progressToken":101}',
    ],
    ['without the log level', `,"_meta":{${RESERVED},"io.modelcontextprotocol/logLevel":"info"}`, ''],
    ['as it is where nothing is reserved', '', ''],
  ]
  for (const [name, meta, sent] of cases) {
    test(`comes ${name}, and is else the same bytes`, async () => {
      const { channel, speaker, out } = setUp((_method, exchange) => answer(exchange, {}))
      await speaker.send(sending(call(meta)), out)
      assert.equal(channel.requests[0]?.text, call(sent).replace('"c"', '101').replace('a_list', 'list'))
      assert.deepEqual(channel.requests[0]?.headers, HEADERS)
    })
  }
})

describe('an answer of a legacy backend, in the modern form', () => {
  const textOf = async (method: string, script: Script): Promise<string> => {
    const { speaker, out } = setUp(script)
    const text = `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"uri":"u","name":"a_list"}}`
    return (await speaker.send(sending(text), out)).text
  }
  const head = '{"jsonrpc":"2.0","id":101,"result":'

  test('has a result type, and keeps its bytes', async () => {
    const odd = '"content":[{"type":"vendor","n":1.0e5}],"structuredContent":{"z":-0}'
    assert.equal(
      await textOf('tools/call', (_method, exchange) => answer(exchange, `{${odd}}`)),
      `${head}{"resultType":"complete",${odd}}}`,
    )
  })

  test('has cache hints where the modern form demands them', async () => {
    const text = await textOf('resources/read', (_method, exchange) => answer(exchange, '{"contents":[]}'))
    assert.equal(text, `${head}{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[]}}`)
  })

  test('cannot claim what only modern servers may', async () => {
    const claim = '{"resultType":"input_required","content":[]}'
    const text = await textOf('tools/call', (_method, exchange) => answer(exchange, claim))
    assert.equal(text, `${head}{"resultType":"complete","content":[]}}`)
  })

  const codes: readonly (readonly [string, number, number])[] = [
    ['resources/read', -32002, -32602],
    ['tools/call', -32002, -32002],
    ['tools/call', -32020, -32603],
    ['tools/call', -32021, -32603],
    ['tools/call', -32099, -32603],
    ['tools/call', -32019, -32019],
    ['tools/call', -32602, -32602],
  ]
  for (const [method, code, mapped] of codes) {
    test(`has the error code ${mapped} for ${code} of ${method}`, async () => {
      const text = await textOf(method, (_method, exchange) => refuse(exchange, code))
      assert.equal(text, `{"jsonrpc":"2.0","id":101,"error":{"code":${mapped},"message":"no"}}`)
    })
  }
})

describe('what a legacy backend says in between', () => {
  const log = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
  const progress = (token: string): string =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1}}`

  const chatty: Script = (_method, exchange) => {
    for (const text of [log, progress('101'), progress('5')])
      void exchange.onNotification(notificationOf(text))
    return answer(exchange, {})
  }

  test('reaches the caller who asked for it', async () => {
    const asking = setUp(chatty)
    const meta = `,"_meta":{"progressToken":"mine","io.modelcontextprotocol/logLevel":"info"}`
    await asking.speaker.send(sending(call(meta)), asking.out)
    assert.deepEqual(asking.out.texts, [log, progress('"mine"')])
    const silent = setUp(chatty)
    await silent.speaker.send(sending(call('')), silent.out)
    assert.deepEqual(silent.out.texts, [])
  })

  test('of an elicitation that is complete goes no further: the modern era knows no such message', async () => {
    const complete =
      '{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e"}}'
    const { speaker, out } = setUp((_method, exchange) => {
      void exchange.onNotification(notificationOf(complete))
      return answer(exchange, {})
    })
    await speaker.send(sending(call('')), out)
    assert.deepEqual(out.texts, [])
  })

  test('as a request is answered: ping, and that nothing else was declared', async () => {
    const { channel, speaker, out } = setUp((_method, exchange) => {
      exchange.onRequest(requestOf('{"jsonrpc":"2.0","id":"s\\u0031","method":"ping"}'))
      exchange.onRequest(requestOf('{"jsonrpc":"2.0","id":2,"method":"sampling/createMessage","params":{}}'))
      return answer(exchange, {})
    })
    await speaker.send(sending(call('')), out)
    assert.deepEqual(
      channel.notified.map(({ text }) => text),
      [
        '{"jsonrpc":"2.0","id":"s\\u0031","result":{}}',
        '{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"Method not found: the client declared no sampling/createMessage"}}',
      ],
    )
    assert.deepEqual(channel.notified[0]?.headers, HEADERS)
  })

  test('about lists and resources is heard on every stream', async () => {
    const heard: string[] = []
    const { channel, speaker } = setUp(
      (_method, exchange) => answer(exchange, {}),
      'http',
      ({ method }) => heard.push(method),
    )
    channel.onListen = (onMessage) => {
      onMessage(notificationOf('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'))
      onMessage(requestOf('{"jsonrpc":"2.0","id":9,"method":"ping"}'))
      onMessage(result({}))
      return Promise.resolve()
    }
    speaker.onMessage(notificationOf('{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}'))
    await speaker.follow(() => undefined, LIVE)
    assert.deepEqual(heard, ['notifications/prompts/list_changed', 'notifications/tools/list_changed'])
    assert.deepEqual(
      channel.notified.map(({ text }) => text),
      ['{"jsonrpc":"2.0","id":9,"result":{}}'],
    )
  })

  test('is waited for where the backend offers no GET stream, unless its session is gone', async () => {
    const { channel, speaker } = setUp((_method, exchange) => answer(exchange, {}))
    channel.onListen = () => fail({ kind: 'status', status: 404, body: '' })
    const opened = Promise.withResolvers<void>()
    const leaving = new AbortController()
    const following = speaker.follow(opened.resolve, leaving.signal)
    await opened.promise
    assert.deepEqual(channel.methods, ['ping'])
    leaving.abort(new Error('left'))
    await assert.rejects(following, /left/)
    channel.onListen = () => fail({ kind: 'broken', reason: 'lost' })
    await assert.rejects(speaker.follow(opened.resolve, LIVE), /lost/)
    channel.onListen = () => fail({ kind: 'status', status: 404, body: '' })
    channel.script = () => fail({ kind: 'status', status: 404, body: '' })
    await assert.rejects(speaker.follow(opened.resolve, LIVE), StaleSpeakerError)
  })
})

describe('a legacy session', () => {
  test('that is lost is stale: 404 or 400 without an answer, or with one that has no id', async () => {
    for (const [status, stale] of [
      [404, true],
      [400, true],
      [405, false],
      [500, false],
      [401, false],
    ] as const) {
      const { speaker } = setUp(() => fail({ kind: 'status', status, body: '' }))
      await assert.rejects(speaker.ask('tools/list', '', LIVE), (error) => {
        assert.equal(error instanceof StaleSpeakerError && error.stale === 'session', stale, String(status))
        return true
      })
    }
  })

  test('that turns out to be modern is stale in its era', async () => {
    const { speaker } = setUp((_method, exchange) => refuse(exchange, -32022, { supported: ['2026-07-28'] }))
    await assert.rejects(speaker.ask('tools/list', '', LIVE), (error) => {
      assert.ok(error instanceof StaleSpeakerError)
      assert.equal(error.stale, 'era')
      return true
    })
  })

  test('tells the backend when a caller leaves: over HTTP, where a closed connection says nothing', async () => {
    for (const [transport, told] of [
      ['http', 1],
      ['stdio', 0],
    ] as const) {
      const { channel, speaker, out } = setUp((_method, exchange) => untilAborted(exchange.signal), transport)
      const caller = new AbortController()
      const sent = speaker.send(sending(call(''), { signal: caller.signal }), out)
      caller.abort(new Error('left'))
      await assert.rejects(sent, /left/)
      await settled()
      assert.equal(channel.notified.length, told)
    }
  })

  test('is deleted over HTTP, and nothing is said on a pipe', async () => {
    const http = setUp((_method, exchange) => answer(exchange, {}))
    await http.speaker.close()
    assert.deepEqual(http.channel.deleted, [HEADERS])
    const pipe = setUp((_method, exchange) => answer(exchange, {}), 'stdio')
    await pipe.speaker.close()
    assert.deepEqual(pipe.channel.deleted, [])
  })
})
