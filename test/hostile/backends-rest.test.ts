/** Services over plain HTTP that do what no service should, and the exact words that a model gets for it. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Behaviour, type RawBackend, type Reply, rawBackend } from './support/backend.ts'
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
import { roundTrip } from './support/wire.ts'

const SECRET = 's3cret at Object.<anonymous> (/srv/app/index.ts:10:5) http://127.0.0.1:9999'
const REPLY_LIMIT = 64 * 1024
/** Connections that may be left open for the next call. */
const IDLE = 8

/** What a model is told of a service that behaves so. */
interface Misbehaviour {
  readonly title: string
  readonly behaviour: Behaviour
  readonly told: string
  /** Of the failure, in `_meta`; undefined for the answer of the tool itself. */
  readonly code?: string
}

const UNKNOWN = 'It is not known whether the call was carried out'
const FIND_OUT = `${UNKNOWN}: find out before you call again.`
const NO_HELP = `${UNKNOWN}, and calling again is unlikely to help.`

const lost = (title: string, behaviour: Behaviour, reason = 'connection lost'): Misbehaviour => ({
  title,
  behaviour,
  told: `Backend bad broke off: ${reason}. ${FIND_OUT}`,
  code: 'BACKEND_UNAVAILABLE',
})
const silent = (title: string, behaviour: Behaviour): Misbehaviour => ({
  title,
  behaviour,
  told: `Backend bad did not answer within 250 ms. ${FIND_OUT}`,
  code: 'BACKEND_TIMEOUT',
})
const garbage = (title: string, behaviour: Behaviour, reason: string): Misbehaviour => ({
  title,
  behaviour,
  told: `Backend bad broke the protocol: it ${reason}. ${NO_HELP}`,
  code: 'BACKEND_PROTOCOL',
})
const raw =
  (bytes: string | Uint8Array, then: (reply: Reply) => void = () => undefined): Behaviour =>
  (_received, reply) => {
    reply.raw(bytes)
    then(reply)
  }
const json = (body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}): Behaviour =>
  answering(200, headers, body)
const answering =
  (
    status: number,
    headers: Readonly<Record<string, string>> = {},
    body: string | Uint8Array = SECRET,
  ): Behaviour =>
  (_received, reply) =>
    reply.json(body, { status, headers })

/** Writes until nobody listens. */
function flood(reply: Reply, piece: string): void {
  const more = (): void => {
    if (reply.socket.destroyed || !reply.socket.writable) return
    if (reply.socket.write(piece)) setImmediate(more)
    else reply.socket.once('drain', more)
  }
  more()
}

const connections: readonly Misbehaviour[] = [
  lost('is closed without an answer', (_received, reply) => reply.end()),
  lost('is reset', (_received, reply) => reply.reset()),
  lost(
    'ends in the middle of the head',
    raw('HTTP/1.1 200 OK\r\ncontent-ty', (reply) => reply.end()),
  ),
  lost(
    'ends in the middle of the body',
    raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a":', (reply) =>
      reply.end(),
    ),
  ),
  lost(
    'answers what is not HTTP',
    raw('SSH-2.0-OpenSSH_9.9\r\n', (reply) => reply.end()),
    'Response does not match the HTTP/1.1 protocol (Expected HTTP/, RTSP/ or ICE/)',
  ),
  silent('answers nothing', () => undefined),
  silent(
    'answers a head and no body',
    raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n'),
  ),
  silent('answers only that it goes on', raw('HTTP/1.1 103 Early Hints\r\nlink: </>\r\n\r\n')),
  silent('drips', (_received, reply) => {
    reply.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n[')
    const drip = setInterval(() => {
      if (reply.socket.destroyed) clearInterval(drip)
      else reply.raw(' ')
    }, 20)
  }),
]

