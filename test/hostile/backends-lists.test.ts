import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  type Behaviour,
  ECHO,
  type GoodServer,
  type RawBackend,
  except,
  good,
  rawBackend,
  response,
} from './support/backend.ts'
import { assertNothingLeaks } from './support/cases.ts'
import {
  META,
  type RpcAnswer,
  type TestGateway,
  answerOf,
  legacyClient,
  modernCall,
  modernHeaders,
  modernRequest,
  startGateway,
  toolNames,
} from './support/gateway.ts'
import { roundTrip } from './support/wire.ts'

const MODERN: GoodServer = { era: 'modern', tools: ECHO }
const CACHE = '"resultType":"complete","ttlMs":0,"cacheScope":"public"'

let bad: RawBackend | undefined
let other: RawBackend | undefined
let gateway: TestGateway | undefined
before(async () => {
  bad = await rawBackend(good(MODERN))
  other = await rawBackend(good(MODERN))
  gateway = await startGateway({
    backends: { bad: { url: bad.url, timeout: '15s' }, good: other.url },
    gateway: { listDeadline: '15s', staleFor: '0s', limits: { reply: '16MiB', listEntries: 1000 } },
  })
})
after(async () => {
  await gateway?.close()
  await bad?.stop()
  await other?.stop()
})
const port = (): number => gateway?.port ?? assert.fail('not started')
const behave = (behaviour: Behaviour): void => bad?.behave(behaviour)

const list = async (): Promise<RpcAnswer> => {
  const answer = await roundTrip(port(), modernRequest('tools/list'))
  assert.equal(answer.status, 200)
  assertNothingLeaks(answer.body)
  return answerOf(answer)
}
/** What is said of the backends that are away. */
const away = ({ result }: RpcAnswer): unknown => {
  const meta = result?.['_meta'] as Readonly<Record<string, unknown>> | undefined
  return meta?.['io.toolgate/backends']
}
const recovered = async (): Promise<void> => {
  behave(good(MODERN))
  const answer = await list()
  assert.deepEqual(toolNames(answer), ['bad_echo', 'good_echo'])
  assert.equal(away(answer), undefined)
  assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /"served"/)
}

const page =
  (members: string): Behaviour =>
  ({ id }, reply) =>
    reply.json(response(id, `"result":{${CACHE},${members}}`))
const cursorOf = (body: string): number => Number(/"cursor":"(\d+)"/.exec(body)?.[1] ?? 0)

