import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { GatewayError } from '../errors.ts'
import { type HeaderReader, checkModernNotification, checkModernRequest, eraOf } from './ladder.ts'
import { type Message, type RequestMessage, parseMessage } from './message.ts'

const VERSION = '2026-07-28'
const META = {
  'io.modelcontextprotocol/protocolVersion': VERSION,
  'io.modelcontextprotocol/clientCapabilities': {},
}

function message(value: object): Message {
  const parsed = parseMessage(JSON.stringify({ jsonrpc: '2.0', ...value }))
  if (parsed.kind === 'bad') return assert.fail(parsed.reason)
  return parsed
}

function toolCall(params: object = {}, meta: unknown = META): RequestMessage {
  const parsed = message({
    id: 1,
    method: 'tools/call',
    params: { name: 'x', ...params, ...(meta === null ? {} : { _meta: meta }) },
  })
  assert.ok(parsed.kind === 'request')
  return parsed
}

const GOOD = { 'mcp-protocol-version': VERSION, 'mcp-method': 'tools/call', 'mcp-name': 'x' }

function reader(headers: Readonly<Record<string, string>>): HeaderReader {
  return (name) => headers[name]
}

/** The code of the refusal, or the version. */
function outcome(request: RequestMessage, headers?: Readonly<Record<string, string | undefined>>): string {
  try {
    return checkModernRequest(request, headers === undefined ? undefined : (name) => headers[name])
  } catch (error) {
    assert.ok(error instanceof GatewayError)
    return error.code
  }
}

