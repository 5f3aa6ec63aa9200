import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BadInput, FACES, type Refused, assertRefused, refuses, world } from './support/cases.ts'
import { META, answerOf, modernCall, modernHeaders, toolNames } from './support/gateway.ts'
import { type HeaderLines, type RawRequest, messagesOf, roundTrip } from './support/wire.ts'

const LIMIT = 64 * 1024

/** A correct call but for headers of HTTP. */
const http = (title: string, headers: HeaderLines, refused: Refused): BadInput => ({
  title,
  request: ({ echo }) => {
    const call = modernCall(echo)
    return { ...call, headers: { ...call.headers, ...headers } }
  },
  refused,
})

const mediaType: Refused = { status: 415, rpc: -31015, code: 'UNSUPPORTED_MEDIA_TYPE' }
const notAcceptable: Refused = { status: 406, rpc: -31006, code: 'NOT_ACCEPTABLE' }
const origin: Refused = { status: 403, rpc: -31003, code: 'ORIGIN_FORBIDDEN' }
const twoHosts: Refused = { status: 400, rpc: -32600, code: 'INVALID_REQUEST' }
const host: Refused = { status: 403, rpc: -31003, code: 'HOST_FORBIDDEN' }
const tooLarge: Refused = {
  status: 413,
  rpc: -31013,
  code: 'BODY_TOO_LARGE',
  headers: { connection: 'close' },
}

const negotiation: readonly BadInput[] = [
  http('no Content-Type', { 'content-type': undefined }, mediaType),
  http('Content-Type text', { 'content-type': 'text/plain' }, mediaType),
  http(
    'Content-Type of a form, which needs no preflight',
    { 'content-type': 'application/x-www-form-urlencoded' },
    mediaType,
  ),
  http('Content-Type of another JSON', { 'content-type': 'application/json-seq' }, mediaType),
  http(
    'Content-Type with JSON as a parameter',
    { 'content-type': 'text/plain; application/json' },
    mediaType,
  ),
  http('Accept HTML', { accept: 'text/html' }, notAcceptable),
  http('Accept nothing', { accept: '' }, notAcceptable),
  http('Accept images', { accept: 'image/*;q=1, text/plain' }, notAcceptable),
]

const rebinding: readonly BadInput[] = [
  http('the Origin of a web page', { origin: 'https://evil.example' }, origin),
  http('the Origin null', { origin: 'null' }, origin),
  http('an empty Origin', { origin: '' }, origin),
  http('an Origin that begins like this machine', { origin: 'http://localhost.evil.example' }, origin),
  http('an Origin with this machine as user', { origin: 'http://127.0.0.1@evil.example' }, origin),
  http('two Origins', { origin: ['http://localhost', 'https://evil.example'] }, origin),
  http('an Origin of another scheme', { origin: 'file://localhost' }, origin),
  http('two Hosts', { host: ['localhost', 'evil.example'] }, twoHosts),
  http('the same Host twice', { host: ['localhost', 'localhost'] }, twoHosts),
  http('the Host of a rebound name', { host: 'evil.example' }, host),
  http('a Host that begins like this machine', { host: '127.0.0.1.evil.example' }, host),
  http('a Host with this machine as user', { host: 'localhost@evil.example' }, host),
]

const sizes: readonly BadInput[] = [
  {
    title: 'one byte too many',
    request: ({ echo }) => ({
      headers: modernHeaders('tools/call', echo),
      body: Buffer.alloc(LIMIT + 1, 0x20),
    }),
    refused: { ...tooLarge, message: /65536 bytes/ },
  },
  {
    title: 'an announced body that is never sent',
    request: () => ({ headers: { 'content-length': '99999999999' } }),
    refused: tooLarge,
  },
  {
    title: 'a body in chunks that goes on and on',
    request: () => ({
      headers: { 'content-length': undefined, 'transfer-encoding': 'chunked' },
      body: `${(32 * 1024).toString(16)}\r\n${' '.repeat(32 * 1024)}\r\n`.repeat(40),
    }),
    refused: tooLarge,
  },
]

