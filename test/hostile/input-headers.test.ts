import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BadInput, FACES, type Face, type Refused, refuses, world } from './support/cases.ts'
import { META, answerOf, modernCall, modernHeaders, modernRequest } from './support/gateway.ts'
import { type HeaderLines, type RawRequest, roundTrip } from './support/wire.ts'

const mismatch: Refused = { status: 400, rpc: -32020, code: 'HEADER_MISMATCH', id: '1' }
const badMeta: Refused = { status: 400, rpc: -32602, code: 'INVALID_PARAMS', id: '1' }
const unsupported: Refused = {
  status: 400,
  rpc: -32022,
  code: 'UNSUPPORTED_VERSION',
  id: '1',
  data: { supported: ['2026-07-28'] },
}
const notFound: Refused = { status: 404, rpc: -32601, code: 'METHOD_NOT_FOUND', id: '1' }

const sentinel = (base64: string): string => `=?base64?${base64}?=`
const encoded = (value: string): string => sentinel(Buffer.from(value).toString('base64'))

/** A correct call of the echo tool but for its headers. */
const headers = (title: string, changes: (face: Face) => HeaderLines, refused: Refused): BadInput => ({
  title,
  request: (face) => {
    const call = modernCall(face.echo)
    return { ...call, headers: { ...call.headers, ...changes(face) } }
  },
  refused,
})

const mirrors: readonly BadInput[] = [
  headers('no MCP-Protocol-Version', () => ({ 'mcp-protocol-version': undefined }), {
    ...mismatch,
    message: /MCP-Protocol-Version is missing/,
  }),
  headers('an empty MCP-Protocol-Version', () => ({ 'mcp-protocol-version': '' }), mismatch),
  headers('another MCP-Protocol-Version', () => ({ 'mcp-protocol-version': '2025-11-25' }), {
    ...mismatch,
    message: /"2025-11-25" but the body says "2026-07-28"/,
  }),
  headers(
    'MCP-Protocol-Version twice',
    () => ({ 'mcp-protocol-version': ['2026-07-28', '2026-07-28'] }),
    mismatch,
  ),
  headers('no Mcp-Method', () => ({ 'mcp-method': undefined }), {
    ...mismatch,
    message: /Mcp-Method is missing/,
  }),
  headers('another Mcp-Method', () => ({ 'mcp-method': 'tools/list' }), mismatch),
  headers('Mcp-Method in another case', () => ({ 'mcp-method': 'Tools/Call' }), mismatch),
  headers('Mcp-Method twice', () => ({ 'mcp-method': ['tools/call', 'tools/call'] }), mismatch),
  headers('no Mcp-Name', () => ({ 'mcp-name': undefined }), { ...mismatch, message: /Mcp-Name is missing/ }),
  headers('an empty Mcp-Name', () => ({ 'mcp-name': '' }), mismatch),
  headers('another Mcp-Name', () => ({ 'mcp-name': 'other' }), mismatch),
  headers('Mcp-Name in another case', (face) => ({ 'mcp-name': face.echo.toUpperCase() }), mismatch),
  headers('Mcp-Name twice', (face) => ({ 'mcp-name': [face.echo, face.echo] }), mismatch),
  headers('another Mcp-Name in Base64', () => ({ 'mcp-name': encoded('other') }), mismatch),
  headers('Mcp-Name in Base64 without padding', () => ({ 'mcp-name': sentinel('Z29vZF9lY2hv!') }), {
    ...mismatch,
    message: /not a valid header value/,
  }),
  headers('Mcp-Name in Base64 that is not canonical', () => ({ 'mcp-name': sentinel('Zg=') }), mismatch),
  headers('Mcp-Name in Base64 of no UTF-8', () => ({ 'mcp-name': sentinel('/w==') }), mismatch),
  headers('Mcp-Name in empty Base64', () => ({ 'mcp-name': sentinel('') }), mismatch),
  headers('Mcp-Name with bytes beyond ASCII', (face) => ({ 'mcp-name': `${face.echo}\u00e9` }), mismatch),
  {
    title: 'Mcp-Name where params.name is a number',
    request: ({ echo }) => ({
      headers: modernHeaders('tools/call', echo),
      body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5,"_meta":${META}}}`,
    }),
    refused: mismatch,
  },
  {
    title: 'Mcp-Name where params.name is missing',
    request: ({ echo }) => ({
      headers: modernHeaders('tools/call', echo),
      body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":${META}}}`,
    }),
    refused: mismatch,
  },
  {
    title: 'no name in header or body',
    request: () => ({
      headers: modernHeaders('tools/call'),
      body: `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":${META}}}`,
    }),
    refused: { ...badMeta, message: /"params.name", a string/ },
  },
  {
    title: 'another URI in Mcp-Name of resources/read',
    request: () => ({
      headers: modernHeaders('resources/read', 'file:///a'),
      body: `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///b","_meta":${META}}}`,
    }),
    refused: mismatch,
  },
  {
    title: 'a notification whose Mcp-Method is another one',
    request: () => ({
      headers: modernHeaders('notifications/cancelled'),
      body: `{"jsonrpc":"2.0","method":"notifications/progress","params":{"_meta":${META}}}`,
    }),
    refused: { status: 400, rpc: -32020, code: 'HEADER_MISMATCH' },
  },
]