describe('the era of a message', () => {
  const initialize = { id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25' } }
  const cases: readonly (readonly [string, object, string | undefined, 'modern' | 'legacy'])[] = [
    [
      'a version in _meta claims the modern one',
      { id: 1, method: 'x', params: { _meta: META } },
      undefined,
      'modern',
    ],
    ['… even against the header', { id: 1, method: 'x', params: { _meta: META } }, '2025-11-25', 'modern'],
    [
      '… even one nobody knows',
      { id: 1, method: 'x', params: { _meta: { ...META, 'io.modelcontextprotocol/protocolVersion': 7 } } },
      undefined,
      'modern',
    ],
    ['… even of initialize', { id: 1, method: 'initialize', params: { _meta: META } }, undefined, 'modern'],
    ['initialize is legacy whatever the header says', initialize, VERSION, 'legacy'],
    ['the header decides where the body says nothing', { id: 1, method: 'tools/list' }, VERSION, 'modern'],
    ['a later version in the header is modern too', { id: 1, method: 'tools/list' }, '2027-01-01', 'modern'],
    ['an older one is not', { id: 1, method: 'tools/list' }, '2025-11-25', 'legacy'],
    ['nor is nonsense', { id: 1, method: 'tools/list' }, 'latest', 'legacy'],
    ['nothing at all is legacy', { id: 1, method: 'tools/list' }, undefined, 'legacy'],
    ['notifications count like requests', { method: 'notifications/x' }, VERSION, 'modern'],
    ['answers exist in the legacy era alone', { id: 1, result: {} }, VERSION, 'legacy'],
    ['… errors too', { id: 1, error: { code: 1, message: 'm' } }, VERSION, 'legacy'],
  ]
  for (const [name, value, header, era] of cases)
    test(name, () => assert.equal(eraOf(message(value), header), era))
})

describe('the ladder of a modern request', () => {
  test('lets a right one through and yields its version', () => {
    assert.equal(outcome(toolCall(), GOOD), VERSION)
    assert.equal(outcome(toolCall()), VERSION)
  })

  const without = (key: string): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(GOOD).filter(([name]) => name !== key))
  const future = { ...META, 'io.modelcontextprotocol/protocolVersion': '2099-01-01' }
  const rungs: readonly (readonly [
    string,
    RequestMessage,
    Readonly<Record<string, string>> | undefined,
    string,
  ])[] = [
    ['no version header', toolCall({}, null), without('mcp-protocol-version'), 'HEADER_MISMATCH'],
    ['no _meta', toolCall({}, null), GOOD, 'INVALID_PARAMS'],
    ['a _meta that is no object', toolCall({}, []), GOOD, 'INVALID_PARAMS'],
    [
      'a version that is no string',
      toolCall({}, { ...META, 'io.modelcontextprotocol/protocolVersion': 1 }),
      GOOD,
      'INVALID_PARAMS',
    ],
    [
      'no capabilities',
      toolCall({}, { ...META, 'io.modelcontextprotocol/clientCapabilities': undefined }),
      GOOD,
      'INVALID_PARAMS',
    ],
    [
      'capabilities that are no object',
      toolCall({}, { ...META, 'io.modelcontextprotocol/clientCapabilities': [] }),
      GOOD,
      'INVALID_PARAMS',
    ],
    [
      'client info that is no object',
      toolCall({}, { ...META, 'io.modelcontextprotocol/clientInfo': 'me' }),
      GOOD,
      'INVALID_PARAMS',
    ],
    ['a progress token that is none', toolCall({}, { ...META, progressToken: {} }), GOOD, 'INVALID_PARAMS'],
    ['header and body of two versions', toolCall({}, future), GOOD, 'HEADER_MISMATCH'],
    [
      'a version nobody speaks',
      toolCall({}, future),
      { ...GOOD, 'mcp-protocol-version': '2099-01-01' },
      'UNSUPPORTED_VERSION',
    ],
    ['a version nobody speaks, on a pipe', toolCall({}, future), undefined, 'UNSUPPORTED_VERSION'],
    ['no method header', toolCall(), without('mcp-method'), 'HEADER_MISMATCH'],
    ['another method', toolCall(), { ...GOOD, 'mcp-method': 'tools/list' }, 'HEADER_MISMATCH'],
    ['another case of the method', toolCall(), { ...GOOD, 'mcp-method': 'Tools/Call' }, 'HEADER_MISMATCH'],
    ['no name header', toolCall(), without('mcp-name'), 'HEADER_MISMATCH'],
    ['another name', toolCall(), { ...GOOD, 'mcp-name': 'y' }, 'HEADER_MISMATCH'],
    [
      'a name header that is not canonical Base64',
      toolCall(),
      { ...GOOD, 'mcp-name': '=?base64?eA?=' },
      'HEADER_MISMATCH',
    ],
    ['a name header for a body without', toolCall({ name: undefined }), GOOD, 'HEADER_MISMATCH'],
  ]
  for (const [name, request, headers, code] of rungs) {
    test(`refuses ${name} with ${code}`, () => assert.equal(outcome(request, headers), code))
  }

  test('goes from the version over _meta to what the headers say of the body', () => {
    // Each request is wrong on every rung from some rung on: the first one must speak.
    const wrongMeta = { 'io.modelcontextprotocol/protocolVersion': '2099-01-01' }
    assert.equal(outcome(toolCall({}, null), {}), 'HEADER_MISMATCH')
    assert.equal(outcome(toolCall({}, wrongMeta), { 'mcp-protocol-version': 'x' }), 'INVALID_PARAMS')
    assert.equal(outcome(toolCall({}, future), { 'mcp-protocol-version': 'x' }), 'HEADER_MISMATCH')
    assert.equal(
      outcome(toolCall({}, future), { 'mcp-protocol-version': '2099-01-01' }),
      'UNSUPPORTED_VERSION',
    )
    assert.equal(
      outcome(toolCall({ name: 'z' }), { ...GOOD, 'mcp-method': 'no', 'mcp-name': 'no' }),
      'HEADER_MISMATCH',
    )
  })

  test('says which versions there are', () => {
    assert.throws(() => checkModernRequest(toolCall({}, future), undefined), {
      details: { data: { supported: [VERSION], requested: '2099-01-01' } },
    })
  })

  test('takes the Base64 form of a name', () => {
    const name = 'grüße 😀'
    const header = `=?base64?${Buffer.from(name).toString('base64')}?=`
    assert.equal(outcome(toolCall({ name }), { ...GOOD, 'mcp-name': header }), VERSION)
    assert.equal(outcome(toolCall({ name: 'other' }), { ...GOOD, 'mcp-name': header }), 'HEADER_MISMATCH')
  })

  test('mirrors the uri of a resource, and asks no name of other methods', () => {
    const read = message({ id: 1, method: 'resources/read', params: { uri: 'file:///x', _meta: META } })
    const list = message({ id: 1, method: 'tools/list', params: { _meta: META } })
    assert.ok(read.kind === 'request' && list.kind === 'request')
    const headers = { 'mcp-protocol-version': VERSION, 'mcp-method': 'resources/read' }
    assert.equal(outcome(read, { ...headers, 'mcp-name': 'file:///x' }), VERSION)
    assert.equal(outcome(read, headers), 'HEADER_MISMATCH')
    assert.equal(outcome(list, { ...headers, 'mcp-method': 'tools/list' }), VERSION)
  })

  test('leaves a call without a name to whoever carries it out', () => {
    assert.equal(outcome(toolCall({ name: undefined }), without('mcp-name')), VERSION)
    assert.equal(outcome(toolCall({ name: 7 }), without('mcp-name')), VERSION)
  })
})

test('a notification may not claim another method', () => {
  const notification = message({ method: 'notifications/cancelled', params: {} })
  assert.ok(notification.kind === 'notification')
  checkModernNotification(notification, reader({}))
  checkModernNotification(notification, reader({ 'mcp-method': 'notifications/cancelled' }))
  assert.throws(() => checkModernNotification(notification, reader({ 'mcp-method': 'tools/call' })), {
    code: 'HEADER_MISMATCH',
  })
})
