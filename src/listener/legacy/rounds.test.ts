import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock, settled } from '../../../test/support/fake-clock.ts'
import {
  notificationOf,
  request,
  requestOf,
  result,
  rpcError,
  someone,
} from '../../../test/support/scripted.ts'
import type { GatewaySettings } from '../../config/types.ts'
import { openDoor } from '../../auth/door.ts'
import { GatewayError } from '../../errors.ts'
import type { Outcome } from '../../filters/rescue.ts'
import type { Call } from '../../pipeline/call.ts'
import { silentLog } from '../../pipeline/log.ts'
import { parseMessage } from '../../protocol/message.ts'
import { openSession } from './session.ts'

const EVERYTHING = '{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{"listChanged":true}}'
const FORM =
  '{"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{"n":1.0}}}'
const SAMPLING = '{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}'
const PARK_TIME = 60_000

interface Asked {
  readonly id?: number
  readonly method: string
  readonly params?: Readonly<Record<string, unknown>>
}

/** A session before a pipeline that gives these answers one after the other. */
async function open(
  answers: readonly Outcome[],
  { version = '2025-11-25', capabilities = EVERYTHING }: { version?: string; capabilities?: string } = {},
) {
  const calls: Call[] = []
  const asked: Asked[] = []
  const clock = createFakeClock()
  const { session } = await openSession(
    requestOf(
      `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"${version}","capabilities":${capabilities}}}`,
    ),
    {
      id: 's',
      principal: someone('p'),
      route: { kind: 'aggregate' },
      transport: 'http',
      address: undefined,
      push: () => undefined,
    },
    {
      answer: (call) => {
        if (call.method === 'server/discover') return Promise.resolve(result({ capabilities: {} }))
        calls.push(call)
        return Promise.resolve(answers[calls.length - 1] ?? result('{"content":[]}'))
      },
      clock,
      log: silentLog,
      settings: { limits: { parkTime: PARK_TIME } } as unknown as GatewaySettings,
      door: openDoor(clock),
      serverInfo: { name: 'gw', version: '1' },
      backends: () => [],
    },
  )
  const out = {
    send: () => undefined,
    write: (text: string) => void asked.push(JSON.parse(text) as Asked),
  }
  const call = async (method = 'tools/call'): Promise<Readonly<Record<string, unknown>>> =>
    JSON.parse(
      await session.handle(request(method, '{"name":"t","arguments":{"n":1.0e5},"uri":"u"}', 7), out),
    ) as Readonly<Record<string, unknown>>
  const reply = (text: string): void => {
    const message = parseMessage(text)
    assert.ok(message.kind === 'result' || message.kind === 'error')
    session.answer(message)
  }
  return { session, calls, asked, clock, call, reply, out }
}

const inputRequired = (members: string): Outcome => result(`{"resultType":"input_required",${members}}`)
const textOf = (answer: Readonly<Record<string, unknown>>): string => JSON.stringify(answer['result'])

