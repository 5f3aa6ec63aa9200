import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import {
  type Behaviour,
  ECHO,
  type GoodServer,
  type RawBackend,
  type Reply,
  except,
  good,
  rawBackend,
  response,
} from './support/backend.ts'
import { assertNothingLeaks } from './support/cases.ts'
import {
  type TestGateway,
  answerOf,
  legacyClient,
  modernCall,
  modernRequest,
  startGateway,
  toolNames,
} from './support/gateway.ts'
import { messagesOf, roundTrip } from './support/wire.ts'

/** What a call gets whose backend behaves so. */
interface Misbehaviour {
  readonly title: string
  readonly behaviour: Behaviour
  readonly code: keyof typeof CODES
  readonly retryable: boolean
  readonly message: RegExp
}

const CODES = {
  BACKEND_TIMEOUT: { status: 504, rpc: -31504 },
  BACKEND_UNAVAILABLE: { status: 502, rpc: -31502 },
  BACKEND_PROTOCOL: { status: 502, rpc: -31520 },
  BACKEND_AUTH: { status: 502, rpc: -31521 },
} as const

const RESULT = '"result":{"resultType":"complete","content":[]}'
const SECRET = 's3cret at Object.<anonymous> (/srv/app/index.ts:10:5) http://127.0.0.1:9999'
const REPLY_LIMIT = 64 * 1024
/** Connections that may be left open for the next call; those that a case leaves behind add up. */
const IDLE = 8

const broken = (
  title: string,
  behaviour: Behaviour,
  message = /^Backend bad broke off: connection lost$/,
): Misbehaviour => ({
  title,
  behaviour,
  message,
  code: 'BACKEND_UNAVAILABLE',
  // It had been sent: nobody can know whether it was carried out.
  retryable: false,
})
const protocol = (title: string, behaviour: Behaviour, message: RegExp): Misbehaviour => ({
  title,
  behaviour,
  message,
  code: 'BACKEND_PROTOCOL',
  retryable: false,
})
const silent = (title: string, behaviour: Behaviour): Misbehaviour => ({
  title,
  behaviour,
  code: 'BACKEND_TIMEOUT',
  retryable: false,
  message: /^Backend bad did not answer within 250 ms$/,
})
/** A whole response with this status and a body that must not be shown. */
const answering =
  (status: number, headers: Readonly<Record<string, string>> = {}, body = SECRET): Behaviour =>
  (_received, reply) =>
    reply.json(body, { status, headers: { 'content-type': 'text/plain', ...headers } })
const json =
  (text: (id: string) => string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Behaviour =>
  ({ id }, reply) =>
    reply.json(text(id), { headers })
const events =
  (send: (reply: Reply, id: string) => void): Behaviour =>
  ({ id }, reply) => {
    reply.events()
    send(reply, id)
  }
const status = (
  code: number,
  gatewayCode: keyof typeof CODES,
  retryable: boolean,
  message: RegExp,
): readonly Misbehaviour[] => {
  const common = { code: gatewayCode, retryable, message }
  return [
    {
      ...common,
      title: `${code} with a text`,
      behaviour: answering(code, { 'www-authenticate': `Bearer ${SECRET}` }),
    },
    { ...common, title: `${code} without a body`, behaviour: answering(code, {}, '') },
    {
      ...common,
      title: `${code} with JSON that is no JSON-RPC`,
      behaviour: answering(code, { 'content-type': 'application/json' }, `{"error":"${SECRET}"}`),
    },
    ...(code === 401 || code === 403
      ? [
          {
            ...common,
            title: `${code} with a JSON-RPC error`,
            behaviour: answering(
              code,
              { 'content-type': 'application/json' },
              `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"${SECRET}"}}`,
            ),
          },
        ]
      : []),
  ]
}

/** Sends something again and again for as long as the connection is there and takes it. */
function flood({ socket }: Reply, bytes: string): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  }
  socket.on('drain', more)
  more()
}

