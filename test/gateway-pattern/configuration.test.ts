// How the gateway pattern is configured, and when it is used: environments, health, versions.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { modernServer } from '../language/http-backend.ts'
import { eventually } from '../language/journal.ts'
import { front } from '../language/front.ts'
import { answering, restServer } from '../language/rest-server.ts'
import { type Scope, scopeOf } from '../language/scope.ts'
import { saved, serve } from './page.ts'
import { TOOLS, callsOf, database, github, servers } from './servers.ts'

describe('Configuration', () => {
  test('is one file with a JSON Schema, and says of each value where it comes from', async (t) => {
    const { run, file } = await saved(scopeOf(t), 'environments')
    const { stdout } = await run('schema')
    const { properties } = JSON.parse(stdout) as { readonly properties: Readonly<Record<string, unknown>> }
    for (const section of ['gateway', 'backends', 'auth', 'limits', 'environments'])
      assert.ok(section in properties, section)
    const told = await run('check', file, '--env', 'staging', '--explain', 'backends.github.url')
    assert.match(
      told.stdout,
      /^backends\.github\.url: https:\/\/mcp-github\.staging\.internal\n +\S*toolgate\.yaml:6:13, environment staging/,
    )
  })
})

/** The servers of an environment: each has a tool that says where it is. */
async function serversOf(scope: Scope, environment: string) {
  const tools = [{ name: `in_${environment}`, does: 'echo' } as const]
  const [one, two] = [await github(scope, { tools }), await database(scope, { tools })]
  return { github: one.url, database: two.url }
}

describe('Environment-based Routing', () => {
  test('each environment has its own servers behind the same names; development is what nobody chose', async (t) => {
    const scope = scopeOf(t)
    const [production, staging, development] = await Promise.all(
      ['production', 'staging', 'development'].map(async (name) => serversOf(scope, name)),
    )
    const addresses = {
      'https://mcp-github.prod.internal': production?.github ?? '',
      'https://mcp-database.prod.internal': production?.database ?? '',
      'https://mcp-github.staging.internal': staging?.github ?? '',
      'https://mcp-database.staging.internal': staging?.database ?? '',
      'http://localhost:8001': development?.github ?? '',
      'http://localhost:8002': development?.database ?? '',
    }
    const chosen = [
      ['production', { ENVIRONMENT: 'production' }],
      ['staging', { ENVIRONMENT: 'staging' }],
      ['development', {}],
    ] as const
    for (const [name, env] of chosen) {
      const { client, tools, serving } = await serve(scope, 'environments', { addresses, env })
      const one = await client()
      assert.deepEqual(await tools(one), [`database_in_${name}`, `github_in_${name}`])
      assert.equal((await one.call(`github_in_${name}`, { org: 'acme' })).text, 'github: {"org":"acme"}')
      await one.close()
      serving.kill('SIGTERM')
      assert.equal((await serving.exit).code, 0)
    }
    const { run, file } = await saved(scope, 'environments', { addresses, env: { ENVIRONMENT: 'prod' } })
    const refused = await run('serve', file)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /known are production, staging, development/)
  })
})

describe('Health Checks', () => {
  test('gateway_health says who is healthy, unhealthy and unreachable, how fast they are, and why not', async (t) => {
    const scope = scopeOf(t)
    const { addresses, ...all } = await servers(scope)
    // What stands in front of it knows no sessions.
    const second = await modernServer(scope, { label: 'database', tools: TOOLS.database })
    /** The server with a `/health` that answers so. */
    const withHealth = async (url: string, status: number): Promise<string> =>
      front(scope, url, ({ request, response }) => {
        if (request.url !== '/health') return false
        response.writeHead(status).end()
        return true
      })
    await all.storage.stop()
    const there = await serve(scope, 'health', {
      addresses: {
        ...addresses,
        'http://localhost:8001/mcp': await withHealth(all.github.url, 200),
        'http://localhost:8002/mcp': await withHealth(second.url, 503),
      },
    })
    // The tool has a limit like any other; operators may ask as often as they like.
    const status = async (): Promise<string> => (await there.run('status')).stdout
    await eventually('all of them have been asked', async () => {
      const shown = await status()
      return /^github +healthy +\d/m.test(shown) && /^database +unhealthy /m.test(shown)
    })
    assert.match(await status(), /^storage +unreachable /m)
    const client = await there.client()
    type Told = Readonly<Record<string, { status: string; latency_ms?: number; error?: string }>>
    const told = JSON.parse((await client.call('gateway_health')).text) as Told
    assert.deepEqual(Object.keys(told), ['github', 'database', 'storage'])
    assert.equal(told['github']?.status, 'healthy')
    assert.ok((told['github'].latency_ms ?? -1) > 0)
    assert.equal(told['github'].error, undefined)
    assert.equal(told['database']?.error, 'answered HTTP 503')
    assert.deepEqual(told['storage'], { status: 'unreachable', error: 'connection refused' })
  })
})