describe('input for a call of a legacy client', () => {
  test('is asked for, and goes back with the exact state to the call sent once more', async () => {
    const state = String.raw`"a\u0062\/c"`
    const { call, asked, reply, calls } = await open([
      inputRequired(`"inputRequests":{"k\\u0031":${FORM}},"requestState":${state}`),
    ])
    const answer = call()
    await settled()
    assert.deepEqual(
      asked.map(({ method, params }) => [method, params]),
      [['elicitation/create', { mode: 'form', message: 'm', requestedSchema: { n: 1 } }]],
    )
    reply(`{"jsonrpc":"2.0","id":${asked[0]?.id},"result":{"action":"accept","content":{"x":1.50}}}`)
    assert.deepEqual((await answer)['result'], { content: [] })
    const again = calls[1]?.message.text ?? ''
    assert.ok(again.includes('"inputResponses":{"k1":{"action":"accept","content":{"x":1.50}}}'), again)
    assert.ok(again.includes(`"requestState":${state}`) && again.includes('"arguments":{"n":1.0e5}'), again)
  })

  test('counts each answer once, and only one that was asked for', async () => {
    const { call, asked, reply, calls, session } = await open([
      inputRequired(`"inputRequests":{"a":${FORM},"b":${FORM}}`),
    ])
    const answer = call()
    await settled()
    reply('{"jsonrpc":"2.0","id":99,"result":{"action":"accept"}}')
    reply(`{"jsonrpc":"2.0","id":"${asked[0]?.id}","result":{"action":"accept"}}`)
    reply(`{"jsonrpc":"2.0","id":${asked[0]?.id},"result":{"action":"decline"}}`)
    reply(`{"jsonrpc":"2.0","id":${asked[0]?.id},"result":{"action":"accept"}}`)
    await settled()
    assert.equal(session.inFlight, 1)
    reply(`{"jsonrpc":"2.0","id":${asked[1]?.id},"result":{"action":"cancel"}}`)
    await answer
    const { params } = JSON.parse(calls[1]?.message.text ?? '') as {
      readonly params: Record<string, unknown>
    }
    assert.deepEqual(params['inputResponses'], { a: { action: 'decline' }, b: { action: 'cancel' } })
    assert.equal(params['requestState'], undefined)
  })

  test('never reaches a client that did not declare it', async () => {
    for (const { capabilities, asks, version } of [
      { capabilities: '{}', asks: FORM },
      { capabilities: '{"elicitation":{}}', asks: SAMPLING },
      { capabilities: '{"elicitation":{"url":{}}}', asks: FORM },
      {
        capabilities: EVERYTHING,
        asks: '{"method":"elicitation/create","params":{"mode":"url"}}',
        version: '2025-06-18',
      },
      { capabilities: EVERYTHING, asks: FORM, version: '2025-03-26' },
      { capabilities: EVERYTHING, asks: '{"method":"tasks/get"}' },
    ]) {
      const { call, asked } = await open([inputRequired(`"inputRequests":{"a":${asks}}`)], {
        capabilities,
        ...(version !== undefined && { version }),
      })
      assert.match(textOf(await call()), /did not declare.*"isError":true/)
      assert.deepEqual(asked, [])
    }
  })

  test('has an id for a URL, and no name for a form where there was none', async () => {
    const url = '{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x"}}'
    const latest = await open([inputRequired(`"inputRequests":{"a":${url}}`)])
    void latest.call()
    await settled()
    assert.match(String(latest.asked[0]?.params?.['elicitationId']), /^[\w-]{36}$/)
    const older = await open([inputRequired(`"inputRequests":{"a":${FORM}}`)], { version: '2025-06-18' })
    void older.call()
    await settled()
    assert.deepEqual(Object.keys(older.asked[0]?.params ?? {}), ['message', 'requestedSchema'])
  })

  test('that the client refuses is a cancelled form, and otherwise the end of the call', async () => {
    const refuse = (id: number | undefined) =>
      `{"jsonrpc":"2.0","id":${id},"error":{"code":-1,"message":"never"}}`
    const form = await open([inputRequired(`"inputRequests":{"a":${FORM}}`)])
    const formAnswer = form.call()
    await settled()
    form.reply(refuse(form.asked[0]?.id))
    await formAnswer
    assert.ok(form.calls[1]?.message.text.includes('"inputResponses":{"a":{"action":"cancel"}}'))
    for (const [method, expected] of [
      ['tools/call', /never.*"isError":true/],
      ['prompts/get', /"error":\{"code":-1,"message":"never"\}/],
    ] as const) {
      const other = await open([inputRequired(`"inputRequests":{"a":${SAMPLING},"b":${FORM}}`)])
      const answer = other.call(method)
      await settled()
      other.reply(refuse(other.asked[0]?.id))
      assert.match(JSON.stringify(await answer), expected)
      assert.deepEqual(other.asked.at(-1)?.params?.['requestId'], other.asked[1]?.id)
      assert.equal(other.calls.length, 1)
    }
  })

  test('is taken back when the call is cancelled, when the session ends, and when nobody answers in time', async () => {
    const cancelled = await open([inputRequired(`"inputRequests":{"a":${FORM}}`)])
    const first = cancelled.call()
    await settled()
    cancelled.session.notify(
      notificationOf('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}'),
    )
    assert.match(JSON.stringify(await first), /"CANCELLED"/)
    const ended = await open([inputRequired(`"inputRequests":{"a":${FORM}}`)])
    const second = ended.call()
    await settled()
    ended.session.close(new GatewayError('DRAINING', 'bye'))
    assert.match(JSON.stringify(await second), /"DRAINING"/)
    const late = await open([inputRequired(`"inputRequests":{"a":${FORM}}`)])
    const third = late.call()
    await late.clock.advance(PARK_TIME)
    assert.match(textOf(await third), /no answer within/)
    for (const { asked } of [cancelled, ended, late]) {
      assert.deepEqual(
        asked.map(({ method }) => method),
        ['elicitation/create', 'notifications/cancelled'],
      )
      assert.equal(asked[1]?.params?.['requestId'], asked[0]?.id)
    }
  })

  test('ends after eight rounds; without a question the call is sent again after a pause', async () => {
    const { call, calls, clock } = await open(
      Array.from({ length: 20 }, () => inputRequired('"requestState":"s"')),
    )
    const answer = call()
    await clock.advance(249)
    assert.equal(calls.length, 1)
    await clock.advance(1)
    assert.equal(calls.length, 2)
    await clock.advance(7 * 250)
    assert.match(textOf(await answer), /8 rounds/)
    assert.equal(calls.length, 9)
  })

  test('is refused where the protocol has no place for it', async () => {
    const list = await open([inputRequired(`"inputRequests":{"a":${FORM}}`)])
    assert.match(JSON.stringify(await list.call('tools/list')), /BACKEND_PROTOCOL/)
    const nothing = await open([inputRequired('"x":1')])
    assert.match(JSON.stringify(await nothing.call()), /BACKEND_PROTOCOL/)
  })
})

