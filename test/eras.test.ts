// What the eras cannot do for each other: that it does what docs/eras.md says instead.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type House, gateway } from './language/house.ts'
import { type HttpBackend, legacyServer, modernServer } from './language/http-backend.ts'
import type { RawAnswer, RpcMessage } from './language/raw.ts'
import type { Scope } from './language/scope.ts'
import { type Arguments, INTERACTIVE } from './language/stage.ts'

const CAPABLE = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: {} } }

interface Desk {
  readonly server: HttpBackend
  /** Another gateway before the same server, as after a restart. */
  readonly restarted: () => Promise<House>
  readonly ask: (args: Arguments, params?: Arguments, at?: House) => Promise<RpcMessage>
  /** How often the tool was begun for somebody. */
  readonly executions: (who: string) => number
}

async function desk(scope: Scope): Promise<Desk> {
  const server = await legacyServer(scope, { tools: INTERACTIVE })
  const open = async (): Promise<House> => {
    const house = await gateway({ backends: { backend: server } })
    scope.after(async () => house.close())
    return house
  }
  const first = await open()
  return {
    server,
    restarted: open,
    async ask(args, params = {}, at = first) {
      const call = { name: 'ask', arguments: args, _meta: CAPABLE, ...params }
      const answer: RawAnswer = await at.raw.modern('tools/call', call, { route: 'backend' })
      return answer.response
    },
    executions: (who) => server.journal.count((entry) => entry.kind === 'call' && entry.args['who'] === who),
  }
}

/** What a client brings back, with the answer `name`. */
function retryOf({ result, error }: RpcMessage, name: string): Arguments {
  assert.equal(error, undefined)
  assert.equal(result?.['resultType'], 'input_required')
  const keys = Object.keys(result?.['inputRequests'] as object)
  const inputResponses = Object.fromEntries(keys.map((key) => [key, { action: 'accept', content: { name } }]))
  return { requestState: result?.['requestState'], inputResponses }
}

suite('a modern client before a legacy server', () => {
  test('is told what became of a call whose server did not wait for the answer', async (t) => {
    const { server, ask, executions } = await desk(t)
    const args = { who: 'ada', patience: 50 }
    const retry = retryOf(await ask(args), 'Ada')
    await server.journal.until((entry) => entry.kind === 'answered' && entry.args['who'] === 'ada')
    const { result } = await ask(args, retry)
    assert.match(JSON.stringify(result), /nobody could be asked/)
    assert.equal(executions('ada'), 1)
  })

  test('cannot take up a call after the gateway was restarted, and causes no second execution by trying', async (t) => {
    const { ask, restarted, executions } = await desk(t)
    const retry = retryOf(await ask({ who: 'bob' }), 'Bob')
    const { error } = await ask({ who: 'bob' }, retry, await restarted())
    assert.equal(error?.code, -32602)
    assert.match(error.message, /requestState/)
    assert.equal(executions('bob'), 1)
  })

  test('that drops the state and starts over causes a second execution', async (t) => {
    const { ask, executions } = await desk(t)
    const { inputResponses } = retryOf(await ask({ who: 'cy' }), 'Cy')
    const again = await ask({ who: 'cy' }, { inputResponses })
    const { result } = await ask({ who: 'cy' }, retryOf(again, 'Cy'))
    assert.match(JSON.stringify(result), /cy: accept/)
    assert.equal(executions('cy'), 2)
  })
})

suite('a legacy client before a modern server', () => {
  test('says that its roots changed, and nobody is told: there is no such message any more', async (t) => {
    const server = await modernServer(t)
    const house = await gateway({ backends: { backend: server } })
    t.after(async () => house.close())
    const opened = await house.raw.post({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: {
        protocolVersion: '2025-11-25',
        capabilities: { roots: { listChanged: true } },
        clientInfo: { name: 'raw', version: '1' },
      },
    })
    const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '' }
    const told = await house.raw.post(
      { jsonrpc: '2.0', method: 'notifications/roots/list_changed' },
      { headers },
    )
    assert.equal(told.status, 202)
    await house.raw.post({ jsonrpc: '2.0', id: 2, method: 'tools/list' }, { headers })
    const methods = server.journal.entries.flatMap((entry) =>
      entry.kind === 'request' ? [entry.method] : [],
    )
    assert.equal(methods.includes('notifications/roots/list_changed'), false)
  })
})