/** A call of the tool with mirrored parameters. */
const mirrored = (args: string, params: HeaderLines): ((face: Face) => RawRequest) => {
  return (face) => {
    const call = modernCall(face.mirrored, { args })
    return { ...call, headers: { ...call.headers, ...params } }
  }
}
const params = (title: string, args: string, sent: HeaderLines, message?: RegExp): BadInput => ({
  title,
  request: mirrored(args, sent),
  refused: message === undefined ? mismatch : { ...mismatch, message },
})

const paramHeaders: readonly BadInput[] = [
  params(
    'missing',
    '{"region":"eu"}',
    {},
    /^Header mismatch: mcp-param-region is missing, but arguments.region has a value$/,
  ),
  params('with another value', '{"region":"eu"}', { 'mcp-param-region': 'us' }),
  params('in another case', '{"region":"eu"}', { 'mcp-param-region': 'EU' }),
  params('without a value in the body', '{}', { 'mcp-param-region': 'eu' }),
  params('with null in the body', '{"region":null}', { 'mcp-param-region': 'eu' }),
  params('without arguments', '{}', { 'mcp-param-count': '1' }),
  params('another number', '{"count":42}', { 'mcp-param-count': '43' }),
  params('a number as hexadecimal', '{"count":16}', { 'mcp-param-count': '0x10' }),
  params('a number with an exponent', '{"count":1000}', { 'mcp-param-count': '1e3' }),
  params('a number with a fraction', '{"count":42}', { 'mcp-param-count': '42.5' }),
  params('a boolean as 1', '{"flag":true}', { 'mcp-param-flag': '1' }),
  params('a boolean in another case', '{"flag":true}', { 'mcp-param-flag': 'True' }),
  params('sent twice', '{"region":"eu"}', { 'mcp-param-region': ['eu', 'eu'] }),
  params(
    'in invalid Base64',
    '{"region":"eu"}',
    { 'mcp-param-region': sentinel('ZXU') },
    /not correctly encoded/,
  ),
  params('a key written with an escape', String.raw`{"r\u0065gion":"eu"}`, { 'mcp-param-region': 'us' }),
]

const body = (title: string, meta: string, refused: Refused, sent: HeaderLines = {}): BadInput => ({
  title,
  request: () => ({
    headers: { ...modernHeaders('tools/list'), ...sent },
    body: `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":${meta}}`,
  }),
  refused,
})
const version = (value: string): string => `"io.modelcontextprotocol/protocolVersion":${value}`
const CAPABILITIES = '"io.modelcontextprotocol/clientCapabilities":{}'

