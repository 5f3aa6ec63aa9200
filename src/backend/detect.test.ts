import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import { untilAborted } from '../../test/support/scripted.ts'
import {
  DISCOVERED,
  INITIALIZED,
  type Script,
  answer,
  fail,
  refuse,
  scriptedChannel,
  speakerPorts,
} from '../../test/support/scripted-channel.ts'
import { ChannelError, type ChannelFailure } from './channel.ts'
import { initializeLegacy, isEraEvidence, probeEra } from './detect.ts'

const LIVE = new AbortController().signal

const status = (code: number): ChannelFailure => ({ kind: 'status', status: code, body: '' })
const failing =
  (failure: ChannelFailure): Script =>
  () =>
    fail(failure)

/** `modern`, `legacy`, or how it is thrown. */
async function verdict(script: Script, transport: 'http' | 'stdio'): Promise<string> {
  try {
    return (await probeEra(scriptedChannel(script, transport), speakerPorts(), LIVE)).era
  } catch (error) {
    assert.ok(error instanceof ChannelError, String(error))
    return error.failure.kind
  }
}

describe('a probe', () => {
  test('is server/discover with the version in header and body', async () => {
    const channel = scriptedChannel((_method, exchange) => answer(exchange, DISCOVERED))
    await probeEra(channel, speakerPorts(), LIVE)
    const [sent] = channel.requests
    assert.equal(sent?.era, 'modern')
    assert.deepEqual(sent?.headers, { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'server/discover' })
    assert.deepEqual(JSON.parse(sent?.text ?? ''), {
      jsonrpc: '2.0',
      id: 101,
      method: 'server/discover',
      params: {
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientInfo': { name: 'toolgate', version: '0' },
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    })
  })

  // 2026-07-28, "Backward Compatibility" of basic/transports/stdio, basic/transports/streamable-http, basic/versioning.
  const table: readonly (readonly [string, Script, http: string, stdio: string])[] = [
    ['a DiscoverResult', (_m, x) => answer(x, DISCOVERED), 'modern', 'modern'],
    [
      'one among several versions',
      (_m, x) => answer(x, { ...DISCOVERED, supportedVersions: ['2027-01-01', '2026-07-28'] }),
      'modern',
      'modern',
    ],
    ['no version in common', (_m, x) => answer(x, { supportedVersions: ['2025-11-25'] }), 'legacy', 'legacy'],
    ['a result that is no DiscoverResult', (_m, x) => answer(x, {}), 'legacy', 'legacy'],
    [
      'versions that are no list',
      (_m, x) => answer(x, { supportedVersions: '2026-07-28' }),
      'legacy',
      'legacy',
    ],
    ['-32601, as most legacy servers', (_m, x) => refuse(x, -32601), 'legacy', 'legacy'],
    ['-32602, as others', (_m, x) => refuse(x, -32602), 'legacy', 'legacy'],
    ['-32000, as others', (_m, x) => refuse(x, -32000), 'legacy', 'legacy'],
    ['any number', (_m, x) => refuse(x, 7), 'legacy', 'legacy'],
    [
      'a version error with the list',
      (_m, x) => refuse(x, -32022, { supported: ['2027-01-01'] }),
      'protocol',
      'protocol',
    ],
    ['a version error without the list', (_m, x) => refuse(x, -32022), 'legacy', 'legacy'],
    ['a header mismatch', (_m, x) => refuse(x, -32020), 'protocol', 'protocol'],
    ['a missing capability', (_m, x) => refuse(x, -32021), 'protocol', 'protocol'],
    ['400 without a modern error', failing(status(400)), 'legacy', 'legacy'],
    ['404', failing(status(404)), 'legacy', 'legacy'],
    ['405', failing(status(405)), 'legacy', 'legacy'],
    ['401: who may not ask learns nothing', failing(status(401)), 'status', 'status'],
    ['403', failing(status(403)), 'status', 'status'],
    ['429', failing(status(429)), 'status', 'status'],
    ['500', failing(status(500)), 'status', 'status'],
    ['503', failing(status(503)), 'status', 'status'],
    ['garbage', failing({ kind: 'protocol', reason: 'garbage' }), 'legacy', 'legacy'],
    [
      'a connection refused',
      failing({ kind: 'unreachable', reason: 'refused' }),
      'unreachable',
      'unreachable',
    ],
    [
      'a connection lost: some legacy processes exit',
      failing({ kind: 'broken', reason: 'lost' }),
      'broken',
      'legacy',
    ],
  ]
  for (const [name, script, http, stdio] of table) {
    test(`answered with ${name}: ${http} over HTTP, ${stdio} over stdio`, async () => {
      assert.equal(await verdict(script, 'http'), http)
      assert.equal(await verdict(script, 'stdio'), stdio)
    })
  }

  test('reads what the server says about itself, and nothing that is malformed', async () => {
    const read = async (value: object): Promise<unknown> => {
      const found = await probeEra(
        scriptedChannel((_method, exchange) => answer(exchange, value)),
        speakerPorts(),
        LIVE,
      )
      return found.era === 'modern' ? found.identity : found
    }
    assert.deepEqual(await read({ ...DISCOVERED, instructions: 'hi' }), {
      era: 'modern',
      version: '2026-07-28',
      serverInfo: { name: 'modern', version: '1' },
      capabilities: { tools: {} },
      instructions: 'hi',
    })
    const odd = { capabilities: [], instructions: 7, _meta: { 'io.modelcontextprotocol/serverInfo': 'me' } }
    assert.deepEqual(await read({ supportedVersions: ['2026-07-28'], ...odd }), {
      era: 'modern',
      version: '2026-07-28',
      serverInfo: undefined,
      capabilities: {},
      instructions: undefined,
    })
  })

  test('that is given up yields the reason of the signal', async () => {
    const controller = new AbortController()
    const probing = probeEra(
      scriptedChannel((_method, exchange) => untilAborted(exchange.signal)),
      speakerPorts(),
      controller.signal,
    )
    controller.abort(new Error('enough'))
    await assert.rejects(probing, /enough/)
    assert.equal(createFakeClock().pending, 0)
  })
})

test('only statuses of the protocol are evidence of an era', () => {
  assert.deepEqual([400, 404, 405, 406, 415].filter(isEraEvidence), [400, 404, 405, 406, 415])
  assert.deepEqual([401, 403, 429, 500, 502, 503, 504].filter(isEraEvidence), [])
})

describe('the legacy handshake', () => {
  const handshake = async (value: object, session?: string) => {
    const channel = scriptedChannel((_method, exchange) => answer(exchange, value, { session }))
    const speaker = await initializeLegacy(channel, speakerPorts(), LIVE)
    return { channel, speaker }
  }

  test('declares no capabilities, confirms, and keeps version and session for what follows', async () => {
    const { channel, speaker } = await handshake(INITIALIZED, 'abc')
    assert.deepEqual(JSON.parse(channel.requests[0]?.text ?? ''), {
      jsonrpc: '2.0',
      id: 101,
      method: 'initialize',
      params: {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'toolgate', version: '0' },
      },
    })
    const headers = { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': 'abc' }
    assert.deepEqual(channel.notified, [
      { text: '{"jsonrpc":"2.0","method":"notifications/initialized"}', headers },
    ])
    await speaker.ask('tools/list', '', LIVE)
    assert.deepEqual(channel.requests[1]?.headers, headers)
    assert.deepEqual(speaker.identity, {
      era: 'legacy',
      version: '2025-11-25',
      serverInfo: { name: 'legacy', version: '1' },
      capabilities: { tools: {} },
      instructions: undefined,
    })
  })

  test('speaks the revision that the server wants, back to the first', async () => {
    for (const protocolVersion of ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']) {
      const { speaker, channel } = await handshake({ ...INITIALIZED, protocolVersion })
      assert.equal(speaker.identity.version, protocolVersion)
      assert.deepEqual(channel.notified[0]?.headers, { 'mcp-protocol-version': protocolVersion })
    }
  })

  const refusals: readonly (readonly [string, object, string | undefined, RegExp])[] = [
    [
      'a version nobody speaks',
      { ...INITIALIZED, protocolVersion: '1.0' },
      undefined,
      /wants protocol version 1\.0/,
    ],
    [
      'a modern version',
      { ...INITIALIZED, protocolVersion: '2026-07-28' },
      undefined,
      /wants protocol version/,
    ],
    ['no version', {}, undefined, /without a version/],
    ['a session id with a line break', INITIALIZED, 'a\r\nx: y', /invalid Mcp-Session-Id/],
    ['an empty session id', INITIALIZED, '', /invalid Mcp-Session-Id/],
    ['an endless session id', INITIALIZED, 'x'.repeat(1025), /invalid Mcp-Session-Id/],
  ]
  for (const [name, value, session, reason] of refusals) {
    test(`is refused with ${name}`, async () => {
      await assert.rejects(handshake(value, session), (error) => {
        assert.ok(error instanceof ChannelError && error.failure.kind === 'protocol')
        assert.match(error.message, reason)
        return true
      })
    })
  }

  test('that the server refuses says how', async () => {
    const channel = scriptedChannel((_method, exchange) => refuse(exchange, -32600))
    await assert.rejects(
      initializeLegacy(channel, speakerPorts(), LIVE),
      /refused initialize with error -32600$/,
    )
    assert.deepEqual(channel.notified, [])
  })
})