describe('content types', () => refuses(negotiation, world()))
describe('requests that a browser was tricked into', () => refuses(rebinding, world()))
describe('sizes', () => {
  const here = world({ limits: { body: '64KiB' } })
  refuses(sizes, here)

  test('a body of exactly the limit is read', async () => {
    const call = modernCall('good_echo')
    const body = String(call.body).padEnd(LIMIT, ' ')
    assert.equal((await roundTrip(here.port(), { ...call, body })).status, 200)
  })
})

describe('what is right in another way', () => {
  const { port } = world()
  const variants: readonly {
    readonly title: string
    readonly headers: HeaderLines
    readonly type?: string
  }[] = [
    {
      title: 'Content-Type in capitals with a charset',
      headers: { 'content-type': 'Application/JSON; charset=utf-8' },
    },
    { title: 'no Accept', headers: { accept: undefined } },
    { title: 'Accept anything', headers: { accept: '*/*' } },
    { title: 'Accept JSON only', headers: { accept: 'application/json' } },
    { title: 'Accept any application', headers: { accept: 'application/*;q=0.5' } },
    {
      title: 'Accept event streams only',
      headers: { accept: 'text/event-stream' },
      type: 'text/event-stream',
    },
    { title: 'the Origin of this machine', headers: { origin: 'http://localhost:3000' } },
    { title: 'the Host localhost', headers: { host: 'localhost:1234' } },
    { title: 'the Host ::1', headers: { host: '[::1]:1234' } },
  ]
  for (const { title, headers, type = 'application/json' } of variants) {
    test(title, async () => {
      const call = modernCall('good_echo')
      const response = await roundTrip(port(), { ...call, headers: { ...call.headers, ...headers } })
      assert.equal(response.status, 200, response.body)
      assert.equal(response.headers['content-type'], type)
      assert.match(messagesOf(response).at(-1) ?? '', /"served"/)
    })
  }

  test('a request in chunks, byte by byte', async () => {
    const call = modernCall('good_echo')
    const body = `${[...String(call.body)].map((letter) => `1\r\n${letter}\r\n`).join('')}0\r\n\r\n`
    const headers = { ...call.headers, 'content-length': undefined, 'transfer-encoding': 'chunked' }
    assert.equal((await roundTrip(port(), { ...call, headers, body })).status, 200)
  })

  test('a query after the path', async () => {
    assert.equal((await roundTrip(port(), { ...modernCall('good_echo'), path: '/mcp?x=1' })).status, 200)
  })
})

describe('paths and methods', () => {
  const { port, serves } = world()
  const unknownPath: Refused = { status: 404, rpc: -31004, code: 'UNKNOWN_PATH' }
  const notAllowed: Refused = {
    status: 405,
    rpc: -31005,
    code: 'METHOD_NOT_ALLOWED',
    headers: { allow: 'POST, DELETE' },
  }
  const requests: readonly (RawRequest & { readonly refused: Refused })[] = [
    ...[
      '/',
      '/mcp/',
      '/mcp//',
      '/mcp/good/',
      '/mcp/good/echo',
      '/MCP',
      '//mcp',
      '/mcp/../mcp',
      '/api/v1/status',
      '/metrics',
      '/%6dcp',
    ].map((path) => ({ path, refused: unknownPath })),
    ...FACES.flatMap(({ path }) =>
      ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'].map((method) => ({
        path,
        method,
        refused: notAllowed,
      })),
    ),
  ]
  for (const { refused, ...request } of requests) {
    test(`${request.method ?? 'POST'} ${request.path}`, async () => {
      const [response] = await Promise.all([
        roundTrip(port(), { ...modernCall('good_echo'), ...request }),
        serves(),
      ])
      assertRefused(response, refused)
    })
  }

  for (const path of [
    '/mcp/nobody',
    '/mcp/__proto__',
    '/mcp/constructor',
    '/mcp/g%6fod',
    '/mcp/GOOD',
    '/mcp/%0d%0aset-cookie:x',
  ]) {
    test(`an unknown backend: ${path}`, async () => {
      const response = await roundTrip(port(), { ...modernCall('echo'), path })
      assertRefused(response, {
        status: 404,
        rpc: -31004,
        code: 'UNKNOWN_BACKEND',
        id: '1',
        message: /^Unknown backend: .*\. There is good\.$/,
      })
      assert.equal(response.headers['set-cookie'], undefined)
    })
  }
})