describe('a list that cannot be used', () => {
  const cases: readonly { readonly title: string; readonly behaviour: Behaviour; readonly reason: RegExp }[] =
    [
      {
        title: 'pages without end',
        behaviour: ({ id, body }, reply) =>
          reply.json(response(id, `"result":{${CACHE},"tools":[],"nextCursor":"${cursorOf(body) + 1}"}`)),
        reason: /more than 1000 pages/,
      },
      {
        title: 'a cursor again and again',
        behaviour: page('"tools":[],"nextCursor":"again"'),
        reason: /repeats a cursor of tools\/list/,
      },
      {
        title: 'an empty cursor again and again',
        behaviour: page('"tools":[],"nextCursor":""'),
        reason: /repeats a cursor of tools\/list/,
      },
      {
        title: '100,000 tools',
        behaviour: page(
          `"tools":[${Array.from({ length: 100_000 }, (_, n) => ECHO.replace('echo', `e${n}`)).join()}]`,
        ),
        reason: /lists more than 1000 tools/,
      },
      {
        title: 'too many tools over many pages',
        behaviour: ({ id, body }, reply) => {
          const from = cursorOf(body)
          const tools = Array.from({ length: 99 }, (_, n) => ECHO.replace('echo', `e${from}_${n}`))
          reply.json(response(id, `"result":{${CACHE},"tools":[${tools.join()}],"nextCursor":"${from + 1}"}`))
        },
        reason: /lists more than 1000 tools/,
      },
      { title: 'no tools member', behaviour: page('"prompts":[]'), reason: /without a list of tools/ },
      {
        title: 'tools that are an object',
        behaviour: page('"tools":{"echo":{}}'),
        reason: /without a list of tools/,
      },
      { title: 'tools that are null', behaviour: page('"tools":null'), reason: /without a list of tools/ },
      {
        title: 'an error',
        behaviour: ({ id }, reply) => reply.json(response(id, '"error":{"code":-32000,"message":"no"}')),
        reason: /refused tools\/list with error -32000: no/,
      },
      {
        title: 'an input request',
        behaviour: ({ id }, reply) =>
          reply.json(response(id, '"result":{"resultType":"input_required","requestState":"x"}')),
        reason: /without a list of tools/,
      },
      {
        title: 'too deep JSON',
        behaviour: page(
          `"tools":[{"name":"x","inputSchema":{"type":"object","x":${'['.repeat(9000)}${']'.repeat(9000)}}}]`,
        ),
        reason: /deeper than/,
      },
      {
        title: 'more than the largest reply',
        behaviour: page(`"tools":[],"x":"${'a'.repeat(17 * 1024 * 1024)}"`),
        reason: /more than 16777216 bytes/,
      },
      {
        title: 'HTTP 500',
        behaviour: (_received, reply) => reply.json('', { status: 500 }),
        reason: /failed with HTTP 500/,
      },
      {
        title: 'HTTP 401',
        behaviour: (_received, reply) => reply.json('', { status: 401 }),
        reason: /does not accept the gateway's credentials/,
      },
      { title: 'a reset', behaviour: (_received, reply) => reply.reset(), reason: /connection lost/ },
    ]
  for (const { title, behaviour, reason } of cases) {
    test(`${title}: its backend is named and left out, the others are listed`, async () => {
      behave(except('tools/list', behaviour, MODERN))
      const [answer, call] = await Promise.all([list(), roundTrip(port(), modernCall('good_echo'))])
      assert.match(call.body, /"served"/)
      assert.deepEqual(toolNames(answer), ['good_echo'])
      const told = away(answer) as
        { readonly bad?: { readonly listed: string; readonly reason: string } } | undefined
      assert.equal(told?.bad?.listed, 'omitted')
      assert.match(told?.bad?.reason ?? '', reason)
      assert.equal(answer.result?.['ttlMs'], 0)
      const unknown = await roundTrip(port(), modernCall('good_nobody'))
      assert.equal(unknown.status, 400, 'a name of another backend stays unknown')
      // A request that still hangs must not hold the next one back.
      await bad?.stop()
      await bad?.restart()
      await recovered()
    })
  }
})

describe('a list that does not come', () => {
  test('is shown as it was, and its backend is named', async () => {
    assert.ok(bad !== undefined && other !== undefined)
    await recovered()
    const hurried = await startGateway({
      backends: { bad: bad.url, good: other.url },
      gateway: { listDeadline: '100ms' },
    })
    behave(except('tools/list', () => undefined, MODERN))
    const [listed, call] = await Promise.all([
      roundTrip(hurried.port, modernRequest('tools/list')),
      roundTrip(hurried.port, modernCall('bad_echo')),
    ])
    const answer = answerOf(listed)
    assert.match(call.body, /"served"/)
    assert.deepEqual(toolNames(answer), ['bad_echo', 'good_echo'])
    assert.deepEqual(away(answer), { bad: { listed: 'stale', reason: 'has not answered yet' } })
    assert.equal(answer.result?.['ttlMs'], 0)
    await hurried.close()
    await recovered()
  })
})

