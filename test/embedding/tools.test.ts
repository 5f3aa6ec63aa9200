// Tools of the gateway itself, made by the program that it is part of.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Gateway, GatewayError, ToolError } from '../../src/index.ts'
import { type Generation, GENERATIONS, type TestClient, connectClient } from '../language/client.ts'
import { modernServer } from '../language/http-backend.ts'
import { eventually } from '../language/journal.ts'
import { type Scope, scopeOf } from '../language/scope.ts'
import { rawSubscription } from '../language/subscription.ts'
import { embedded } from './house.ts'

/** A client of a gateway that listens, which ends with the scope. */
async function clientOf(
  scope: Scope,
  gateway: Gateway,
  { generation = 'modern', route = '' }: { readonly generation?: Generation; readonly route?: string } = {},
): Promise<TestClient> {
  const listener = await gateway.listen({ port: 0 })
  const client = await connectClient(generation, { url: listener.url + route })
  scope.after(async () => client.close())
  return client
}

const own = (tool: string, args: Readonly<Record<string, unknown>> = {}) => ({ tool, arguments: args })

for (const generation of GENERATIONS) {
  test(`a ${generation} client lists and calls a tool by exactly its name`, async (t) => {
    const scope = scopeOf(t)
    const { gateway } = embedded(scope)
    gateway.tool(
      {
        name: 'github_list_repos',
        description: 'List repositories from GitHub',
        schema: { org: { type: 'string', description: 'GitHub organization name' } },
      },
      async ({ org }) => [{ name: `${org}/storefront` }],
    )
    const client = await clientOf(scope, gateway, { generation })
    assert.deepEqual(
      (await client.tools()).map(({ name, description }) => [name, description]),
      [['github_list_repos', 'List repositories from GitHub']],
    )
    assert.deepEqual(await client.call('github_list_repos', { org: 'acme' }), {
      text: '[{"name":"acme/storefront"}]',
      isError: false,
    })
    await assert.rejects(client.call('github_list_repos', { org: 7, more: 1 }), /org: .*expected string/)
  })
}

describe('what a handler returns', () => {
  test('text, objects, other JSON and whole results each become an answer', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    const returned: Readonly<Record<string, unknown>> = {
      text: 'hello',
      object: { a: 1 },
      list: [1, 2],
      nothing: undefined,
      result: { content: [{ type: 'image', data: '', mimeType: 'image/png' }], structuredContent: { b: 2 } },
      shaped: { content: ['is no content of a result'] },
    }
    for (const name of Object.keys(returned)) gateway.tool({ name }, () => returned[name])
    const answers = await Promise.all(Object.keys(returned).map(async (tool) => gateway.call({ tool })))
    const written = (text: string): readonly object[] => [{ type: 'text', text }]
    assert.deepEqual(answers, [
      { content: written('hello') },
      { content: written('{"a":1}'), structuredContent: { a: 1 } },
      { content: written('[1,2]') },
      { content: written('null') },
      returned['result'],
      {
        content: written('{"content":["is no content of a result"]}'),
        structuredContent: { content: ['is no content of a result'] },
      },
    ])
  })

  test('an error is told to nobody but the log, a ToolError and a refusal to the caller', async (t) => {
    const { gateway, log } = embedded(scopeOf(t), { gateway: { limits: { reply: '1KiB' } } })
    const throwing = (name: string, error: Error): void =>
      gateway.tool({ name }, () => {
        throw error
      })
    throwing('bug', new Error('SECRET of the database'))
    throwing('fault', new ToolError('there is no such organization'))
    throwing('refusal', new GatewayError('TOO_MANY', 'later'))
    gateway.tool({ name: 'huge' }, () => 'x'.repeat(2000))
    gateway.tool({ name: 'circle' }, () => {
      const circle: Record<string, unknown> = {}
      circle['self'] = circle
      return circle
    })
    gateway.tool({ name: 'shapeless', outputSchema: { type: 'object' } }, () => 'no object')
    const textOf = async (tool: string): Promise<unknown> => {
      const { isError, content } = await gateway.call({ tool })
      assert.equal(isError, true)
      return content[0]?.['text']
    }
    assert.equal(await textOf('bug'), 'bug failed; the reason is in the log of the gateway')
    assert.equal(await textOf('fault'), 'there is no such organization')
    assert.equal(await textOf('huge'), 'The answer of the tool is too large')
    assert.equal(await textOf('circle'), 'The answer of the tool is no JSON')
    assert.equal(await textOf('shapeless'), 'shapeless failed; the reason is in the log of the gateway')
    await assert.rejects(gateway.call({ tool: 'refusal' }), { code: 'TOO_MANY' })
    assert.deepEqual(
      log.entries.filter(({ level }) => level === 'error').map(({ fields }) => fields),
      [
        { tool: 'bug', reason: 'SECRET of the database' },
        { tool: 'shapeless', reason: 'it has an outputSchema, and returned no object' },
      ],
    )
  })
})

