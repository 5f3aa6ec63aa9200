// The TypeScript program of the gateway pattern, as its reader runs it: examples/embedded in front of real servers.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { startServer, stopChild } from '../../examples/quickstart/children.ts'
import { createData } from '../../examples/quickstart/data.ts'
import { connectClient } from '../language/client.ts'
import { type Scope, scopeOf } from '../language/scope.ts'

const examples = join(import.meta.dirname, '..', '..', 'examples')

/** A server of the quickstart; yields its URL. */
async function quickstartServer(scope: Scope, name: string, data: string): Promise<string> {
  const program = join(examples, 'quickstart', 'servers', `${name}.ts`)
  const server = await startServer({ program, data, ports: [0] }, new AbortController().signal)
  scope.after(async () => stopChild(server.process, 3000))
  return `http://127.0.0.1:${server.port}/mcp`
}

for (const generation of ['modern', 'v1'] as const) {
  test(`the embedded example serves a ${generation} client`, { timeout: 90_000 }, async (t) => {
    const scope = scopeOf(t)
    const folder = await mkdtemp(join(tmpdir(), 'toolgate-embedded-'))
    scope.after(async () => rm(folder, { recursive: true, force: true }))
    const data = await createData(join(folder, 'data'))
    const program = spawn(process.execPath, [join(examples, 'embedded', 'main.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        PORT: '0',
        GITHUB_URL: await quickstartServer(scope, 'github', data.github),
        DATABASE_URL: await quickstartServer(scope, 'database', data.database),
        STORAGE_DIR: data.storage,
      },
    })
    scope.after(async () => stopChild(program, 3000))
    const ended = once(program, 'exit')
    const [line] = (await once(createInterface({ input: program.stdout }), 'line')) as [string]
    const url = /^Connect to (\S+)$/.exec(line)?.[1]
    assert.ok(url, line)

    const client = await connectClient(generation, { url })
    scope.after(async () => client.close())
    assert.deepEqual((await client.tools()).map(({ name }) => name).toSorted(), [
      'database_query',
      'gateway_health',
      'gateway_metrics',
      'github_list_repos',
      'storage_list',
    ])
    assert.match((await client.call('github_list_repos', { org: 'acme' })).text, /acme\/storefront/)
    assert.match((await client.call('database_query', { sql: 'select 2 as two' })).text, /two/)
    assert.match((await client.call('storage_list')).text, /welcome\.md/)
    await assert.rejects(client.call('github_list_repos', { organisation: 'acme' }), /org: /)
    await assert.rejects(client.call('github_search_code', {}), /Unknown tool|UNKNOWN_TOOL/)
    const { tools, ...metrics } = JSON.parse((await client.call('gateway_metrics')).text) as {
      readonly tools: readonly object[]
    }
    assert.equal(tools.length, 3)
    assert.deepEqual(metrics, {
      totalRequests: 3,
      byTool: { 'github.list_repos': 1, 'database.query': 1, 'storage.list_directory': 1 },
      registeredBackends: ['github', 'database', 'storage'],
    })
    const health = JSON.parse((await client.call('gateway_health')).text) as Record<
      string,
      { status: string }
    >
    assert.deepEqual(
      Object.entries(health).map(([name, { status }]) => [name, status]),
      [
        ['github', 'healthy'],
        ['database', 'healthy'],
        ['storage', 'healthy'],
      ],
    )
    program.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })
}
