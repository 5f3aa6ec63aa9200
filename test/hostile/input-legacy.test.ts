import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ECHO, except, good } from './support/backend.ts'
import { type Refused, assertRefused, world } from './support/cases.ts'
import { type LegacyClient, answerOf, legacyClient } from './support/gateway.ts'
import { openWire, requestBytes, roundTrip } from './support/wire.ts'

const MODERN = { era: 'modern', tools: ECHO } as const
const LIST = '{"jsonrpc":"2.0","id":3,"method":"tools/list"}'
const CALL = '{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"good_echo"}}'

describe('legacy sessions', () => {
  const { port, serves } = world()
  let client: LegacyClient | undefined
  before(async () => {
    client = await legacyClient(port())
  })
  const request = (body: string, headers: Readonly<Record<string, string | undefined>> = {}) =>
    Promise.all([client?.request(body, headers) ?? assert.fail('no session'), serves()]).then(
      ([response]) => response,
    )

  const required: Refused = { status: 400, rpc: -32600, code: 'SESSION_REQUIRED', id: '3' }
  const lost: Refused = { status: 404, rpc: -31044, code: 'SESSION_NOT_FOUND', id: '3' }

  test('a request without a session', async () => {
    assertRefused(await request(LIST, { 'mcp-session-id': undefined }), required)
  })
  test('a notification without a session', async () => {
    const note = '{"jsonrpc":"2.0","method":"notifications/initialized"}'
    assertRefused(await request(note, { 'mcp-session-id': undefined }), {
      status: 400,
      rpc: -32600,
      code: 'SESSION_REQUIRED',
    })
  })
  for (const session of [
    'nobody',
    '',
    '__proto__',
    '00000000-0000-4000-8000-000000000000',
    'x'.repeat(4000),
  ]) {
    test(`a session that does not exist: ${session.slice(0, 40)}`, async () => {
      assertRefused(await request(LIST, { 'mcp-session-id': session }), lost)
    })
  }
  test('a session that was opened at another path', async () => {
    const response = await roundTrip(port(), {
      path: '/mcp/good',
      body: LIST,
      headers: { 'mcp-session-id': client?.session },
    })
    assertRefused(response, lost)
  })
  for (const version of ['2024-10-07', 'hello', '2025-11-26', ' ', '2025-11-25, 2025-11-25']) {
    test(`MCP-Protocol-Version ${JSON.stringify(version)}`, async () => {
      assertRefused(await request(LIST, { 'mcp-protocol-version': version }), {
        status: 400,
        rpc: -32600,
        code: 'INVALID_REQUEST',
        id: '3',
        message: /Unsupported MCP-Protocol-Version: there is 2025-11-25, /,
      })
    })
  }
  for (const version of [undefined, '2025-03-26', '2025-06-18', '2025-11-25']) {
    test(`MCP-Protocol-Version ${version} is fine`, async () => {
      assert.equal((await request(LIST, { 'mcp-protocol-version': version })).status, 200)
    })
  }
  test('initialize inside a session opens another one', async () => {
    const body =
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}'
    const response = await request(body)
    assert.equal(response.status, 200)
    assert.ok(response.headers['mcp-session-id'])
    assert.notEqual(response.headers['mcp-session-id'], client?.session)
    assert.equal((await request(LIST)).status, 200, 'the old one is still there')
  })
  const oddInitialize: readonly (readonly [string, string])[] = [
    ['no params', ''],
    ['a version of the future', ',"params":{"protocolVersion":"2099-01-01"}'],
    ['a version that is a number', ',"params":{"protocolVersion":5,"clientInfo":"x","capabilities":[]}'],
    ['the modern version', ',"params":{"protocolVersion":"2026-07-28"}'],
  ]
  for (const [title, params] of oddInitialize) {
    test(`initialize with ${title} is answered with the newest version spoken`, async () => {
      const response = await request(`{"jsonrpc":"2.0","id":1,"method":"initialize"${params}}`, {
        'mcp-session-id': undefined,
      })
      assert.equal(response.status, 200)
      assert.equal(answerOf(response).result?.['protocolVersion'], '2025-11-25')
    })
  }
  test('initialize at an unknown backend', async () => {
    const response = await roundTrip(port(), {
      path: '/mcp/nobody',
      body: '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}',
    })
    assertRefused(response, {
      status: 404,
      rpc: -31004,
      code: 'UNKNOWN_BACKEND',
      id: '1',
      message: /^Unknown backend: nobody\. There is good\.$/,
    })
    assert.equal(response.headers['mcp-session-id'], undefined)
  })

  // What is wrong with one request is answered in the session, with 200 as the era has it.
  const inBand: readonly (readonly [string, string, number, string])[] = [
    ['an unknown method', '"method":"tools/unknown"', -32601, 'METHOD_NOT_FOUND'],
    ['a method of the modern era', '"method":"subscriptions/listen"', -32601, 'METHOD_NOT_FOUND'],
    ['an unknown tool', '"method":"tools/call","params":{"name":"nobody"}', -32602, 'UNKNOWN_TOOL'],
    ['a tool without a name', '"method":"tools/call","params":{}', -32602, 'INVALID_PARAMS'],
    ['a tool whose name is a number', '"method":"tools/call","params":{"name":5}', -32602, 'INVALID_PARAMS'],
    [
      'a log level that does not exist',
      '"method":"logging/setLevel","params":{"level":"loud"}',
      -32602,
      'INVALID_PARAMS',
    ],
    ['no log level', '"method":"logging/setLevel"', -32602, 'INVALID_PARAMS'],
    ['a cursor from nowhere', '"method":"tools/list","params":{"cursor":"x"}', -32602, 'INVALID_PARAMS'],
  ]
  for (const [title, members, rpc, code] of inBand) {
    test(title, async () => {
      assertRefused(await request(`{"jsonrpc":"2.0","id":3,${members}}`), { status: 200, rpc, code, id: '3' })
    })
  }
  for (const meta of ['5', 'null', '[]', '"x"']) {
    test(`_meta that is ${meta}`, async () => {
      const response = await request(
        `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"good_echo","_meta":${meta}}}`,
      )
      assert.match(response.body, /"served"/)
    })
  }
  test('a session that was deleted', async () => {
    const other = await legacyClient(port())
    const remove = { method: 'DELETE', headers: { 'mcp-session-id': other.session } }
    assert.equal((await roundTrip(port(), remove)).status, 200)
    assertRefused(await other.request(LIST), lost)
    assertRefused(await roundTrip(port(), remove), { status: 404, rpc: -31044, code: 'SESSION_NOT_FOUND' })
  })
})