describe('When to Use', () => {
  test('a dead server affects nobody else, and comes back by itself', async (t) => {
    const scope = scopeOf(t)
    const { addresses, ...all } = await servers(scope)
    const { client } = await serve(scope, 'intent', { addresses })
    const one = await client()
    await all.github.stop()
    await assert.rejects(one.call('github_list_repos', { org: 'acme' }))
    assert.equal((await one.call('database_query', { sql: 'SELECT 1' })).isError, false)
    await all.github.start()
    await eventually('it is back', async () =>
      one.call('github_list_repos', { org: 'acme' }).then(
        () => true,
        () => false,
      ),
    )
  })

  test('versions stand side by side, and weights send a part of the calls to the next one', async (t) => {
    const scope = scopeOf(t)
    const [now, next] = [await github(scope, { label: 'now' }), await github(scope, { label: 'next' })]
    const there = await serve(scope, 'versions', {
      addresses: { 'http://localhost:8001/mcp': now.url, 'http://localhost:8011/mcp': next.url },
    })
    const client = await there.client()
    for (let n = 0; n < 300; n++) await client.call('github_list_repos', { org: String(n) })
    const few = callsOf(next).length
    assert.equal(callsOf(now).length + few, 300)
    // A tenth is 30. By chance it fails less often than once in 10^12 runs.
    assert.ok(few > 0 && few < 75, `${few} of 300`)
    assert.equal((await client.call('github-next_list_repos', { org: 'acme' })).text, 'next: {"org":"acme"}')
  })
})

describe('Related Patterns', () => {
  test('a service becomes tools, what fails is left alone, and two slow calls are all that one server gets', async (t) => {
    const scope = scopeOf(t)
    const crm = await restServer(scope, answering({ create_ticket: { body: '{"ticket":7}' } }))
    const { addresses, ...all } = await servers(scope)
    const there = await serve(scope, 'related', {
      addresses: {
        'http://localhost:8004': crm.url,
        'http://localhost:8001/mcp': addresses['http://localhost:8001/mcp'],
        'http://localhost:8002/mcp': addresses['http://localhost:8002/mcp'],
      },
    })
    const { raw } = there.serving
    const call = async (name: string) => raw.modern('tools/call', { name, arguments: {} })
    const codeOf = async (name: string): Promise<unknown> => (await call(name)).response.error?.data?.['code']

    // Adapter.
    const { response } = await call('legacy-crm_create_ticket')
    assert.deepEqual(response.result?.['structuredContent'], { ticket: 7 })

    // Circuit Breaker.
    await call('github_list_repos')
    await all.github.stop()
    await eventually(
      'the circuit is open',
      async () => (await codeOf('github_list_repos')) === 'CIRCUIT_OPEN',
    )
    const open = await call('github_list_repos')
    assert.equal(open.status, 503)
    assert.ok(Number(open.headers.get('retry-after')) > 0)
    assert.equal((await call('legacy-crm_create_ticket')).status, 200)

    // Bulkhead.
    await all.database.setTools([{ name: 'query', does: 'wait' }])
    const slow = [call('database_query'), call('database_query')]
    await eventually('two are under way', () => callsOf(all.database).length === 2)
    const third = await call('database_query')
    assert.equal(third.status, 503)
    assert.equal(third.response.error?.data?.['code'], 'TOO_MANY')
    assert.equal((await call('legacy-crm_create_ticket')).status, 200)
    all.database.release()
    for (const one of slow) assert.equal((await one).status, 200)
    assert.equal(callsOf(all.database).length, 2)
  })
})
