// What one revision has and another does not, end to end: codes, batches, shapes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Received, type Reply, rawBackend, response } from './hostile/support/backend.ts'
import { handwritten } from './language/handwritten.ts'
import { type House, gateway } from './language/house.ts'
import type { RawAnswer, RpcMessage } from './language/raw.ts'
import type { Configured, Scope } from './language/scope.ts'
import type { Arguments } from './language/stage.ts'

type Call = (received: Received, reply: Reply) => void

/** A legacy server of that revision without sessions, whose calls are answered by hand. */
async function legacy(scope: Scope, protocolVersion: string, call: Call): Promise<Configured> {
  const backend = await rawBackend((received, reply) => {
    const { rpc, id, method } = received
    const result = (value: object): void => reply.json(response(id, `"result":${JSON.stringify(value)}`))
    if (method !== 'POST') return reply.json('', { status: 405 })
    if (rpc === 'initialize')
      return result({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'l', version: '1' } })
    if (rpc === 'tools/list') return result({ tools: [{ name: 'go', inputSchema: { type: 'object' } }] })
    if (rpc === 'tools/call') return call(received, reply)
    if (id === '') return reply.json('', { status: 202 })
    reply.json(response(id, '"error":{"code":-32601,"message":"no"}'), { status: 400 })
  })
  scope.after(() => backend.stop())
  return { settings: { url: backend.url } }
}

async function houseOf(scope: Scope, backend: Configured): Promise<House> {
  const house = await gateway({ backends: { b: backend } })
  scope.after(async () => house.close())
  return house
}

/** A session of a legacy client of that revision. */
async function session(house: House, protocolVersion: string, capabilities: object = {}) {
  const params = { protocolVersion, capabilities, clientInfo: { name: 'c', version: '1' } }
  const opened = await house.raw.post({ jsonrpc: '2.0', id: 0, method: 'initialize', params })
  const headers = {
    'mcp-session-id': opened.headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': protocolVersion,
  }
  return {
    post: async (body: unknown): Promise<RawAnswer> => house.raw.post(body, { headers }),
    call: async (): Promise<RawAnswer> =>
      house.raw.post({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'b_go' } }, { headers }),
  }
}

const textIn = ({ result }: RpcMessage): unknown =>
  (result?.['content'] as readonly { readonly text: string }[] | undefined)?.[0]?.text

describe('a legacy server that asks for a visit to a URL first (−32042)', () => {
  const VISIT = { mode: 'url', elicitationId: 'e', url: 'https://example.com/sign', message: 'sign in' }
  const before = (scope: Scope) => {
    const times = { calls: 0 }
    const call: Call = ({ id }, reply) => {
      if (++times.calls > 1)
        return reply.json(response(id, '"result":{"content":[{"type":"text","text":"in"}]}'))
      const error = { code: -32042, message: 'Sign in first', data: { elicitations: [VISIT] } }
      reply.json(response(id, `"error":${JSON.stringify(error)}`))
    }
    return { times, backend: legacy(scope, '2025-11-25', call) }
  }
  const modern = async (house: House, elicitation: object, more: Arguments = {}): Promise<RawAnswer> =>
    house.raw.modern('tools/call', {
      name: 'b_go',
      arguments: {},
      _meta: { 'io.modelcontextprotocol/clientCapabilities': { elicitation } },
      ...more,
    })

  test('gives a modern client an input request, and is called again by its retry', async (t) => {
    const { times, backend } = before(t)
    const house = await houseOf(t, await backend)
    const { response: asked } = await modern(house, { url: {} })
    const requests = asked.result?.['inputRequests'] as Readonly<
      Record<string, { readonly params: Arguments }>
    >
    const [[key, request] = []] = Object.entries(requests)
    assert.deepEqual(request?.params, { mode: 'url', message: '[b] sign in', url: VISIT.url })
    const inputResponses = { [String(key)]: { action: 'accept' } }
    const retried = await modern(
      house,
      { url: {} },
      { inputResponses, requestState: asked.result?.['requestState'] },
    )
    assert.equal(textIn(retried.response), 'in')
    assert.equal(times.calls, 2)
  })

  test('tells a modern client that cannot be sent there which capability is missing, and where to go', async (t) => {
    const house = await houseOf(t, await before(t).backend)
    const { status, response: refused } = await modern(house, { form: {} })
    assert.deepEqual([status, refused.error?.code], [400, -32021])
    assert.deepEqual(refused.error?.data?.['requiredCapabilities'], { elicitation: { url: {} } })
    assert.match(refused.error?.message ?? '', /https:\/\/example\.com\/sign/)
  })

  test('asks a legacy client that can be sent there', async (t) => {
    const house = await houseOf(t, await before(t).backend)
    const { call, post } = await session(house, '2025-11-25', { elicitation: { url: {} } })
    const calling = call()
    // The question comes on the stream of the call, which ends only after the answer: ids count from 1.
    for (;;) {
      await post({ jsonrpc: '2.0', id: 1, result: { action: 'accept' } })
      const done = await Promise.race([calling, new Promise((resolve) => void setTimeout(resolve, 20))])
      if (done !== undefined) break
    }
    const { messages, response: answer } = await calling
    const asked = messages.find(({ method }) => method === 'elicitation/create')
    assert.deepEqual([asked?.params?.['mode'], asked?.params?.['url']], ['url', VISIT.url])
    assert.equal(textIn(answer), 'in')
  })

  test('tells an older client in the text of the tool, where a model reads it', async (t) => {
    const house = await houseOf(t, await before(t).backend)
    const { call } = await session(house, '2025-06-18', { elicitation: {} })
    const { response: answer } = await call()
    assert.equal(answer.result?.['isError'], true)
    assert.match(String(textIn(answer)), /https:\/\/example\.com\/sign/)
  })
})