describe('the shape of a result', () => {
  const answered = async (reply: Outcome, version: string, method = 'tools/call') =>
    JSON.stringify(await (await open([reply], { version })).call(method))

  test('wraps structured content that is no object', async () => {
    const reply = result('{"content":[],"structuredContent":[1]}')
    assert.match(await answered(reply, '2025-11-25'), /"structuredContent":\{"result":\[1\]\}/)
  })

  test('wraps an output schema that is no object, and the results of that tool', async () => {
    const schema = '{"anyOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"const":{"$ref":"#"}}}}'
    const { call } = await open([
      result(
        `{"tools":[{"name":"t","outputSchema":${schema}},{"name":"u","outputSchema":{"type":"object"}}]}`,
      ),
      result('{"content":[],"structuredContent":{"x":1}}'),
    ])
    const { tools } = (await call('tools/list'))['result'] as { readonly tools: readonly object[] }
    assert.deepEqual(tools, [
      {
        name: 't',
        outputSchema: {
          type: 'object',
          properties: {
            result: {
              anyOf: [{ $ref: '#/properties/result/$defs/a' }],
              $defs: { a: { const: { $ref: '#' } } },
            },
          },
          required: ['result'],
        },
      },
      { name: 'u', outputSchema: { type: 'object' } },
    ])
    assert.match(JSON.stringify(await call()), /"structuredContent":\{"result":\{"x":1\}\}/)
  })

  test('has no content that the revision does not know', async () => {
    const link = result(
      '{"content":[{"type":"resource_link","name":"n","uri":"u:1"},{"type":"image","data":""}]}',
    )
    assert.match(await answered(link, '2025-03-26'), /\{"type":"text","text":"n: u:1"\},\{"type":"image"/)
    assert.match(await answered(link, '2025-06-18'), /resource_link/)
  })

  test('has the codes of the legacy era', async () => {
    const data = { uri: 'u:1' }
    assert.match(await answered(rpcError(-32602, 'no', { data }), '2025-11-25', 'resources/read'), /-32002/)
    assert.match(await answered(rpcError(-32602, 'no'), '2025-11-25', 'resources/read'), /-32602/)
    assert.match(await answered(rpcError(-32021, 'lacks'), '2025-11-25'), /"text":"lacks"\}\],"isError":true/)
    assert.match(await answered(rpcError(-32021, 'lacks'), '2025-11-25', 'prompts/get'), /-32603/)
  })
})
