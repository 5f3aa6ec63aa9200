import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import {
  collect,
  notificationOf,
  request,
  requestOf,
  result,
  rpcError,
  untilAborted,
  someone,
} from '../../../test/support/scripted.ts'
import type { GatewaySettings } from '../../config/types.ts'
import { openDoor } from '../../auth/door.ts'
import { GatewayError } from '../../errors.ts'
import { type Answerer, rescue, toRefusal } from '../../filters/rescue.ts'
import type { Call } from '../../pipeline/call.ts'
import { silentLog } from '../../pipeline/log.ts'
import type { ListenerPorts } from '../ports.ts'
import { openSession } from './session.ts'

const OWNER = {
  id: 'session-1',
  principal: someone('p'),
  route: { kind: 'aggregate' },
  transport: 'http',
  address: undefined,
  push: () => undefined,
} as const
const INFO = '{"name":"c","version":"1.0"}'
const initialize = (version = '2025-06-18') =>
  requestOf(
    `{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"${version}","capabilities":{},"clientInfo":${INFO}}}`,
  )

async function open(answers: Answerer = () => Promise.resolve(result('{}')), version?: string) {
  const calls: Call[] = []
  const ports: ListenerPorts = {
    answer: (call, out) => {
      calls.push(call)
      if (call.method !== 'server/discover') return answers(call, out)
      return Promise.resolve(result({ capabilities: { tools: {} }, instructions: 'hi' }))
    },
    clock: createFakeClock(),
    log: silentLog,
    settings: { limits: { parkTime: 600_000 } } as unknown as GatewaySettings,
    door: openDoor(createFakeClock()),
    serverInfo: { name: 'gw', version: '1' },
    backends: () => [],
  }
  return { ...(await openSession(initialize(version), OWNER, ports)), calls, ports }
}

describe('initialize', () => {
  test('is answered with what discovery says, under the id of the client', async () => {
    const { replyText, calls } = await open()
    assert.deepEqual(JSON.parse(replyText), {
      jsonrpc: '2.0',
      id: 'i',
      result: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {}, logging: {} },
        serverInfo: { name: 'gw', version: '1' },
        instructions: 'hi',
      },
    })
    assert.deepEqual([calls[0]?.principal, calls[0]?.route], [OWNER.principal, OWNER.route])
  })

  test('agrees on the version that was asked for if it is spoken, otherwise on the newest legacy one', async () => {
    for (const [asked, agreed] of [
      ['2025-03-26', '2025-03-26'],
      ['2024-11-05', '2024-11-05'],
      ['2026-07-28', '2025-11-25'],
      ['x', '2025-11-25'],
    ] as const) {
      assert.equal((await open(undefined, asked)).session.version, agreed)
    }
  })

  test('is refused where discovery is', async () => {
    const { ports } = await open()
    const unknown = toRefusal(new GatewayError('UNKNOWN_BACKEND', 'Unknown backend: x'), silentLog)
    const refusing: ListenerPorts = { ...ports, answer: () => Promise.resolve(unknown) }
    await assert.rejects(openSession(initialize(), OWNER, refusing), { code: 'UNKNOWN_BACKEND' })
  })
})