const connection: readonly Misbehaviour[] = [
  silent('accepts and hangs', () => undefined),
  silent('sends headers and hangs', (_received, reply) =>
    reply.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n'),
  ),
  silent('sends half a body and hangs', ({ id }, reply) =>
    reply.raw(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n${response(id, RESULT)}`,
    ),
  ),
  silent(
    'opens an event stream and is silent',
    events(() => undefined),
  ),
  silent('trickles', (_received, reply) => {
    reply.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n')
    const timer = setInterval(() => reply.raw(' '), 5)
    reply.socket.on('close', () => clearInterval(timer))
  }),
  silent(
    'sends comments for ever',
    events((reply) => {
      const timer = setInterval(() => reply.raw(': alive\n\n'), 5)
      reply.socket.on('close', () => clearInterval(timer))
    }),
  ),
  broken('resets before it answers', (_received, reply) => reply.reset()),
  broken('closes before it answers', (_received, reply) => reply.end()),
  broken('resets in its headers', (_received, reply) => {
    reply.raw('HTTP/1.1 200 OK\r\ncontent-ty')
    setImmediate(() => reply.reset())
  }),
  broken('resets after its headers', (_received, reply) => {
    reply.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n')
    setImmediate(() => reply.reset())
  }),
  broken('closes in its body', (_received, reply) => {
    reply.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"json')
    reply.end()
  }),
  broken('closes in a chunk', (_received, reply) => {
    reply.raw(
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n50\r\n{"json',
    )
    reply.end()
  }),
  broken(
    'speaks no HTTP',
    (_received, reply) => reply.raw('hello, who is there?\r\n\r\n'),
    /^Backend bad broke off: Response does not match the HTTP\/1.1 protocol/,
  ),
  broken(
    'sends two lengths',
    ({ id }, reply) => reply.raw(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n${id}`),
    /^Backend bad broke off: /,
  ),
  broken(
    'sends endless headers',
    (_received, reply) => flood(reply, `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(9000)}\r\n`),
    /^Backend bad broke off: /,
  ),
]

const statuses: readonly Misbehaviour[] = [
  ...status(
    401,
    'BACKEND_AUTH',
    false,
    /^Backend bad does not accept the gateway's credentials \(HTTP 401\)$/,
  ),
  ...status(
    403,
    'BACKEND_AUTH',
    false,
    /^Backend bad does not accept the gateway's credentials \(HTTP 403\)$/,
  ),
  ...status(
    404,
    'BACKEND_PROTOCOL',
    false,
    /^Backend bad broke the protocol: it no longer answers as a modern server/,
  ),
  ...status(410, 'BACKEND_PROTOCOL', false, /^Backend bad answered HTTP 410 without a JSON-RPC message$/),
  ...status(429, 'BACKEND_UNAVAILABLE', true, /^Backend bad is overloaded \(HTTP 429\)$/),
  ...status(500, 'BACKEND_UNAVAILABLE', false, /^Backend bad failed with HTTP 500$/),
  ...status(502, 'BACKEND_UNAVAILABLE', false, /^Backend bad failed with HTTP 502$/),
  ...status(503, 'BACKEND_UNAVAILABLE', false, /^Backend bad is overloaded \(HTTP 503\)$/),
  {
    title: '302 to elsewhere',
    behaviour: answering(302, { location: 'http://127.0.0.1:9/' }),
    code: 'BACKEND_PROTOCOL',
    retryable: false,
    message: /^Backend bad answered HTTP 302 without a JSON-RPC message$/,
  },
  protocol(
    '200 with HTML',
    answering(200, { 'content-type': 'text/html' }),
    /it answered a request with 200 and content type "text\/html"/,
  ),
  protocol(
    '200 with HTML without end',
    (_received, reply) => {
      reply.raw('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n')
      flood(reply, '<p>'.repeat(1000))
    },
    /content type "text\/html"/,
  ),
  protocol(
    '200 without a body',
    answering(200, { 'content-type': 'application/json' }, ''),
    /no JSON-RPC message/,
  ),
  protocol('202', answering(202, {}, ''), /answered a request with 202/),
  protocol(
    '204',
    (_received, reply) => reply.raw('HTTP/1.1 204 No Content\r\n\r\n'),
    /answered a request with 204/,
  ),
]