describe('arguments', () => {
  test('are checked before the handler runs, and get their defaults', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    const seen: unknown[] = []
    gateway.tool(
      {
        name: 'storage_list',
        schema: {
          path: { type: 'string', default: '/' },
          depth: { type: 'integer', minimum: 1, optional: true },
          order: { enum: ['name', 'size'], optional: true },
        },
      },
      (args) => void seen.push(args),
    )
    await gateway.call(own('storage_list'))
    await gateway.call(own('storage_list', { path: '/a', depth: 2, order: 'size' }))
    for (const args of [{ path: 1 }, { depth: 0 }, { order: 'date' }, { other: true }])
      await assert.rejects(gateway.call(own('storage_list', args)), (error) => {
        assert.ok(error instanceof GatewayError && error.code === 'INVALID_PARAMS')
        assert.match(error.message, new RegExp(Object.keys(args)[0] ?? ''))
        return true
      })
    assert.deepEqual(seen, [{ path: '/' }, { path: '/a', depth: 2, order: 'size' }])
  })

  test('may be described by a whole JSON Schema, which clients see as it is', async (t) => {
    const scope = scopeOf(t)
    const { gateway } = embedded(scope)
    const inputSchema = {
      type: 'object',
      properties: { sql: { type: 'string', maxLength: 5 } },
      required: ['sql'],
    } as const
    gateway.tool({ name: 'q', inputSchema, annotations: { readOnlyHint: true } }, ({ sql }) => String(sql))
    await assert.rejects(gateway.call(own('q', { sql: 'select 1' })), /sql: /)
    assert.deepEqual((await gateway.call(own('q', { sql: 'x', more: 1 }))).content, [
      { type: 'text', text: 'x' },
    ])
  })

  test('are no way to make a refusal long, or to hide anything in it', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    gateway.tool({ name: 'q', schema: {} }, () => '')
    const args = Object.fromEntries(
      Array.from({ length: 500 }, (_, n) => [`\u202e${n}${'x'.repeat(500)}`, n]),
    )
    await assert.rejects(gateway.call(own('q', args)), (error) => {
      assert.ok(error instanceof GatewayError)
      assert.ok(error.message.length < 2000)
      assert.ok(!error.message.includes('\u202e'))
      return true
    })
  })
})

describe('a tool that cannot be taken is refused, and why', () => {
  const refused: Readonly<Record<string, [Parameters<Gateway['tool']>[0], RegExp]>> = {
    'a name that clients cannot use': [{ name: 'a b' }, /letters, digits/],
    'a name that is too long': [{ name: 'a'.repeat(65) }, /1 to 64/],
    'a name that is taken': [{ name: 'taken' }, /taken already/],
    'both kinds of schema': [
      { name: 'q', schema: {}, inputSchema: { type: 'object' } } as never,
      /either schema or inputSchema/,
    ],
    'a schema that is not of an object': [
      { name: 'q', inputSchema: { type: 'string' } as never },
      /type object/,
    ],
    'a schema that would not be held': [
      { name: 'q', inputSchema: { type: 'object', if: {}, then: {} } },
      /cannot be checked/,
    ],
    'an endless description': [{ name: 'q', description: 'x'.repeat(20_000) }, /16384 characters/],
  }
  for (const [what, [definition, reason]] of Object.entries(refused))
    test(what, async (t) => {
      const { gateway } = embedded(scopeOf(t))
      gateway.tool({ name: 'taken' }, () => '')
      assert.throws(
        () => gateway.tool(definition as never, () => ''),
        (error) => error instanceof TypeError && reason.test(error.message),
      )
    })

  test('the thousand-and-first', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    for (let n = 0; n < 1000; n++) gateway.tool({ name: `t${n}` }, () => '')
    assert.throws(() => gateway.tool({ name: 'more' }, () => ''), /1000 tools already/)
  })
})

test('a tool has its name before a tool of a backend, which gets another', async (t) => {
  const scope = scopeOf(t)
  const backend = await modernServer(scope, { label: 'one' })
  const { gateway, log } = embedded(scope, { backends: { github: backend.url } })
  await gateway.ready()
  gateway.tool({ name: 'github_echo' }, () => 'mine')
  const warning = await log.until(({ message }) => message.includes('takes the name'))
  assert.deepEqual(warning.fields, { tool: 'github_echo', backend: 'github' })
  assert.deepEqual((await gateway.call({ tool: 'github_echo' })).content, [{ type: 'text', text: 'mine' }])
  const client = await clientOf(scope, gateway)
  const names = (await client.tools()).map(({ name }) => name)
  const other = names.find((name) => /^github_echo_[0-9a-f]{8}$/.test(name))
  assert.ok(other)
  assert.equal((await client.call(other)).text, 'one: {}')
  assert.equal(names.filter((name) => name === 'github_echo').length, 1)
})

