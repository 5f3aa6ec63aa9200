/** `gateway_metrics` as clients call it: the shape of the gateway pattern, and no more than the caller may see. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createKey, readKey, storedHash } from '../src/auth/api-key.ts'
import { GENERATIONS } from './language/client.ts'
import { type House, type HouseOptions, gateway } from './language/house.ts'
import { legacyServer, modernServer } from './language/http-backend.ts'
import type { RawOptions } from './language/raw.ts'
import { type Scope, scopeOf } from './language/scope.ts'
import type { Arguments } from './language/stage.ts'

async function house(scope: Scope, options: HouseOptions): Promise<House> {
  const tools = { health: false, metrics: true }
  const built = await gateway({ ...options, gateway: { tools, ...options.gateway } })
  scope.after(async () => built.close())
  return built
}

const told = async ({ raw }: House, options?: RawOptions): Promise<Arguments> => {
  const { response } = await raw.modern('tools/call', { name: 'gateway_metrics', arguments: {} }, options)
  const found = response.result?.['structuredContent'] ?? assert.fail(JSON.stringify(response.error))
  return found as Arguments
}

describe('gateway_metrics', () => {
  for (const generation of GENERATIONS) {
    test(`tells a client of the generation ${generation} what was called`, async (t) => {
      const github = await modernServer(scopeOf(t))
      const database = await legacyServer(scopeOf(t))
      const built = await house(scopeOf(t), { backends: { github, database } })
      const client = await built.client(generation)
      // Listed first: the SDK has the output schema then, and checks the answer against it.
      await client.tools()
      await client.call('github_echo')
      await client.call('github_echo')
      await client.call('database_fail')
      const { text, isError } = await client.call('gateway_metrics')
      assert.equal(isError, false)
      const { latency_ms: latency, ...rest } = JSON.parse(text) as Record<string, object>
      assert.deepEqual(rest, {
        total_requests: 3,
        by_tool: { 'github.echo': 2, 'database.fail': 1 },
        registered_backends: ['github', 'database'],
        total_errors: 0,
        errors: {},
        total_tool_errors: 1,
        tool_errors: { 'database.fail': 1 },
      })
      assert.deepEqual(Object.keys(latency ?? {}), ['github.echo', 'database.fail'])
      for (const one of Object.values(latency ?? {}) as Readonly<Record<string, number>>[]) {
        assert.deepEqual(Object.keys(one), ['mean', 'p50', 'p90', 'p99'])
        assert.ok((one['p50'] ?? 0) > 0 && (one['p99'] ?? 0) >= (one['p50'] ?? 0))
      }
    })
  }

  test('counts itself from its second call on, and errors of backends apart from those of tools', async (t) => {
    const good = await modernServer(scopeOf(t), { tools: [{ name: 'echo', does: 'echo' }] })
    const built = await house(scopeOf(t), { backends: { good } })
    await built.raw.modern('tools/call', { name: 'good_echo', arguments: {} })
    await good.stop()
    await built.raw.modern('tools/call', { name: 'good_echo', arguments: {} })
    await told(built)
    const { by_tool, total_requests, errors, total_errors } = await told(built)
    assert.deepEqual(by_tool, { 'good.echo': 2, 'gateway.metrics': 1 })
    assert.equal(total_requests, 3)
    assert.deepEqual(errors, { 'good.echo': 1 })
    assert.equal(total_errors, 1)
  })

  test('tells nobody of what they may not see, not even in its sums', async (t) => {
    const github = await modernServer(scopeOf(t))
    const database = await modernServer(scopeOf(t))
    const [narrow, wide] = ['narrow', 'wide'].map((name) => {
      const key = createKey()
      const parts = readKey(key) ?? assert.fail()
      return {
        entry: { name, hash: storedHash(parts), groups: [name] },
        headers: { authorization: `Bearer ${key}` },
      }
    })
    const built = await house(scopeOf(t), {
      backends: { github, database },
      auth: { apiKeys: { keys: [narrow?.entry, wide?.entry] } },
      more: {
        authorization: {
          rules: [
            { effect: 'allow', tools: ['gateway_metrics', 'github_echo'], groups: 'narrow' },
            { effect: 'allow', tools: '*/*', groups: 'wide' },
          ],
        },
      },
    })
    for (const name of ['github_echo', 'github_fail', 'database_echo'])
      await built.raw.modern('tools/call', { name, arguments: {} }, { headers: wide?.headers ?? {} })
    // What was refused is no call, whoever asked for it.
    await built.raw.modern(
      'tools/call',
      { name: 'database_echo', arguments: {} },
      { headers: narrow?.headers ?? {} },
    )
    const little = await told(built, { headers: narrow?.headers ?? {} })
    assert.deepEqual(little['by_tool'], { 'github.echo': 1 })
    assert.equal(little['total_requests'], 1)
    assert.equal(little['total_tool_errors'], 0)
    assert.deepEqual(little['registered_backends'], ['github'])
    assert.deepEqual(Object.keys(little['latency_ms'] ?? {}), ['github.echo'])
    const all = await told(built, { headers: wide?.headers ?? {} })
    assert.deepEqual(all['by_tool'], {
      'github.echo': 1,
      'github.fail': 1,
      'database.echo': 1,
      'gateway.metrics': 1,
    })
    const { response } = await built.raw.modern('tools/call', { name: 'gateway_metrics', arguments: {} })
    assert.equal(response.error?.data?.['code'], 'UNAUTHENTICATED')
  })

  test('is not there where the configuration says so, or nothing is measured', async (t) => {
    const good = await modernServer(scopeOf(t))
    const hidden = await house(scopeOf(t), {
      backends: { good },
      gateway: { tools: { health: false, metrics: false } },
    })
    const blind = await house(scopeOf(t), { backends: { good }, more: { telemetry: { metrics: 'off' } } })
    for (const { raw, gateway: built } of [hidden, blind]) {
      const { response } = await raw.modern('tools/call', { name: 'gateway_metrics', arguments: {} })
      assert.equal(response.error?.data?.['code'], 'UNKNOWN_TOOL')
      assert.equal(built.metrics === undefined, built === blind.gateway)
    }
  })
})