const contents: readonly Misbehaviour[] = [
  protocol(
    'invalid JSON',
    json((id) => response(id, RESULT).slice(0, -1)),
    /no JSON-RPC message/,
  ),
  protocol(
    'duplicate members',
    json((id) => response(id, `${RESULT},${RESULT}`)),
    /no JSON-RPC message \(Duplicate member/,
  ),
  protocol(
    'invalid UTF-8',
    json((id) => Buffer.from(response(id, '"result":{"x":"\u00ff"}'), 'latin1')),
    /invalid UTF-8/,
  ),
  protocol(
    'a byte order mark',
    json((id) => `\uFEFF${response(id, RESULT)}`),
    /no JSON-RPC message/,
  ),
  protocol(
    'too deep nesting',
    json((id) => response(id, `"result":{"x":${'['.repeat(5000)}${']'.repeat(5000)}}`)),
    /deeper than/,
  ),
  protocol(
    'the id of another request',
    json((id) => response(String(Number(id) + 1), RESULT)),
    /the id of another request/,
  ),
  protocol(
    'the id as a string',
    json((id) => response(`"${id}"`, RESULT)),
    /the id of another request/,
  ),
  protocol(
    'no id',
    json(() => `{"jsonrpc":"2.0",${RESULT}}`),
    /no JSON-RPC message/,
  ),
  protocol(
    'a request',
    json((id) => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`),
    /a request instead of a response/,
  ),
  protocol(
    'a notification',
    json(() => '{"jsonrpc":"2.0","method":"notifications/message"}'),
    /a notification instead of a response/,
  ),
  protocol(
    'a result that is an array',
    json((id) => response(id, '"result":[]')),
    /"result" must be an object/,
  ),
  protocol(
    'a result that is null',
    json((id) => response(id, '"result":null')),
    /"result" must be an object/,
  ),
  protocol(
    'result and error',
    json((id) => response(id, `${RESULT},"error":{"code":1,"message":"x"}`)),
    /both "result" and "error"/,
  ),
  protocol(
    'an error that is a string',
    json((id) => response(id, `"error":"${SECRET}"`)),
    /"error" must be an object/,
  ),
  protocol(
    'an error without a code',
    json((id) => response(id, '"error":{"message":"x"}')),
    /"error.code"/,
  ),
  protocol(
    'an unknown result type',
    json((id) => response(id, '"result":{"resultType":"surprise"}')),
    /with an unknown resultType/,
  ),
  protocol(
    'a task that nobody asked for',
    json((id) => response(id, '"result":{"resultType":"task"}')),
    /resultType "task"/,
  ),
  protocol(
    'a compressed body',
    json((id) => gzipSync(response(id, RESULT)), { 'content-encoding': 'gzip' }),
    /^Backend bad broke the protocol/,
  ),
  protocol(
    'more than the largest reply',
    json((id) => response(id, `"result":{"x":"${'a'.repeat(REPLY_LIMIT)}"}`)),
    /more than 65536 bytes/,
  ),
  protocol(
    'JSON without end',
    (_received, reply) => {
      reply.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"a":"')
      flood(reply, 'a'.repeat(8192))
    },
    /more than 65536 bytes/,
  ),
]

const streams: readonly Misbehaviour[] = [
  broken(
    'ends without an answer',
    events((reply) => reply.end()),
    /the event stream ended without an answer/,
  ),
  broken(
    'ends in the middle of its answer',
    events((reply, id) => {
      reply.raw(`event: message\ndata: ${response(id, RESULT)}\n`)
      reply.end()
    }),
    /the event stream ended without an answer/,
  ),
  broken(
    'answers only another request',
    events((reply, id) => {
      reply.event(response(String(Number(id) + 1), RESULT))
      reply.end()
    }),
    /the event stream ended without an answer/,
  ),
  protocol(
    'sends an event that is no JSON',
    events((reply) => reply.event('hello')),
    /an event that is no JSON-RPC message/,
  ),
  protocol(
    'sends an event that is no message',
    events((reply) => reply.event('[]')),
    /an event that is no JSON-RPC message/,
  ),
  protocol(
    'sends invalid UTF-8',
    events((reply) => reply.raw(Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0x0a]))),
    /not valid UTF-8/,
  ),
  protocol(
    'sends an event without end',
    events((reply) => flood(reply, `data: ${'a'.repeat(5000)}\n`)),
    /longer than 65536 bytes/,
  ),
  protocol(
    'sends a line without end',
    events((reply) => flood(reply, 'a'.repeat(5000))),
    /longer than 65536 bytes/,
  ),
]

const MODERN: GoodServer = { era: 'modern', tools: ECHO }

/** A gateway between a good backend and one that may behave as it likes. */
function houses(server: GoodServer) {
  let bad: RawBackend | undefined
  let other: RawBackend | undefined
  let gateway: TestGateway | undefined
  before(async () => {
    bad = await rawBackend(good(server))
    other = await rawBackend(good(MODERN))
    gateway = await startGateway({
      backends: {
        bad: {
          url: bad.url,
          timeout: '250ms',
          headers: { authorization: 'Bearer s3cret' },
          // One fault after another is what this suite is about.
          circuitBreaker: false,
        },
        good: other.url,
      },
      gateway: { limits: { reply: '64KiB' }, staleFor: '10m' },
    })
  })
  after(async () => {
    await gateway?.close()
    await bad?.stop()
    await other?.stop()
  })
  return {
    bad: () => bad ?? assert.fail('not started'),
    port: () => gateway?.port ?? assert.fail('not started'),
    gateway: () => gateway ?? assert.fail('not started'),
  }
}

type Houses = ReturnType<typeof houses>

/** Others are served, and the list is complete. */
async function othersAreServed(port: number): Promise<void> {
  const [call, list] = await Promise.all([
    roundTrip(port, modernCall('good_echo')),
    roundTrip(port, modernRequest('tools/list')),
  ])
  assert.match(call.body, /"served"/)
  assert.deepEqual(toolNames(answerOf(list)), ['bad_echo', 'good_echo'])
}

function assertFailed(
  body: string,
  { code, retryable, message }: Omit<Misbehaviour, 'title' | 'behaviour'>,
): void {
  const { error } = JSON.parse(body) as {
    error?: { code: number; message: string; data: Record<string, unknown> }
  }
  const { code: found, retryable: again, backend } = error?.data ?? {}
  assert.deepEqual(
    { rpc: error?.code, code: found, retryable: again, backend },
    { rpc: CODES[code].rpc, code, retryable, backend: 'bad' },
    body,
  )
  assert.match(error?.message ?? '', message)
  assertNothingLeaks(body)
}

function fails(cases: readonly Misbehaviour[], { bad, port }: Houses, server: GoodServer): void {
  for (const { title, behaviour, ...failure } of cases) {
    test(title, async () => {
      bad().behave(except('tools/call', behaviour, server))
      const client = await legacyClient(port())
      const [modern, legacy] = await Promise.all([
        roundTrip(port(), modernCall('bad_echo', { id: '"m"' })),
        client.request('{"jsonrpc":"2.0","id":"l","method":"tools/call","params":{"name":"bad_echo"}}'),
        othersAreServed(port()),
      ])
      assert.equal(modern.status, CODES[failure.code].status)
      assert.equal(modern.headers['www-authenticate'], undefined)
      assertFailed(modern.body, failure)
      assert.match(modern.body, /"id":"m"/)
      assert.equal(legacy.status, 200, 'legacy errors are answers')
      assertFailed(legacy.body, failure)
      bad().behave(good(server))
      assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /"served"/, 'it has recovered')
      // Whatever it was doing, nobody listens to it any more.
      while (bad().connections > IDLE) await new Promise((resolve) => setImmediate(resolve))
    })
  }
}

describe('a backend whose connection', () => fails(connection, houses(MODERN), MODERN))
describe('a backend that answers with status', () => fails(statuses, houses(MODERN), MODERN))
describe('a backend that answers with', () => fails(contents, houses(MODERN), MODERN))
describe('a backend whose event stream', () => fails(streams, houses(MODERN), MODERN))

describe('a backend that fails when the answer has begun', () => {
  const { bad, port } = houses(MODERN)

  test('is reported in the stream: after what came before', async () => {
    bad().behave(
      except(
        'tools/call',
        events((reply) => {
          reply.event('{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"before"}}')
          setImmediate(() => reply.reset())
        }),
        MODERN,
      ),
    )
    const answer = await roundTrip(port(), modernCall('bad_echo', { id: '"m"' }))
    assert.equal(answer.status, 200)
    const [before, failure = '', ...more] = messagesOf(answer)
    assert.match(before ?? '', /"before"/)
    assert.deepEqual(more, [])
    assertFailed(failure, {
      code: 'BACKEND_UNAVAILABLE',
      retryable: false,
      message: /^Backend bad broke off: /,
    })
    assert.match(failure, /"id":"m"/)
  })
})

describe('a depth that is allowed', () => {
  const deep = `{"x":${'['.repeat(200)}${']'.repeat(200)}}`
  for (const era of ['modern', 'legacy'] as const) {
    test(`is allowed both ways, for clients of both eras and a ${era} backend`, async (t) => {
      const server: GoodServer = { era, tools: ECHO.replace('{"type"', `{"x":${deep},"type"`) }
      const backend = await rawBackend(
        except(
          'tools/call',
          json((id) => response(id, `"result":{"content":[],"structuredContent":${deep}}`)),
          server,
        ),
      )
      const gateway = await startGateway({
        backends: { bad: { url: backend.url, circuitBreaker: false } },
        gateway: { limits: { depth: 300 } },
      })
      t.after(() => Promise.all([gateway.close(), backend.stop()]))
      const client = await legacyClient(gateway.port)
      const answers = await Promise.all([
        roundTrip(gateway.port, modernCall('bad_echo', { args: deep })),
        client.request(
          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad_echo","arguments":${deep}}}`,
        ),
      ])
      for (const { body } of answers) assert.ok(body.includes(`"structuredContent":${deep}`), body)
    })
  }
})

