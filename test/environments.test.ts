// One file, three environments: the example, started once for each of them in front of real servers.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { suite, test } from 'node:test'
import { legacyServer, modernServer } from './language/http-backend.ts'
import { type Site, gatewayProcess, site, toolgate } from './language/process.ts'
import type { Scope } from './language/scope.ts'

const EXAMPLE = fileURLToPath(new URL('../examples/environments/toolgate.yaml', import.meta.url))

/** The servers of one environment, each with a tool that only it has. */
async function serversOf(scope: Scope, environment: string): Promise<Record<string, string>> {
  const tool = { name: `in_${environment}`, does: 'echo' } as const
  const github = await modernServer(scope, { label: `${environment} github`, tools: [tool] })
  const database = await legacyServer(scope, { label: `${environment} database`, tools: [tool] })
  return { GITHUB_URL: github.url, DATABASE_URL: database.url }
}

/** The example with a state folder of its own, and no variable of ours that would choose for it. */
async function example(scope: Scope, env: Record<string, string>): Promise<Site> {
  const { env: inherited } = await site(scope, { backends: {} })
  const { TOOLGATE_ENV: _, ENVIRONMENT: __, ...rest } = inherited
  return { file: EXAMPLE, env: { ...rest, TOOLGATE_PORT: '0', ...env } }
}

suite('the seed’s environments, one after the other from one file', () => {
  const ways = {
    production: { args: ['--env', 'production'], env: { ENVIRONMENT: 'staging' } },
    staging: { args: [], env: { ENVIRONMENT: 'staging' } },
    development: { args: [], env: {} },
  }
  for (const [environment, { args, env }] of Object.entries(ways)) {
    test(`${environment} lists and calls its own backends`, async (t) => {
      const servers = await serversOf(t, environment)
      const where = await example(t, { ...servers, ...env })
      await using serving = await gatewayProcess({ ...where, args })
      await using client = await serving.client('modern')
      const tools = await client.tools()
      assert.deepEqual(
        tools
          .map(({ name }) => name)
          .filter((name) => !name.startsWith('gateway_'))
          .toSorted(),
        [`database_in_${environment}`, `github_in_${environment}`],
      )
      for (const backend of ['github', 'database']) {
        const { text } = await client.call(`${backend}_in_${environment}`, { org: 'acme' })
        assert.match(text, new RegExp(`^${environment} ${backend}: `))
      }
      assert.match(serving.stdout.entries.join('\n'), new RegExp(`environment ${environment}`))
    })
  }
})

test('without servers of somebody’s own, each environment of the example has the URLs of the seed', async (t) => {
  const where = await example(t, {})
  for (const [environment, urls] of [
    ['production', ['https://mcp-github.prod.internal', 'https://mcp-database.prod.internal']],
    ['staging', ['https://mcp-github.staging.internal', 'https://mcp-database.staging.internal']],
    ['development', ['http://localhost:8001', 'http://localhost:8002']],
  ] as const) {
    const { code, stdout } = await toolgate(where, 'check', EXAMPLE, '--env', environment, '--json')
    assert.equal(code, 0, stdout)
    const report = JSON.parse(stdout) as {
      readonly environment: string
      readonly backends: readonly { readonly name: string; readonly url: string }[]
    }
    assert.equal(report.environment, environment)
    const expected = urls.map((url, index) => ({ name: ['github', 'database'][index], url: `${url}/` }))
    assert.deepEqual(
      report.backends.map(({ name, url }) => ({ name, url })),
      expected,
    )
  }
  const all = await toolgate(where, 'check', EXAMPLE)
  assert.match(all.stdout, /is valid\n/)
})

test('an environment that is not there is refused with those that are', async (t) => {
  const where = await example(t, { TOOLGATE_ENV: 'prodution', ENVIRONMENT: 'staging' })
  const { code, stderr } = await toolgate(where, 'serve', EXAMPLE)
  assert.equal(code, 1)
  assert.match(
    stderr,
    /there is no environment prodution \(of TOOLGATE_ENV\); known are production, staging, development; did you mean production\?/,
  )
})
