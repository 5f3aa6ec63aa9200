// A gateway in a program: what it calls itself goes through every filter.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BackendError, GatewayError } from '../../src/index.ts'
import { legacyServer, modernServer } from '../language/http-backend.ts'
import { stdioServer } from '../language/stdio-backend.ts'
import { scopeOf } from '../language/scope.ts'
import { INTERACTIVE } from '../language/stage.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { embedded } from './house.ts'

const text = (of: string): readonly object[] => [{ type: 'text', text: of }]

describe('call', () => {
  test('reaches a tool of a backend by its own name, and by the one that clients see', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope, { label: 'one' })
    const { gateway } = embedded(scope, { backends: { github: backend.url } })
    const answer = await gateway.call({ backend: 'github', tool: 'echo', arguments: { org: 'acme' } })
    assert.deepEqual(answer.content, text('one: {"org":"acme"}'))
    assert.equal('resultType' in answer, false)
    const same = await gateway.call({ tool: 'github_echo', arguments: { n: 1 } })
    assert.deepEqual(same.content, text('one: {"n":1}'))
    const failed = await gateway.call({ backend: 'github', tool: 'fail' })
    assert.equal(failed.isError, true)
  })

  test('says which backend is unknown, and which tool', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, { backends: { github: backend.url } })
    await assert.rejects(gateway.call({ backend: 'gitlab', tool: 'echo' }), (error) => {
      assert.ok(error instanceof GatewayError)
      assert.equal(error.code, 'UNKNOWN_BACKEND')
      assert.match(error.message, /^Unknown backend: gitlab/)
      return true
    })
    await assert.rejects(gateway.call({ backend: 'github', tool: 'ecko' }), { code: 'UNKNOWN_TOOL' })
  })

  test('is limited by client, as the pattern has it', async (t) => {
    const scope = scopeOf(t)
    const clock = createFakeClock()
    const backend = await modernServer(scope)
    const { gateway } = embedded(
      scope,
      { backends: { b: backend.url }, limits: [{ rate: '2/1m' }] },
      { clock },
    )
    const call = async (client?: string): Promise<unknown> =>
      gateway.call({ backend: 'b', tool: 'echo', ...(client === undefined ? {} : { client }) })
    for (const client of [undefined, 'alice', 'bob']) {
      await call(client)
      await call(client)
      await assert.rejects(call(client), (error) => {
        assert.ok(error instanceof GatewayError && error.code === 'RATE_LIMITED')
        assert.equal(error.details.retryAfterMs, 60_000)
        assert.equal(error.details.data?.['limit'], 'principal-rate')
        return true
      })
    }
    await clock.advance(60_000)
    await call('alice')
  })

  test('is never carried around authorization', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, {
      backends: { b: backend.url },
      auth: { apiKeys: {} },
      authorization: { scopes: { 'b:read': ['b_echo'] } },
    })
    const call = { backend: 'b', tool: 'echo' }
    await assert.rejects(gateway.call(call), { code: 'UNAUTHENTICATED' })
    await assert.rejects(gateway.call({ ...call, client: 'alice' }), { code: 'UNAUTHENTICATED' })
    const principal = { subject: 'alice', scopes: ['other'] }
    await assert.rejects(gateway.call({ ...call, principal }), { code: 'INSUFFICIENT_SCOPE' })
    await gateway.call({ ...call, principal: { subject: 'alice', scopes: ['b:read'] } })
    await assert.rejects(
      gateway.call({ backend: 'b', tool: 'fail', principal: { subject: 'alice', scopes: ['b:read'] } }),
      { code: 'UNKNOWN_TOOL' },
    )
    assert.equal(
      backend.journal.count(({ kind }) => kind === 'call'),
      1,
    )
  })

  test('ends with what onProgress throws, which is no failure of the backend', async (t) => {
    const scope = scopeOf(t)
    const { url } = await modernServer(scope)
    const { settings } = await stdioServer(scope, 'modern')
    for (const b of [url, settings as never]) {
      const { gateway } = embedded(scope, { backends: { b } })
      const broken = new Error('broken')
      const onProgress = (): void => {
        throw broken
      }
      const call = gateway.call({ backend: 'b', tool: 'progress', arguments: { steps: 3 }, onProgress })
      await assert.rejects(call, (error) => error === broken)
      assert.equal(gateway.metrics().tools[0]?.errors, 0)
      await gateway.call({ backend: 'b', tool: 'echo' })
    }
  })

  test('reports progress, and is cancelled by its signal', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, { backends: { b: backend.url } })
    const steps: number[] = []
    await gateway.call({
      backend: 'b',
      tool: 'progress',
      arguments: { steps: 3 },
      onProgress: ({ progress }) => steps.push(progress),
    })
    assert.deepEqual(steps, [1, 2, 3])
    const leaving = new AbortController()
    const waiting = gateway.call({
      backend: 'b',
      tool: 'wait',
      signal: leaving.signal,
      onProgress: () => leaving.abort(),
    })
    await assert.rejects(waiting, { code: 'CANCELLED' })
    await backend.journal.until(({ kind }) => kind === 'cancelled')
    await assert.rejects(gateway.call({ backend: 'b', tool: 'echo', signal: AbortSignal.abort() }), {
      code: 'CANCELLED',
    })
  })

  for (const [era, server] of [
    ['modern', modernServer],
    ['legacy', legacyServer],
  ] as const) {
    test(`answers what a tool of a ${era} backend asks, or says that it cannot be asked`, async (t) => {
      const scope = scopeOf(t)
      const backend = await server(scope, { tools: INTERACTIVE })
      const { gateway } = embedded(scope, { backends: { b: backend.url } })
      const asked: unknown[] = []
      const answer = await gateway.call({
        backend: 'b',
        tool: 'ask',
        arguments: { who: 'ann' },
        onInput: (requests) => {
          asked.push(...Object.values(requests).map(({ method }) => method))
          const response = { action: 'accept', content: { name: 'Ann' } }
          return Object.fromEntries(Object.keys(requests).map((key) => [key, response]))
        },
      })
      assert.deepEqual(asked, ['elicitation/create'])
      assert.deepEqual(answer.content, text(`${era}: ann: accept {"name":"Ann"}`))
      const call = gateway.call({ backend: 'b', tool: 'ask', arguments: { who: 'bob' } })
      // The backend is told that the caller cannot be asked, and refuses in the way of its era.
      if (era === 'modern') await assert.rejects(call, { name: 'BackendError', code: -32021 })
      else assert.equal((await call).isError, true)
    })
  }

  test('is bounded, and made of nothing but JSON', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, {
      backends: { b: backend.url },
      gateway: { limits: { body: '2KiB', depth: 10 } },
    })
    const call = async (args: Readonly<Record<string, unknown>>): Promise<unknown> =>
      gateway.call({ backend: 'b', tool: 'echo', arguments: args })
    await assert.rejects(call({ text: 'x'.repeat(3000) }), { code: 'BODY_TOO_LARGE' })
    await assert.rejects(call({ n: 1n }), { code: 'INVALID_PARAMS' })
    const deep = JSON.parse(`${'{"a":'.repeat(20)}1${'}'.repeat(20)}`) as Readonly<Record<string, unknown>>
    await assert.rejects(call(deep), { code: 'INVALID_REQUEST' })
    assert.equal(
      backend.journal.count(({ kind }) => kind === 'call'),
      0,
    )
  })

  test("hands on a backend's own error as what it is", async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, { backends: { b: backend.url } })
    await gateway.ready()
    // The gateway still lists it, the backend does not have it any more: the stage answers with a tool error, the SDK of
    // a server with an error of the protocol where the arguments are none.
    const call = gateway.call({
      backend: 'b',
      tool: 'echo',
      arguments: [] as unknown as Record<string, unknown>,
    })
    await assert.rejects(call, (error) => error instanceof BackendError && error.backend === 'b')
  })

  test('is refused once the gateway is closed', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, { backends: { b: backend.url } })
    await gateway.close()
    await assert.rejects(gateway.call({ backend: 'b', tool: 'echo' }), { code: 'DRAINING' })
  })
})