describe('a backend that is given up', () => {
  const { bad, port } = houses(MODERN)
  const nonsense: readonly (readonly [string, Behaviour])[] = [
    ['event', events((reply) => reply.event('hello'))],
    ['page', (_received, reply) => reply.raw('HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p>')],
  ]
  for (const [what, behaviour] of nonsense) {
    test(`because of a useless ${what} holds no connection, even if it never ends`, async () => {
      bad().behave(except('tools/call', behaviour, MODERN))
      const calls = Array.from({ length: 20 }, () => roundTrip(port(), modernCall('bad_echo')))
      for (const answer of await Promise.all(calls)) assert.equal(answer.status, 502)
      while (bad().connections > IDLE) await new Promise((resolve) => setImmediate(resolve))
    })
  }
})

describe('a backend that is not there', () => {
  const { bad, port, gateway } = houses(MODERN)

  test('is unavailable, may be tried again, and is used again as soon as it is back', async () => {
    await bad().stop()
    const refused = await roundTrip(port(), modernCall('bad_echo'))
    assert.equal(refused.status, 502)
    assertFailed(refused.body, {
      code: 'BACKEND_UNAVAILABLE',
      retryable: true,
      message: /^Backend bad is not reachable: connection refused$/,
    })
    await othersAreServed(port())
    const list = answerOf(await roundTrip(port(), modernRequest('tools/list')))
    assert.deepEqual(list.result?.['_meta'], {
      'io.modelcontextprotocol/serverInfo': { name: 'toolgate', version: '1.2.3' },
      'io.toolgate/backends': {
        bad: { listed: 'stale', reason: 'Backend bad is not reachable: connection refused' },
      },
    })
    assert.equal(list.result?.['ttlMs'], 0)
    assert.deepEqual(
      gateway()
        .gateway.report()
        .map(({ name, condition }) => [name, condition]),
      [
        ['bad', { state: 'down', reason: 'connection refused' }],
        ['good', { state: 'up' }],
      ],
    )
    await bad().restart()
    assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /"served"/)
    assert.deepEqual(
      gateway()
        .gateway.report()
        .map(({ condition }) => condition.state),
      ['up', 'up'],
    )
  })
})