describe('names that nobody has', () => {
  const { port, calls } = world()
  const unknownTool: Refused = { status: 400, rpc: -32602, code: 'UNKNOWN_TOOL', id: '1' }
  const names: readonly { readonly name: string; readonly message: RegExp }[] = [
    { name: 'good_ehco', message: /^Unknown tool: good_ehco\. Close to it: good_echo\.$/ },
    { name: 'echo', message: /^Unknown tool: echo\. Close to it: good_echo\.$/ },
    {
      name: 'unrelated name',
      message: /^Unknown tool: unrelated name\. There is: good_echo, good_mirrored\.$/,
    },
    { name: '', message: /^Unknown tool: \./ },
    { name: '__proto__', message: /^Unknown tool: __proto__\./ },
    { name: 'a\r\nset-cookie: x=1', message: /^Unknown tool: a\?\?set-cookie: x=1\./ },
    { name: 'naïve 😀', message: /^Unknown tool: na\?ve \?\?\./ },
    { name: 'x'.repeat(3000), message: /^Unknown tool: x{128}\./ },
  ]
  for (const { name, message } of names) {
    test(JSON.stringify(name.slice(0, 40)), async () => {
      calls()
      const header = `=?base64?${Buffer.from(name).toString('base64')}?=`
      const response = await roundTrip(port(), {
        headers: { ...modernHeaders('tools/call', header), ...(name === '' ? { 'mcp-name': '' } : {}) },
        body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${JSON.stringify(name)},"_meta":${META}}}`,
      })
      assertRefused(response, { ...unknownTool, message })
      assert.equal(response.headers['set-cookie'], undefined)
      assert.deepEqual(calls(), [])
    })
  }

  test('a cursor that the gateway did not give', async () => {
    for (const cursor of ['"x"', '""', '5', 'null', '"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"']) {
      const response = await roundTrip(port(), {
        headers: modernHeaders('tools/list'),
        body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":${cursor},"_meta":${META}}}`,
      })
      assertRefused(response, {
        status: 400,
        rpc: -32602,
        code: 'INVALID_PARAMS',
        id: '1',
        message: /cursor/,
      })
    }
  })
})

describe('ids', () => {
  const { port } = world()
  const ids = [
    '0',
    '-1',
    '-0',
    '9007199254740993',
    '1'.repeat(400),
    '"a"',
    '""',
    String.raw`"\u0041\/\"\\"`,
    `"${'x'.repeat(5000)}"`,
    '"__proto__"',
    '"7"',
  ]
  for (const id of ids) {
    test(`come back as they were written: ${id.slice(0, 30)}`, async () => {
      const [served, refused] = await Promise.all([
        roundTrip(port(), modernCall('good_echo', { id })),
        roundTrip(port(), modernCall('nobody', { id })),
      ])
      assert.ok(served.body.startsWith(`{"jsonrpc":"2.0","id":${id},"result":`), served.body)
      assert.ok(refused.body.startsWith(`{"jsonrpc":"2.0","id":${id},"error":`), refused.body)
    })
  }

  test('an id that is in use by another request means nothing: every request stands alone', async () => {
    const both = await Promise.all([1, 2].map(() => roundTrip(port(), modernCall('good_echo', { id: '5' }))))
    assert.deepEqual(
      both.map(({ status }) => status),
      [200, 200],
    )
  })

  test('tools/list still names every tool', async () => {
    const response = await roundTrip(port(), {
      headers: modernHeaders('tools/list'),
      body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":${META}}}`,
    })
    assert.deepEqual(toolNames(answerOf(response)), ['good_echo', 'good_mirrored'])
  })
})
