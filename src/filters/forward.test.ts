import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createFakeClock } from '../../test/support/fake-clock.ts'
import {
  type ScriptedBackend,
  callOf,
  collect,
  listOf,
  request,
  result,
  rpcError,
  scriptedBackend,
  tool,
} from '../../test/support/scripted.ts'
import { GatewayError } from '../errors.ts'
import type { Permitted, Reply } from '../pipeline/call.ts'
import { silentLog } from '../pipeline/log.ts'
import { mintPermit } from '../pipeline/permit.ts'
import type { OneTarget } from '../pipeline/target.ts'
import type { RequestMessage } from '../protocol/message.ts'
import { createCatalog } from '../routing/catalog.ts'
import { type Integrity, type Quarantine, believing } from '../routing/integrity/integrity.ts'
import { dispatch } from './dispatch.ts'
import { forward } from './forward.ts'

const TARGET: OneTarget = { kind: 'one', backend: 'a', name: 'x', paramHeaders: [] }
const MIRRORED = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } }

function setUp(integrity?: Integrity) {
  const backend: ScriptedBackend = scriptedBackend('a')
  const backends = new Map([['a', backend]])
  const catalog = createCatalog([backend], {
    clock: createFakeClock(),
    log: silentLog,
    names: 'prefix',
    listDeadline: 1000,
    staleFor: 1000,
    fetchTimeout: () => 1000,
    ...(integrity && { integrity }),
  })
  const handler = forward(backends, catalog)
  const send = (over: Partial<Permitted> = {}, target: OneTarget = TARGET): Promise<Reply> => {
    const message: RequestMessage = request('tools/call', { name: 'a_x', arguments: { region: 'eu' } })
    return handler({ ...callOf(message), target, permit: mintPermit(target), ...over }, collect())
  }
  return { backend, send, handler }
}