const failing = (status: number, what = `failed with HTTP ${status}`): Misbehaviour => ({
  title: String(status),
  behaviour: answering(status),
  told: `Backend bad ${what}. ${FIND_OUT}`,
  code: 'BACKEND_UNAVAILABLE',
})
const redirect = (status: number): Misbehaviour => ({
  title: String(status),
  behaviour: answering(status, { location: 'http://127.0.0.1:9/' }, ''),
  told: `Backend bad answered HTTP ${status}, a redirect, which is not followed. ${NO_HELP}`,
  code: 'BACKEND_PROTOCOL',
})
const closed = (status: number): Misbehaviour => ({
  title: String(status),
  behaviour: answering(status, { 'www-authenticate': `Bearer ${SECRET}` }),
  told: `Backend bad does not accept the gateway's credentials (HTTP ${status}). Nothing was carried out, and calling again does not help: the operator has to see to it.`,
  code: 'BACKEND_AUTH',
})

const statuses: readonly Misbehaviour[] = [
  ...[301, 302, 303, 307, 308].map(redirect),
  closed(401),
  closed(403),
  {
    title: '407',
    behaviour: answering(407),
    told: 'Backend bad answered HTTP 407, which a proxy in between says. Nothing was carried out, and calling again does not help.',
    code: 'BACKEND_PROTOCOL',
  },
  {
    title: '429',
    behaviour: answering(429),
    told: 'Backend bad is overloaded (HTTP 429). Nothing was carried out: call again later.',
    code: 'BACKEND_UNAVAILABLE',
  },
  failing(500),
  failing(502),
  failing(503, 'is overloaded (HTTP 503)'),
  failing(999),
  {
    title: '400 with a page for people',
    behaviour: answering(400, { 'content-type': 'text/html' }),
    told: 'Backend bad refused the call with HTTP 400. Correct the arguments before you call again.',
  },
  {
    title: '400 that is compressed',
    behaviour: answering(400, { 'content-encoding': 'gzip' }, gzipSync('x'.repeat(100_000))),
    told: 'Backend bad refused the call with HTTP 400. Correct the arguments before you call again.',
  },
  {
    title: '400 without end',
    behaviour: raw('HTTP/1.1 400 X\r\ncontent-type: text/plain\r\n\r\n', (reply) =>
      flood(reply, 'a'.repeat(8192)),
    ),
    told: `Backend bad refused the call with HTTP 400: ${'a'.repeat(2000)}…\nCorrect the arguments before you call again.`,
  },
  {
    title: '500 without end',
    behaviour: raw('HTTP/1.1 500 X\r\ncontent-type: text/plain\r\n\r\n', (reply) => flood(reply, SECRET)),
    told: `Backend bad failed with HTTP 500. ${FIND_OUT}`,
    code: 'BACKEND_UNAVAILABLE',
  },
  {
    title: '422 in half a character',
    behaviour: answering(422, { 'content-type': 'text/plain' }, Buffer.from([0x61, 0xc3])),
    told: 'Backend bad refused the call with HTTP 422: a\ufffd\nCorrect the arguments before you call again.',
  },
]

const contents: readonly Misbehaviour[] = [
  garbage(
    'what is not JSON',
    json(SECRET),
    'answered with what is not valid JSON (Unexpected character at offset 0)',
  ),
  garbage(
    'half of it',
    json('{"a":1'),
    'answered with what is not valid JSON (Unexpected end of the JSON text at offset 6)',
  ),
  garbage(
    'JSON with a member twice',
    json('{"a":1,"a":2}'),
    'answered with what is not valid JSON (Duplicate member at offset 7)',
  ),
  garbage(
    'JSON that is too deep',
    json('['.repeat(5000)),
    'answered with what is not valid JSON (Nested deeper than 64 levels at offset 64)',
  ),
  garbage('invalid UTF-8', json(Buffer.from([0x22, 0xff, 0x22])), 'answered with invalid UTF-8'),
  garbage(
    'text in invalid UTF-8',
    json(Buffer.from([0xff]), { 'content-type': 'text/plain' }),
    'answered with invalid UTF-8',
  ),
  garbage(
    'text in a charset that nobody knows',
    json('x', { 'content-type': 'text/plain; charset=klingon' }),
    'answered in the charset klingon, which is not known',
  ),
  garbage(
    'text that is not in its charset',
    json(Buffer.from([0xd8, 0x00]), { 'content-type': 'text/plain; charset=utf-16be' }),
    'answered with what is not utf-16be',
  ),
  garbage(
    'compressed content',
    json(gzipSync('{}'), { 'content-encoding': 'gzip' }),
    'answered with compressed content',
  ),
  garbage(
    'more than the largest reply',
    json(`"${'a'.repeat(REPLY_LIMIT)}"`),
    'answered with more than 65536 bytes',
  ),
  garbage(
    'JSON without end',
    raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"', (reply) =>
      flood(reply, 'a'.repeat(8192)),
    ),
    'answered with more than 65536 bytes',
  ),
  ...['application/octet-stream', 'application/zip', 'multipart/mixed'].map((type) => ({
    title: type,
    behaviour: json(SECRET, { 'content-type': type }),
    told: `Backend bad answered with ${type}, which cannot be shown here. The call was carried out; ask for JSON or text if the tool has a choice.`,
  })),
  ...['', 'json', 'text', 's3cret s3cret', `x/${'y'.repeat(200)}`].map((type) => ({
    title: `a content type that is none: ${type.slice(0, 20)}`,
    behaviour: json(SECRET, { 'content-type': type }),
    told: 'Backend bad answered with content of no stated type, which cannot be shown here. The call was carried out; ask for JSON or text if the tool has a choice.',
  })),
]