test('metrics counts what reached a backend, by backend and tool', async (t) => {
  const scope = scopeOf(t)
  const backend = await modernServer(scope)
  const { gateway } = embedded(scope, {
    backends: { github: backend.url, database: backend.url },
    limits: [{ rate: '3/1m' }],
  })
  assert.deepEqual(gateway.metrics(), {
    totalRequests: 0,
    byTool: {},
    registeredBackends: ['github', 'database'],
    tools: [],
  })
  await gateway.call({ backend: 'github', tool: 'echo' })
  await gateway.call({ backend: 'github', tool: 'echo' })
  await gateway.call({ backend: 'database', tool: 'fail' })
  await assert.rejects(gateway.call({ backend: 'database', tool: 'echo' }), { code: 'RATE_LIMITED' })
  const { tools, ...counts } = gateway.metrics()
  assert.deepEqual(counts, {
    totalRequests: 3,
    byTool: { 'github.echo': 2, 'database.fail': 1 },
    registeredBackends: ['github', 'database'],
  })
  assert.deepEqual(
    tools.map(({ backend, tool, errors, toolErrors }) => [backend, tool, errors, toolErrors]),
    [
      ['github', 'echo', 0, 0],
      ['database', 'fail', 0, 1],
    ],
  )
  assert.ok(tools.every(({ latencyMs }) => latencyMs !== undefined && latencyMs.p50 >= 0))
})

test('health says how each backend is, and asks where it is told to', async (t) => {
  const scope = scopeOf(t)
  const [well, dead] = [await modernServer(scope), await modernServer(scope)]
  await dead.stop()
  const { gateway } = embedded(scope, { backends: { well: well.url, dead: dead.url } })
  const before = await gateway.health()
  assert.deepEqual(before['well'], { status: 'connecting' })
  const { well: one, dead: other } = await gateway.health({ check: true })
  assert.equal(one?.status, 'healthy')
  assert.equal(other?.status, 'unreachable')
  assert.ok(other.error)
})