test('a tool takes the place of a built-in one of the same name', async (t) => {
  const scope = scopeOf(t)
  const { gateway } = embedded(scope, { gateway: { tools: { health: true, metrics: false } } })
  const client = await clientOf(scope, gateway)
  assert.deepEqual(
    (await client.tools()).map(({ name }) => name),
    ['gateway_health'],
  )
  gateway.tool({ name: 'gateway_health' }, () => ({ all: { status: 'healthy' } }))
  assert.deepEqual(
    (await client.tools()).map(({ name }) => name),
    ['gateway_health'],
  )
  assert.equal((await client.call('gateway_health')).text, '{"all":{"status":"healthy"}}')
  assert.equal(gateway.removeTool('gateway_health'), true)
  assert.equal((await client.call('gateway_health')).text, '{}')
})

test('tools come and go while clients follow the list', async (t) => {
  const scope = scopeOf(t)
  const { gateway } = embedded(scope)
  const { url } = await gateway.listen({ port: 0 })
  await gateway.ready()
  const { messages } = await rawSubscription(scope, { url }, { filter: { toolsListChanged: true } })
  await messages.until(({ method }) => method?.includes('acknowledged') === true)
  const client = await connectClient('modern', { url })
  scope.after(async () => client.close())
  const isChange = ({ method }: { readonly method?: string }): boolean =>
    method === 'notifications/tools/list_changed'
  gateway.tool({ name: 'late' }, () => 'here')
  await messages.until(isChange)
  assert.deepEqual(
    (await client.tools()).map(({ name }) => name),
    ['late'],
  )
  gateway.removeTool('late')
  await eventually('it is told that the tool went', () => messages.count(isChange) === 2)
  const other = await connectClient('modern', { url })
  scope.after(async () => other.close())
  assert.deepEqual(await other.tools(), [])
  await assert.rejects(client.call('late'), /Unknown tool|UNKNOWN_TOOL/)
  assert.equal(gateway.removeTool('late'), false)
})

describe('a handler that calls on', () => {
  test('does so as its caller: with their rights, not with its own', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope, { label: 'one' })
    const { gateway } = embedded(scope, {
      backends: { b: backend.url },
      auth: { apiKeys: {} },
      authorization: { scopes: { all: ['gateway/relay', 'b_echo'], some: ['gateway/relay'] } },
    })
    const subjects: unknown[] = []
    gateway.tool({ name: 'relay' }, async (_, { call, principal }) => {
      subjects.push(principal.anonymous ? undefined : principal.subject)
      return call({ backend: 'b', tool: 'echo', arguments: { n: 1 } })
    })
    const call = async (...scopes: readonly string[]) =>
      gateway.call({ tool: 'relay', principal: { subject: 'ann', scopes } })
    assert.deepEqual((await call('all')).content, [{ type: 'text', text: 'one: {"n":1}' }])
    await assert.rejects(call('some'), { code: 'INSUFFICIENT_SCOPE' })
    await assert.rejects(call(), { code: 'INSUFFICIENT_SCOPE' })
    assert.deepEqual(subjects, ['ann', 'ann'])
  })

  test('counts for the limits of its caller, and shares their place', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, {
      backends: { b: backend.url },
      gateway: { bulkhead: { calls: 1, queue: 0 } },
      limits: [{ concurrency: 1 }, { rate: '4/1m' }],
    })
    gateway.tool({ name: 'relay' }, async (_, { call }) => call({ backend: 'b', tool: 'echo' }))
    const principal = { subject: 'ann' }
    await gateway.call({ tool: 'relay', principal })
    await gateway.call({ tool: 'relay', principal })
    await assert.rejects(gateway.call({ tool: 'relay', principal }), { code: 'RATE_LIMITED' })
    await gateway.call({ tool: 'relay', principal: { subject: 'bob' } })
  })

  test('keeps to limits that are for the backend alone', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, {
      backends: { b: backend.url },
      limits: [{ concurrency: 1, match: { backend: 'b' } }],
    })
    gateway.tool({ name: 'relay' }, async (_, { call }) => call({ backend: 'b', tool: 'echo' }))
    const waiting = gateway.call({ backend: 'b', tool: 'wait' })
    await backend.journal.until(({ kind }) => kind === 'call')
    await assert.rejects(gateway.call({ tool: 'relay' }), { code: 'RATE_LIMITED' })
    backend.release()
    await waiting
  })

  test('ends when its caller leaves', async (t) => {
    const scope = scopeOf(t)
    const backend = await modernServer(scope)
    const { gateway } = embedded(scope, { backends: { b: backend.url } })
    gateway.tool({ name: 'relay' }, async (_, { call }) => call({ backend: 'b', tool: 'wait' }))
    const leaving = new AbortController()
    const calling = gateway.call({ tool: 'relay', signal: leaving.signal })
    await backend.journal.until(({ kind }) => kind === 'call')
    leaving.abort()
    await assert.rejects(calling, { code: 'CANCELLED' })
    await backend.journal.until(({ kind }) => kind === 'cancelled')
  })

  test('does not call itself for ever', async (t) => {
    const { gateway } = embedded(scopeOf(t))
    let depth = 0
    gateway.tool({ name: 'again' }, async (_, { call }) => {
      depth++
      return call({ tool: 'again' })
    })
    await assert.rejects(gateway.call({ tool: 'again' }), { code: 'TOO_MANY' })
    assert.equal(depth, 9)
  })
})