describe('a request of a legacy session', () => {
  test('becomes a modern call with what the session knows; the rest keeps its bytes', async () => {
    const { session, calls } = await open()
    const text =
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"n":1.0e5},"_meta":{"progressToken":"t"}}}'
    await session.handle(requestOf(text), collect())
    const reserved =
      '"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},' +
      `"io.modelcontextprotocol/clientInfo":${INFO},`
    assert.equal(calls[1]?.message.text, text.replace('"_meta":{', `"_meta":{${reserved}`))
    assert.deepEqual(calls[1]?.downstream, {
      era: 'legacy',
      version: '2025-06-18',
      transport: 'http',
      session: 'session-1',
      address: undefined,
    })
  })

  test('has the rights that came with it, not those of the one that opened the session', async () => {
    const { session, calls } = await open()
    const later = { ...someone('p'), scopes: new Set(['more']) }
    await session.handle(request('tools/list'), collect(), later)
    assert.equal(calls[1]?.principal, later)
    await session.handle(request('tools/list'), collect())
    assert.equal(calls[2]?.principal, OWNER.principal)
  })

  test('gets parameters and _meta where it has none, and cannot claim to be modern', async () => {
    const { session, calls } = await open()
    await session.handle(request('tools/list'), collect())
    await session.handle(request('tools/list', {}), collect())
    const claim = {
      _meta: {
        'io.modelcontextprotocol/clientInfo': 'forged',
        'io.modelcontextprotocol/clientCapabilities': { sampling: {} },
      },
    }
    await session.handle(request('tools/list', claim), collect())
    for (const call of calls.slice(1)) {
      const { params } = JSON.parse(call.message.text) as { readonly params: Record<string, unknown> }
      assert.deepEqual(params, {
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
          'io.modelcontextprotocol/clientInfo': { name: 'c', version: '1.0' },
        },
      })
    }
  })

  test('is answered without what only the modern era knows, else with the same bytes', async () => {
    const modern =
      '{"resultType":"complete","content":[{"n":1.0e5}],"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"b","version":"1"},"k":1.0}}'
    const { session } = await open(() => Promise.resolve(result(modern)))
    const text = await session.handle(request('tools/list', undefined, 'c'), collect())
    assert.equal(text, '{"jsonrpc":"2.0","id":"c","result":{"content":[{"n":1.0e5}],"_meta":{"k":1.0}}}')
  })

  test('gets errors of the backend and refusals of the gateway under its id', async () => {
    const backend = await open(() => Promise.resolve(rpcError(-32000, 'mine', { id: '101' })))
    assert.equal(
      await backend.session.handle(request('tools/list', undefined, 'c'), collect()),
      '{"jsonrpc":"2.0","id":"c","error":{"code":-32000,"message":"mine"}}',
    )
    const refusal = toRefusal(new GatewayError('UNKNOWN_TOOL', 'none'), silentLog)
    const gateway = await open(() => Promise.resolve(refusal))
    const { id, error } = JSON.parse(
      await gateway.session.handle(request('tools/call', {}, 'c'), collect()),
    ) as {
      readonly id: unknown
      readonly error: unknown
    }
    assert.deepEqual([id, error], ['c', refusal.error])
  })

  test('that the gateway answers itself goes no further', async () => {
    const { session, calls } = await open()
    assert.equal(
      await session.handle(request('ping', undefined, 'c'), collect()),
      '{"jsonrpc":"2.0","id":"c","result":{}}',
    )
    assert.match(await session.handle(initialize(), collect()), /initialized already/)
    assert.equal(calls.length, 1)
  })

  test('carries the log level from when it was set', async () => {
    const { session, calls } = await open()
    assert.match(
      await session.handle(request('logging/setLevel', { level: 'loud' }), collect()),
      /must be one of debug, info/,
    )
    await session.handle(request('logging/setLevel', { level: 'warning' }), collect())
    await session.handle(request('tools/list'), collect())
    assert.ok(calls[1]?.message.text.includes('"io.modelcontextprotocol/logLevel":"warning"'))
  })
})

describe('cancelling in a legacy session', () => {
  const cancel = (id: string) =>
    notificationOf(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`)
  const hanging: Answerer = rescue((call) => untilAborted(call.signal), silentLog)

  test('ends the call with exactly that id', async () => {
    const { session, calls } = await open(hanging)
    const one = session.handle(request('tools/list', undefined, 1), collect())
    const other = session.handle(request('tools/list', undefined, '1'), collect())
    assert.equal(session.inFlight, 2)
    session.notify(cancel('2'))
    session.notify(notificationOf('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}'))
    session.notify(notificationOf('{"jsonrpc":"2.0","method":"notifications/initialized"}'))
    assert.ok(calls.every(({ signal }) => !signal.aborted))
    session.notify(cancel('1'))
    assert.match(await one, /"CANCELLED"/)
    assert.equal(session.inFlight, 1)
    session.close(new GatewayError('DRAINING', 'bye'))
    assert.match(await other, /"DRAINING"/)
    assert.equal(session.inFlight, 0)
  })

  test('cannot be confused by an id that is used twice at a time', async () => {
    const { session } = await open(hanging)
    const first = session.handle(request('tools/list', undefined, 1), collect())
    assert.match(await session.handle(request('tools/list', undefined, 1), collect()), /in flight already/)
    session.notify(cancel('1'))
    assert.match(await first, /"CANCELLED"/)
  })
})