describe('a server of 2025-03-26', () => {
  test('may answer with a batch', async (t) => {
    const call: Call = ({ id }, reply) => {
      const note = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
      const result = response(id, '"result":{"content":[{"type":"text","text":"batched"}]}')
      reply.json(`[${note},${result}]`)
    }
    const house = await houseOf(t, await legacy(t, '2025-03-26', call))
    for (const answer of [
      await house.raw.modern('tools/call', { name: 'b_go', arguments: {} }),
      await (await session(house, '2025-11-25')).call(),
    ])
      assert.equal(textIn(answer.response), 'batched')
  })
})

describe('a modern server before older clients', () => {
  const LINK = { type: 'resource_link', uri: 'x:1', name: 'one' }
  const modern = async (scope: Scope): Promise<House> =>
    houseOf(
      scope,
      await handwritten(
        scope,
        {},
        {
          'tools/list': () => ({
            tools: [{ name: 'go', inputSchema: { type: 'object' }, outputSchema: { type: 'array' } }],
          }),
          'tools/call': () => ({ content: [LINK], structuredContent: [1] }),
        },
      ),
    )

  test('has the shape of each revision', async (t) => {
    const house = await modern(t)
    const shapes = await Promise.all(
      ['2025-03-26', '2025-06-18', '2025-11-25'].map(async (version) => {
        const { response: answer } = await (await session(house, version)).call()
        const { content, structuredContent, ...rest } = answer.result ?? {}
        assert.deepEqual(Object.keys(rest), [], 'nothing of the modern era is left')
        return [(content as readonly object[])[0], structuredContent]
      }),
    )
    const wrapped = { result: [1] }
    assert.deepEqual(shapes, [
      [{ type: 'text', text: 'one: x:1' }, wrapped],
      [LINK, wrapped],
      [LINK, wrapped],
    ])
  })

  test('answers batches of 2025-03-26 as one, and of no other revision', async (t) => {
    const house = await modern(t)
    const batch = [1, 2].map((id) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'b_go' } }))
    const old = await (await session(house, '2025-03-26')).post(batch)
    const answers = old.response as unknown as readonly RpcMessage[]
    assert.deepEqual(new Set(answers.map(({ id }) => id)), new Set([1, 2]))
    assert.equal((await (await session(house, '2025-06-18')).post(batch)).response.error?.code, -32600)
  })
})