describe('a backend that answers more than once', () => {
  const { bad, port } = houses(MODERN)
  const first = '"result":{"resultType":"complete","content":[{"type":"text","text":"first"}]}'
  const second = first.replace('first', 'second')
  const twice: readonly (readonly [string, Behaviour])[] = [
    [
      'in one stream',
      events((reply, id) => {
        reply.event(response(id, first))
        reply.event(response(id, second))
        reply.end()
      }),
    ],
    [
      'with an error after it',
      events((reply, id) => {
        reply.event(response(id, first))
        reply.event(response(id, '"error":{"code":1,"message":"second"}'))
        reply.end()
      }),
    ],
    [
      'with garbage after it',
      events((reply, id) => {
        reply.event(response(id, first))
        reply.event('garbage')
        reply.end()
      }),
    ],
    [
      'with notifications after it',
      events((reply, id) => {
        reply.event(response(id, first))
        reply.event('{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"second"}}')
        reply.end()
      }),
    ],
    [
      'with two HTTP responses',
      ({ id }, reply) => {
        reply.json(response(id, first))
        reply.json(response(id, second))
      },
    ],
    [
      'in a stream that never ends',
      events((reply, id) => {
        reply.event(response(id, first))
        flood(reply, 'data: second\n\n'.repeat(500))
      }),
    ],
  ]
  for (const [title, behaviour] of twice) {
    test(`${title}: the first answer counts, and nobody gets the second`, async () => {
      bad().behave(except('tools/call', behaviour, MODERN))
      const answer = await roundTrip(port(), modernCall('bad_echo'))
      assert.equal(answer.status, 200)
      assert.match(answer.body, /"first"/)
      assert.doesNotMatch(answer.body, /second/)
      bad().behave(good(MODERN))
      for (let call = 0; call < 3; call++)
        assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /"served"/)
    })
  }
})