const metas: readonly BadInput[] = [
  body('no _meta', '{}', badMeta),
  body('_meta null', '{"_meta":null}', badMeta),
  body('_meta an array', '{"_meta":[]}', badMeta),
  body('no protocolVersion', `{"_meta":{${CAPABILITIES}}}`, badMeta),
  body('protocolVersion a number', `{"_meta":{${version('20260728')},${CAPABILITIES}}}`, badMeta),
  body('no clientCapabilities', `{"_meta":{${version('"2026-07-28"')}}}`, {
    ...badMeta,
    message: /clientCapabilities, an object/,
  }),
  body(
    'clientCapabilities an array',
    `{"_meta":{${version('"2026-07-28"')},"io.modelcontextprotocol/clientCapabilities":[]}}`,
    badMeta,
  ),
  body(
    'clientInfo a string',
    `{"_meta":{${version('"2026-07-28"')},${CAPABILITIES},"io.modelcontextprotocol/clientInfo":"x"}}`,
    badMeta,
  ),
  body(
    'progressToken an object',
    `{"_meta":{${version('"2026-07-28"')},${CAPABILITIES},"progressToken":{}}}`,
    badMeta,
  ),
  body(
    'a version that does not exist yet',
    `{"_meta":{${version('"2099-01-01"')},${CAPABILITIES}}}`,
    {
      ...unsupported,
      data: { supported: ['2026-07-28'], requested: '2099-01-01' },
    },
    { 'mcp-protocol-version': '2099-01-01' },
  ),
  body(
    'a legacy version in _meta',
    `{"_meta":{${version('"2025-11-25"')},${CAPABILITIES}}}`,
    {
      ...unsupported,
      data: { supported: ['2026-07-28'], requested: '2025-11-25' },
    },
    { 'mcp-protocol-version': '2025-11-25' },
  ),
  body('a version that is none', `{"_meta":{${version('"hello"')},${CAPABILITIES}}}`, unsupported, {
    'mcp-protocol-version': 'hello',
  }),
]

const gone = [
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'roots/list',
  'sampling/createMessage',
]
const methods = [...gone, 'tools/unknown', 'toString', '__proto__', 'tools/call ', ''].map(
  (method): BadInput => ({
    title: JSON.stringify(method),
    request: () => modernRequestTo(method),
    // A header cannot even say white space at its end.
    refused: method.trim() === method ? notFound : mismatch,
  }),
)

function modernRequestTo(method: string): RawRequest {
  const { headers: sent, body: text } = modernRequest(method)
  return { headers: sent ?? {}, body: text ?? '' }
}

describe('headers that disagree with the body', () => refuses(mirrors, world()))
describe('Mcp-Param headers that disagree with the arguments', () => refuses(paramHeaders, world()))
describe('_meta that is not as it must be', () => refuses(metas, world()))
describe('methods that do not exist in the modern era', () => refuses(methods, world()))

describe('headers that agree with the body in another way', () => {
  const { port, calls } = world()
  const agreeing: readonly {
    title: string
    request: (face: Face) => RawRequest
    upstream?: Readonly<Record<string, string | undefined>>
  }[] = [
    {
      title: 'Mcp-Name in Base64',
      request: (face) => {
        const call = modernCall(face.echo)
        return { ...call, headers: { ...call.headers, 'mcp-name': encoded(face.echo) } }
      },
      upstream: { 'mcp-name': 'echo' },
    },
    {
      title: 'header names in capitals and white space around values',
      request: (face) => ({
        ...modernCall(face.echo),
        headers: {
          'MCP-PROTOCOL-VERSION': ' 2026-07-28\t',
          'MCP-METHOD': '\ttools/call ',
          'MCP-NAME': `  ${face.echo} `,
        },
      }),
      upstream: { 'mcp-name': 'echo', 'mcp-method': 'tools/call' },
    },
    {
      title: 'a number written as 42.0',
      request: mirrored('{"count":42}', { 'mcp-param-count': '42.0' }),
      upstream: { 'mcp-param-count': '42' },
    },
    {
      title: 'a parameter in Base64, and one that the tool does not know',
      request: mirrored('{"region":"eu"}', { 'mcp-param-region': encoded('eu'), 'mcp-param-zone': 'b' }),
      upstream: { 'mcp-param-region': 'eu', 'mcp-param-zone': 'b' },
    },
    {
      title: 'session and resumption headers, which mean nothing here',
      request: (face) => {
        const call = modernCall(face.echo)
        return { ...call, headers: { ...call.headers, 'mcp-session-id': 'nobody', 'last-event-id': '5' } }
      },
      upstream: { 'mcp-session-id': undefined, 'last-event-id': undefined },
    },
  ]
  for (const face of FACES) {
    for (const { title, request, upstream = {} } of agreeing) {
      test(`${title} on ${face.path}`, async () => {
        calls()
        const response = await roundTrip(port(), { ...request(face), path: face.path })
        assert.equal(response.status, 200, response.body)
        assert.ok(answerOf(response).result)
        const [call] = calls()
        for (const [name, value] of Object.entries(upstream)) assert.equal(call?.headers[name], value, name)
      })
    }
  }
})
