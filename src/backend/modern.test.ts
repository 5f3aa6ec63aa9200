import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { settled } from '../../test/support/fake-clock.ts'
import {
  collect,
  identity,
  notificationOf,
  requestOf,
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
import type { Reply } from '../pipeline/call.ts'
import type { NotificationMessage } from '../protocol/message.ts'
import { NOTHING, type SubscriptionFilter } from '../protocol/subscription.ts'
import type { BackendRequest } from './backend.ts'
import { ChannelError } from './channel.ts'
import { createModernSpeaker } from './modern.ts'
import { StaleSpeakerError } from './speaker.ts'

const LIVE = new AbortController().signal

/** Members and numbers that a careless relay would change. */
const ODD = '"vendor" : {"n":1.0e5,"big":18446744073709551616,"z":-0,"s":"\\u00e9\\/"}'

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

function setUp(script: Script, transport: 'http' | 'stdio' = 'http', capabilities: object = { tools: {} }) {
  const channel = scriptedChannel(script, transport)
  const who = identity({ capabilities: { ...capabilities } })
  return { channel, out: collect(), speaker: createModernSpeaker(channel, who, speakerPorts()) }
}

const echo: Script = (_method, exchange) => answer(exchange, { content: [] })

describe('a request of a client, as a modern backend gets it', () => {
  test('has the gateway’s id and the backend’s name, and is else the same bytes', async () => {
    const { channel, speaker, out } = setUp(echo)
    const text = `{ "jsonrpc":"2.0","id":"c-1","method":"tools/call","params":{ "name":"a_list","arguments":{${ODD}},"_meta":{"k":1}} }`
    await speaker.send(sending(text), out)
    assert.equal(channel.requests[0]?.text, text.replace('"c-1"', '101').replace('"a_list"', '"list"'))
    assert.deepEqual(channel.requests[0]?.headers, {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'list',
    })
  })

  test('keeps the bytes of a name that is not changed, escapes included', async () => {
    const { channel, speaker, out } = setUp(echo)
    const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"l\\u0069st"}}'
    await speaker.send(sending(text, { exposedName: 'list' }), out)
    assert.equal(channel.requests[0]?.text, text.replace('"id":1', '"id":101'))
  })

  test('has headers that are made anew: known parameters from the body, unknown ones as the client sent them', async () => {
    const { channel, speaker, out } = setUp(echo)
    const text =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a_list","arguments":{"region":"eu é"}}}'
    const headers = {
      'mcp-param-region': 'forged',
      'mcp-param-other': 'kept',
      'mcp-name': 'forged',
      authorization: 'secret',
      'mcp-param-twice': ['a', 'b'],
    }
    const paramHeaders = [{ header: 'mcp-param-region', path: ['region'], type: 'string' as const }]
    const target = { kind: 'one', backend: 'a', name: 'list', paramHeaders } as const
    await speaker.send(sending(text, { headers, target }), out)
    assert.deepEqual(channel.requests[0]?.headers, {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'list',
      'mcp-param-other': 'kept',
      'mcp-param-region': `=?base64?${Buffer.from('eu é').toString('base64')}?=`,
    })
  })

  test('has no header for a known parameter that its body lacks, whatever the client sent', async () => {
    const { channel, speaker, out } = setUp(echo)
    const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a_list","arguments":{}}}'
    const paramHeaders = [{ header: 'mcp-param-region', path: ['region'], type: 'string' as const }]
    const target = { kind: 'one', backend: 'a', name: 'list', paramHeaders } as const
    await speaker.send(sending(text, { headers: { 'mcp-param-region': 'forged' }, target }), out)
    assert.ok(!Object.hasOwn(channel.requests[0]?.headers ?? {}, 'mcp-param-region'))
  })

  test('has no headers on a pipe', async () => {
    const { channel, speaker, out } = setUp(echo, 'stdio')
    await speaker.send(
      sending('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a_list"}}'),
      out,
    )
    assert.deepEqual(channel.requests[0]?.headers, {})
  })
})