describe('a backend that lies about its era', () => {
  const { bad, port } = houses(MODERN)

  test('is asked again once, called again once, and then given up', async () => {
    let calls = 0
    bad().behave(
      except(
        'tools/call',
        (_received, reply) => {
          calls++
          reply.json('', { status: 404 })
        },
        MODERN,
      ),
    )
    const answer = await roundTrip(port(), modernCall('bad_echo'))
    assertFailed(answer.body, {
      code: 'BACKEND_PROTOCOL',
      retryable: false,
      message: /no longer answers as a modern server/,
    })
    assert.equal(calls, 2)
    await othersAreServed(port())
  })

  test('becomes a legacy server behind the back of the gateway, and modern again', async () => {
    bad().behave(good({ era: 'legacy', tools: ECHO }))
    assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /"served"/)
    bad().behave(good(MODERN))
    await othersAreServed(port())
    assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /"served"/)
  })
})

describe('a legacy backend that forgets its sessions', () => {
  const LEGACY: GoodServer = { era: 'legacy', tools: ECHO }
  const { bad, port } = houses(LEGACY)
  const forgetful: readonly (readonly [string, string])[] = [
    ['without a body', ''],
    [
      'as official servers say it',
      '{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}',
    ],
  ]
  for (const [title, body] of forgetful) {
    test(`${title}, once: nobody notices`, async () => {
      let forgotten = false
      let initialized = 0
      const otherwise = good(LEGACY)
      bad().behave((received, reply) => {
        if (received.rpc === 'initialize') initialized++
        if (received.rpc !== 'tools/call' || forgotten) return otherwise(received, reply)
        forgotten = true
        reply.json(body, { status: 404 })
      })
      assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /"served"/)
      assert.equal(initialized, 1)
    })

    test(`${title}, every time: the call fails after one more try`, async () => {
      let calls = 0
      bad().behave(
        except(
          'tools/call',
          (_received, reply) => {
            calls++
            reply.json(body, { status: 404 })
          },
          LEGACY,
        ),
      )
      const answer = await roundTrip(port(), modernCall('bad_echo'))
      assert.equal(answer.status, 502)
      assertFailed(answer.body, {
        code: 'BACKEND_PROTOCOL',
        retryable: false,
        message: /^Backend bad broke the protocol/,
      })
      assert.equal(calls, 2)
      await othersAreServed(port())
      bad().behave(good(LEGACY))
      assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /"served"/)
    })
  }
})