describe('requests in flight of a legacy session', () => {
  const { port, backend, serves } = world()
  let client: LegacyClient | undefined
  before(async () => {
    client = await legacyClient(port())
  })
  after(() => backend().behave(good(MODERN)))
  const theClient = (): LegacyClient => client ?? assert.fail('no session')

  /** Lets the backend hold its answer to a call until it is told to give it. */
  const hold = (): { readonly asked: Promise<void>; release(): void; readonly over: Promise<void> } => {
    const asked = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const over = Promise.withResolvers<void>()
    const otherwise = good(MODERN)
    backend().behave(
      except(
        'tools/call',
        (received, reply) => {
          if (received.body.includes('somebody else')) return otherwise(received, reply)
          reply.socket.on('close', () => over.resolve())
          asked.resolve()
          void go.promise.then(() => otherwise(received, reply))
        },
        MODERN,
      ),
    )
    return { asked: asked.promise, release: () => go.resolve(), over: over.promise }
  }

  test('an id that is in use is refused, and the first request is answered', async () => {
    const held = hold()
    const first = theClient().request(CALL)
    await held.asked
    assertRefused(await theClient().request(CALL), {
      status: 200,
      rpc: -32600,
      code: 'INVALID_REQUEST',
      id: '"c"',
      message: /"c" is in flight already/,
    })
    const other = await legacyClient(port())
    const elsewhere = other.request(CALL)
    held.release()
    assert.match((await first).body, /"served"/)
    assert.match((await elsewhere).body, /"served"/, 'ids of other sessions are other ids')
    assert.match((await theClient().request(CALL)).body, /"served"/, 'free again')
  })

  test('cancelled by its id: the backend is told; other ids are left alone', async () => {
    const held = hold()
    const call = theClient().request(CALL)
    await held.asked
    const cancel = (id: string): Promise<unknown> =>
      theClient().request(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`)
    await Promise.all(['1', '"nobody"', 'null', '{}', '"C"'].map(cancel))
    await serves()
    await cancel('"c"')
    await held.over
    assert.match((await call).body, /"code":-31099/)
  })

  test('a client that goes away does not cancel', async () => {
    const held = hold()
    const wire = await openWire(port())
    wire.write(requestBytes({ body: CALL, headers: { 'mcp-session-id': theClient().session } }))
    await held.asked
    wire.close()
    await serves()
    // The id stays in use for as long as the backend works.
    assertRefused(await theClient().request(CALL), {
      status: 200,
      rpc: -32600,
      code: 'INVALID_REQUEST',
      id: '"c"',
    })
    held.release()
  })
})