const serving: Behaviour = ({ method }, reply) =>
  method === 'GET' ? reply.json('{}') : reply.json('"served"')

/** A gateway between a good service and one that may behave as it likes. */
function houses() {
  let bad: RawBackend | undefined
  let other: RawBackend | undefined
  let gateway: TestGateway | undefined
  before(async () => {
    bad = await rawBackend(serving)
    other = await rawBackend(serving)
    const rest = (service: RawBackend) => ({ url: service.url, tools: { echo: {} } })
    gateway = await startGateway({
      backends: {
        bad: {
          rest: rest(bad),
          timeout: '250ms',
          headers: { authorization: 'Bearer s3cret' },
          // One fault after another is what this suite is about.
          circuitBreaker: false,
        },
        good: { rest: rest(other) },
      },
      gateway: { limits: { reply: '64KiB' } },
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
  }
}

/** Others are served, and the list is complete. */
async function othersAreServed(port: number): Promise<void> {
  const [call, list] = await Promise.all([
    roundTrip(port, modernCall('good_echo')),
    roundTrip(port, modernRequest('tools/list')),
  ])
  assert.match(call.body, /served/)
  assert.deepEqual(toolNames(answerOf(list)), ['bad_echo', 'good_echo'])
}

function assertTold(body: string, { told, code }: Pick<Misbehaviour, 'told' | 'code'>): void {
  const { result } = JSON.parse(body) as {
    readonly result?: {
      readonly content: readonly object[]
      readonly isError?: boolean
      readonly _meta?: Readonly<Record<string, { readonly code?: string; readonly backend?: string }>>
    }
  }
  assert.deepEqual(result?.content, [{ type: 'text', text: told }], body)
  assert.equal(result.isError, true)
  const failure = result._meta?.['io.toolgate/error']
  assert.deepEqual(
    [failure?.code, failure?.backend],
    code === undefined ? [undefined, undefined] : [code, 'bad'],
  )
  assertNothingLeaks(body)
}

function fails(cases: readonly Misbehaviour[], { bad, port }: ReturnType<typeof houses>): void {
  for (const { title, behaviour, ...expected } of cases) {
    test(title, async () => {
      bad().behave((received, reply) => (received.method === 'POST' ? behaviour : serving)(received, reply))
      const client = await legacyClient(port())
      const [modern, legacy] = await Promise.all([
        roundTrip(port(), modernCall('bad_echo', { id: '"m"' })),
        client.request('{"jsonrpc":"2.0","id":"l","method":"tools/call","params":{"name":"bad_echo"}}'),
        othersAreServed(port()),
      ])
      assert.equal(modern.status, 200)
      assertTold(modern.body, expected)
      assertTold(legacy.body, expected)
      bad().behave(serving)
      assert.match((await roundTrip(port(), modernCall('bad_echo'))).body, /served/, 'it has recovered')
      // Whatever it was doing, nobody listens to it any more.
      while (bad().connections > IDLE) await new Promise((resolve) => setImmediate(resolve))
    })
  }
}

describe('a service whose connection', () => fails(connections, houses()))
describe('a service that answers with status', () => fails(statuses, houses()))
describe('a service that answers with', () => fails(contents, houses()))