describe('single definitions that cannot be used', () => {
  const cases: readonly (readonly [title: string, tool: string])[] = [
    ['no object', '5'],
    ['null', 'null'],
    ['no name', '{"inputSchema":{"type":"object"}}'],
    ['an empty name', '{"name":"","inputSchema":{"type":"object"}}'],
    ['a name that is a number', '{"name":5,"inputSchema":{"type":"object"}}'],
    ['a name of 5,000 letters', `{"name":"${'x'.repeat(5000)}","inputSchema":{"type":"object"}}`],
    ['no schema', '{"name":"x"}'],
    ['a schema that is a string', '{"name":"x","inputSchema":"object"}'],
    ['a schema of another type', '{"name":"x","inputSchema":{"type":"string"}}'],
    ['a schema without a type', '{"name":"x","inputSchema":{}}'],
    ['a title that is a number', '{"name":"x","title":5,"inputSchema":{"type":"object"}}'],
    ['annotations that are an array', '{"name":"x","annotations":[],"inputSchema":{"type":"object"}}'],
    ['_meta that is a string', '{"name":"x","_meta":"x","inputSchema":{"type":"object"}}'],
    [
      'a header annotation with a line break',
      String.raw`{"name":"x","inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"a\r\nb"}}}}`,
    ],
    [
      'a header annotation of an object',
      '{"name":"x","inputSchema":{"type":"object","properties":{"a":{"type":"object","x-mcp-header":"a"}}}}',
    ],
    [
      'a header annotation twice',
      '{"name":"x","inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"h"},"b":{"type":"string","x-mcp-header":"H"}}}}',
    ],
    [
      'a header annotation below items',
      '{"name":"x","inputSchema":{"type":"object","properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"h"}}}}}',
    ],
    ['a name that was there already', ECHO],
  ]
  for (const [title, tool] of cases) {
    test(`${title}: it is left out with a warning, the rest is listed`, async () => {
      // What was complained about already is not said again.
      await recovered()
      behave(except('tools/list', page(`"tools":[${ECHO},${tool},${ECHO.replace('echo', 'after')}]`), MODERN))
      const before = gateway?.log.length ?? 0
      const answer = await list()
      assert.deepEqual(toolNames(answer), ['bad_echo', 'bad_after', 'good_echo'])
      assert.equal(away(answer), undefined)
      const warnings = gateway?.log.slice(before).join() ?? ''
      // What is no object at all is not worth a line.
      if (tool.startsWith('{')) assert.match(warnings, /"level":"warn"/)
    })
  }

  test('thousands of them fill neither the list nor the log', async () => {
    behave(
      except(
        'tools/list',
        page(`"tools":[${ECHO},${Array.from({ length: 900 }, (_, n) => `{"name":"x${n}"}`).join()}]`),
        MODERN,
      ),
    )
    const before = gateway?.log.length ?? 0
    for (let time = 0; time < 5; time++) assert.deepEqual(toolNames(await list()), ['bad_echo', 'good_echo'])
    assert.ok((gateway?.log.length ?? 0) - before < 100, 'the log is flooded')
  })

  test('names that are hostile', async () => {
    const names = ['__proto__', 'constructor', 'ü', '"', '=?base64?eA==?=', ' edge ']
    // Control characters in a name are refused before anybody could put them into a header.
    const refused = ['a\r\nx-evil: 1', 'ü\u0000', 'a\tb']
    behave(
      except(
        'tools/list',
        page(
          `"tools":[${[...refused, ...names].map((name) => `{"name":${JSON.stringify(name)},"inputSchema":{"type":"object"}}`).join()}]`,
        ),
        MODERN,
      ),
    )
    const exposed = toolNames(await list())
    assert.deepEqual(exposed, [...names.map((name) => `bad_${name}`), 'good_echo'])
    const client = await legacyClient(port())
    for (const [index, name] of names.entries()) {
      const answer = await client.request(
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${JSON.stringify(exposed[index])}}}`,
      )
      assert.match(answer.body, /"served"/, name)
      const sent = bad?.received.findLast(({ rpc }) => rpc === 'tools/call')
      assert.equal(sent?.headers['x-evil'], undefined)
      const header = sent?.headers['mcp-name'] ?? ''
      const encoded = /^=\?base64\?(.*)\?=$/.exec(header)?.[1]
      assert.equal(encoded === undefined ? header : Buffer.from(encoded, 'base64').toString(), name)
    }
    await recovered()
  })
})

describe('what a client puts into headers', () => {
  for (const value of ['\u00e9\u00ff', 'a\tb', '\u0080'.repeat(100), '=?base64?', '"', '']) {
    test(`an unknown parameter ${JSON.stringify(value.slice(0, 10))} is passed on or left out, and harms nobody`, async () => {
      await recovered()
      const answer = await roundTrip(port(), {
        headers: { ...modernHeaders('tools/call', 'bad_echo'), 'mcp-param-unknown': value },
        body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"bad_echo","_meta":${META}}}`,
      })
      assert.match(answer.body, /"served"/)
      assert.deepEqual(
        gateway?.gateway.report().map(({ condition }) => condition.state),
        ['up', 'up'],
      )
    })
  }
})