describe('forward', () => {
  test('goes where the permit says, not where the call says', async () => {
    const { backend, send } = setUp()
    const reply = result({ content: [] })
    backend.onSend = () => Promise.resolve(reply)
    assert.equal(await send({ target: { ...TARGET, backend: 'elsewhere', name: 'secret' } }), reply)
    assert.deepEqual(
      backend.sent.map(({ target, exposedName }) => ({ target, exposedName })),
      [{ target: TARGET, exposedName: 'a_x' }],
    )
  })

  test('does not send a call again to a tool that turns out to be held back', async () => {
    const quarantineOf = (): Quarantine => ({ reason: 'it changed', keepsName: true })
    const { backend, send } = setUp({ ...believing, quarantineOf })
    backend.onList = () => Promise.resolve(listOf([tool('x', { inputSchema: MIRRORED })]))
    backend.onSend = () => Promise.resolve(rpcError(-32020))
    await assert.rejects(send(), { code: 'QUARANTINED' })
    assert.equal(backend.sent.length, 1)
  })

  test('relays the backend’s own errors', async () => {
    const { backend, send } = setUp()
    for (const code of [-32602, -32000, -32021, -32002, 7]) {
      const error = rpcError(code)
      backend.onSend = () => Promise.resolve(error)
      assert.equal(await send(), error)
    }
  })

  test('fetches the tools again after a header mismatch and sends once more, with the headers of today', async () => {
    const { backend, send } = setUp()
    backend.onList = () => Promise.resolve(listOf([tool('x', { inputSchema: MIRRORED })]))
    const good = result({ content: [] })
    backend.onSend = ({ target }) =>
      Promise.resolve(target.paramHeaders.length === 0 ? rpcError(-32020) : good)
    assert.equal(await send(), good)
    assert.equal(backend.sent.length, 2)
    assert.deepEqual(
      backend.sent[1]?.target.paramHeaders.map(({ header }) => header),
      ['mcp-param-region'],
    )
    assert.deepEqual(backend.listed, ['tools'])
  })

  test('gives up after the second mismatch, and never relays it', async () => {
    const { backend, send } = setUp()
    backend.onSend = () => Promise.resolve(rpcError(-32020))
    const details = { backend: 'a', outcome: 'not-executed' }
    await assert.rejects(send(), { code: 'BACKEND_PROTOCOL', details })
    assert.equal(backend.sent.length, 2)
  })

  test('says of what never left the gateway that it was not carried out, and of nothing else', async () => {
    for (const isSent of [false, true]) {
      const { backend, send } = setUp()
      backend.onSend = ({ attempt }) => {
        if (isSent) attempt?.sent()
        return Promise.reject(new GatewayError('BACKEND_TIMEOUT', 'late', { outcome: 'unknown' }))
      }
      const details = isSent ? { outcome: 'unknown' } : { outcome: 'not-executed', retryable: true }
      await assert.rejects(send(), { code: 'BACKEND_TIMEOUT', details })
    }
    const { backend, send } = setUp()
    const gone = new GatewayError('CANCELLED', 'gone')
    backend.onSend = () => Promise.reject(gone)
    await assert.rejects(send(), (error) => error === gone)
  })

  test('relays another error of the second try', async () => {
    const { backend, send } = setUp()
    const second = rpcError(-32602)
    backend.onSend = () => Promise.resolve(backend.sent.length === 1 ? rpcError(-32020) : second)
    assert.equal(await send(), second)
  })

  test('never relays that a version is not supported: the client did not choose it', async () => {
    const { backend, send } = setUp()
    backend.onSend = () => Promise.resolve(rpcError(-32022, 'Unsupported', { data: { supported: [] } }))
    await assert.rejects(send(), { code: 'BACKEND_PROTOCOL' })
    assert.equal(backend.sent.length, 1)
  })

  test('sends nothing but tool calls twice', async () => {
    const { backend, send } = setUp()
    backend.onSend = () => Promise.resolve(rpcError(-32020))
    const message = request('prompts/get', { name: 'a_x' })
    await assert.rejects(send({ message, method: message.method }), { code: 'BACKEND_PROTOCOL' })
    assert.equal(backend.sent.length, 1)
  })

  test('does not send again for a caller who has left while the tools were fetched', async () => {
    const { backend, send } = setUp()
    const caller = new AbortController()
    backend.onSend = () => Promise.resolve(rpcError(-32020))
    backend.onList = () => {
      caller.abort(new Error('left'))
      return Promise.resolve(listOf([tool('x')]))
    }
    await assert.rejects(send({ signal: caller.signal }), /left/)
    assert.equal(backend.sent.length, 1)
  })

  test('refuses a backend that does not exist and a target that is many', async () => {
    const { send, handler } = setUp()
    await assert.rejects(send({}, { ...TARGET, backend: 'gone' }), { code: 'UNKNOWN_BACKEND' })
    const many = { kind: 'many', operation: { kind: 'discover' }, backends: [] } as const
    const call = { ...callOf(request('server/discover')), target: many, permit: mintPermit(many) }
    await assert.rejects(handler(call, collect()), TypeError)
  })
})

test('dispatch goes by the permit', async () => {
  const went: string[] = []
  const handlers = {
    one: () => (went.push('one'), Promise.resolve(result({}))),
    many: () => (went.push('many'), Promise.resolve(result({}))),
    listen: () => (went.push('listen'), Promise.resolve(result({}))),
  }
  const listen = { kind: 'many', operation: { kind: 'listen' }, backends: [] } as const
  const many = { kind: 'many', operation: { kind: 'discover' }, backends: [] } as const
  const call = callOf(request('server/discover'))
  await dispatch(handlers)({ ...call, target: TARGET, permit: mintPermit(many) }, collect())
  await dispatch(handlers)({ ...call, target: many, permit: mintPermit(TARGET) }, collect())
  await dispatch(handlers)({ ...call, target: many, permit: mintPermit(listen) }, collect())
  assert.deepEqual(went, ['many', 'one', 'listen'])
})