describe('progress', () => {
  const progress = (token: string): string =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1.0}}`
  const call = (token: string | undefined): string =>
    `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"a_list"${token === undefined ? '' : `,"_meta":{"progressToken":${token}}`}}}`

  test('goes under the gateway’s token and comes back under the client’s, as it was written', async () => {
    for (const token of ['"t\\u0031"', '1.0e1']) {
      const { channel, speaker, out } = setUp((_method, exchange) => {
        for (const sent of ['101', '"101"', '7', token])
          void exchange.onNotification(notificationOf(progress(sent)))
        return answer(exchange, {})
      })
      await speaker.send(sending(call(token)), out)
      assert.equal(
        channel.requests[0]?.text,
        call('101').replace('"id":7', '"id":101').replace('a_list', 'list'),
      )
      assert.deepEqual(out.texts, [progress(token)], 'foreign tokens are dropped')
    }
  })

  test('that nobody asked for is dropped; other notifications are not', async () => {
    const message = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1.0}}'
    const { speaker, out } = setUp((_method, exchange) => {
      void exchange.onNotification(notificationOf(progress('101')))
      void exchange.onNotification(notificationOf(message))
      return answer(exchange, {})
    })
    await speaker.send(sending(call(undefined)), out)
    assert.deepEqual(out.texts, [message])
  })
})

describe('an answer of a modern backend', () => {
  const TASKS =
    '"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}'
  const call = (method: string, meta = ''): string =>
    `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"name":"a_list","_meta":{${meta}}}}`
  const asked = (text: string, resultType: unknown): Promise<Reply> => {
    const { speaker, out } = setUp((_method, exchange) => answer(exchange, { resultType }))
    return speaker.send(sending(text), out)
  }

  test('may have the result types that fit the request', async () => {
    const good = [
      [call('tools/call'), 'complete'],
      [call('tools/call'), undefined],
      [call('prompts/get'), 'input_required'],
      [call('tools/call', TASKS), 'task'],
    ] as const
    for (const [text, type] of good) assert.equal((await asked(text, type)).kind, 'result')
  })

  test('with any other result type is none', async () => {
    const bad = [
      [call('completion/complete'), 'input_required'],
      [call('tools/call'), 'task'],
      [call('prompts/get', TASKS), 'task'],
      [call('tools/call'), 'later'],
      [call('tools/call'), 7],
    ] as const
    for (const [text, type] of bad) {
      await assert.rejects(asked(text, type), (error) => {
        assert.ok(error instanceof ChannelError && error.failure.kind === 'protocol')
        return true
      })
    }
  })

  test('by a status alone shows another era; by 5xx or 401 it does not', async () => {
    for (const [status, stale] of [
      [400, true],
      [404, true],
      [405, true],
      [500, false],
      [503, false],
      [401, false],
    ] as const) {
      const { speaker } = setUp(() => fail({ kind: 'status', status, body: '' }))
      await assert.rejects(speaker.ask('tools/list', '', LIVE), (error) => {
        assert.equal(error instanceof StaleSpeakerError && error.stale === 'era', stale, String(status))
        return true
      })
    }
  })
})

describe('subscribing to a modern backend', () => {
  const FILTER: SubscriptionFilter = { lists: ['tools', 'resources'], resources: ['a:\u0001"'], tasks: [] }
  const note = (method: string, params = ''): NotificationMessage =>
    notificationOf(`{"jsonrpc":"2.0","method":"notifications/${method}"${params && `,"params":${params}`}}`)

  function follow(script: Script, transport: 'http' | 'stdio' = 'http', filter = FILTER) {
    const seen: unknown[] = []
    const { channel, speaker } = setUp(script, transport)
    const leaving = new AbortController()
    const listener = {
      onOpen: (honoured: SubscriptionFilter): void => void seen.push(honoured),
      onChange: ({ method }: NotificationMessage): void => void seen.push(method),
    }
    return { channel, seen, leaving, ended: speaker.subscribe(filter, listener, leaving.signal) }
  }

  test('asks for the filter, hears what is honoured and then what changes, until the server ends it', async () => {
    const { channel, seen, ended } = follow((_method, exchange) => {
      void exchange.onNotification(
        note('subscriptions/acknowledged', '{"notifications":{"toolsListChanged":true}}'),
      )
      void exchange.onNotification(note('tools/list_changed'))
      return answer(exchange, {})
    })
    await ended
    const sent = JSON.parse(channel.requests[0]?.text ?? '') as {
      method: string
      params: Record<string, unknown>
    }
    assert.equal(sent.method, 'subscriptions/listen')
    assert.deepEqual(sent.params['notifications'], {
      toolsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: ['a:\u0001"'],
    })
    assert.deepEqual(Object.keys(sent.params['_meta'] as object).length, 3)
    assert.equal(channel.requests[0]?.headers['mcp-method'], 'subscriptions/listen')
    assert.deepEqual(seen, [
      { lists: ['tools'], resources: [], tasks: [] },
      'notifications/tools/list_changed',
    ])
  })

  test('declares the extension where it follows tasks', async () => {
    const script: Script = (_method, exchange) => {
      void exchange.onNotification(note('subscriptions/acknowledged', '{"notifications":{"taskIds":["t1"]}}'))
      void exchange.onNotification(note('tasks', '{"taskId":"t1"}'))
      return answer(exchange, {})
    }
    const { channel, seen, ended } = follow(script, 'http', { ...NOTHING, tasks: ['t1', 't2'] })
    await ended
    const { params } = JSON.parse(channel.requests[0]?.text ?? '') as { params: Record<string, object> }
    assert.deepEqual(params['notifications'], { taskIds: ['t1', 't2'] })
    const capabilities = { extensions: { 'io.modelcontextprotocol/tasks': {} } }
    const meta = params['_meta'] as Record<string, unknown>
    assert.deepEqual(meta['io.modelcontextprotocol/clientCapabilities'], capabilities)
    assert.deepEqual(seen, [{ ...NOTHING, tasks: ['t1'] }, 'notifications/tasks'])
  })

  test('takes the cancellation of its own request for the end', async () => {
    const { ended } = follow((_method, exchange) => {
      void exchange.onNotification(note('cancelled', `{"requestId":${exchange.id}}`))
      return untilAborted(exchange.signal)
    }, 'stdio')
    await ended
  })

  test('ends when nobody follows any more, and with the failure of its stream', async () => {
    const left = follow((_method, exchange) => untilAborted(exchange.signal))
    left.leaving.abort(new Error('left'))
    await assert.rejects(left.ended, /left/)
    await assert.rejects(follow(() => fail({ kind: 'broken', reason: 'lost' })).ended, /lost/)
    await assert.rejects(follow((_method, exchange) => refuse(exchange, -32603)).ended, {
      message: 'refused a subscription with error -32603',
    })
  })

  test('of a server that knows no subscriptions stays open with nothing in it', async () => {
    const { seen, leaving, ended } = follow((_method, exchange) => refuse(exchange, -32601))
    await settled()
    assert.deepEqual(seen, [{ lists: [], resources: [], tasks: [] }])
    leaving.abort(new Error('left'))
    await assert.rejects(ended, /left/)
  })

  test('is not needed to hear of changes: those on other streams count as well, and no client of those gets them', async () => {
    const heard: string[] = []
    const channel = scriptedChannel((_method, exchange) => {
      void exchange.onNotification(note('tools/list_changed'))
      return answer(exchange, {})
    })
    const speaker = createModernSpeaker(
      channel,
      identity(),
      speakerPorts(({ method }) => heard.push(method)),
    )
    const out = collect()
    const text = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a_list"}}'
    await speaker.send(sending(text), out)
    await speaker.ask('tools/list', '', LIVE)
    speaker.onMessage(note('prompts/list_changed'))
    assert.deepEqual(out.texts, [])
    assert.deepEqual(heard, [
      'notifications/tools/list_changed',
      'notifications/tools/list_changed',
      'notifications/prompts/list_changed',
    ])
  })
})
