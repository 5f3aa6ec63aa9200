// The programs of the gateway pattern: what their readers expect of them, of a gateway that is configured or embedded.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { parseConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { createGateway } from '../../src/index.ts'
import { run } from '../cli/fake-io.ts'
import { connectClient } from '../language/client.ts'
import { answering, restServer } from '../language/rest-server.ts'
import { scopeOf } from '../language/scope.ts'
import { configurationNames, example, pageCommands, saved, serve, served } from './page.ts'
import { callsOf, servers } from './servers.ts'

/** Tools of the programs, and what each makes of its server. */
const PROXIED = [
  ['github_list_repos', { org: 'acme' }, 'github', 'list_repos'],
  ['github_search_code', { query: 'TODO', repo: 'acme/shop' }, 'github', 'search_code'],
  ['database_query', { sql: 'SELECT 1' }, 'database', 'query'],
  ['storage_list', { path: '/' }, 'storage', 'list'],
] as const

describe('Implementation', () => {
  test('every example is valid, without a warning', async () => {
    const env = { GITHUB_TOKEN: 't', SIGNING_SECRET: 's'.repeat(32) }
    assert.ok(configurationNames.length > 10)
    for (const name of configurationNames) {
      const result = parseConfig({ name: 'toolgate.yaml', text: example(name), dir: '/' }, env)
      assert.ok(result.ok, `${name}: ${JSON.stringify(result)}`)
      assert.deepEqual([...result.warnings, ...result.elsewhere].map(formatProblem), [], name)
    }
  })

  test('check says what is wrong all at once and where it stands', async (t) => {
    const { file, run: toolgate } = await saved(scopeOf(t), 'intent')
    assert.equal((await toolgate('check', file)).code, 0)
    await writeFile(
      file,
      'backends:\n  github: { url: localhost, timeout: 30 }\n  data base: http://localhost:8002\n',
    )
    const { code, stderr } = await toolgate('check', file)
    assert.equal(code, 1)
    for (const place of ['2:18', '2:38', '3:3'])
      assert.ok(stderr.includes(`toolgate.yaml:${place}: `), stderr)
  })

  test('every command of the page is there, with its options', async () => {
    assert.ok(pageCommands.length > 5)
    const words = Map.groupBy(pageCommands, (command) => /^keys \w+|^\w+/.exec(command)?.[0] ?? '')
    for (const [command, uses] of words) {
      const { code, stdout } = await run({ cwd: '/' }, ...command.split(' '), '--help')
      assert.equal(code, 0, command)
      assert.ok(stdout.includes(`toolgate ${command}`), stdout)
      for (const [option] of uses.join(' ').matchAll(/--[\w-]+/g)) assert.ok(stdout.includes(option), option)
    }
  })
})

describe('Python', () => {
  test('the tools of the program are there, and call the server that they are named after', async (t) => {
    const scope = scopeOf(t)
    const { addresses, ...all } = await servers(scope)
    const there = await serve(scope, 'python', { addresses })
    const client = await there.client()
    const names = (await client.tools()).map(({ name }) => name)
    for (const name of [...PROXIED.map(([name]) => name), 'gateway_metrics', 'gateway_health'])
      assert.ok(names.includes(name), name)
    for (const [name, args, server, tool] of PROXIED) {
      assert.equal((await client.call(name, args)).text, `${server}: ${JSON.stringify(args)}`)
      assert.deepEqual(callsOf(all[server]).at(-1), [tool, args])
    }
    const { total_requests, by_tool, registered_backends } = JSON.parse(
      (await client.call('gateway_metrics')).text,
    ) as Record<string, unknown>
    assert.deepEqual(
      { total_requests, by_tool, registered_backends },
      {
        total_requests: 4,
        by_tool: {
          'github.list_repos': 1,
          'github.search_code': 1,
          'database.query': 1,
          'storage.list': 1,
        },
        registered_backends: ['github', 'database', 'storage'],
      },
    )
  })

  test('a client has 60 calls per minute, whoever says nothing of themselves is anonymous, and 30 s is the timeout', async (t) => {
    const scope = scopeOf(t)
    const { addresses, ...all } = await servers(scope)
    const what = await saved(scope, 'python', { addresses })
    const alice = await what.key('alice')
    const there = await served(scope, what)
    const call = async (headers: Record<string, string> = {}) =>
      there.serving.raw.modern(
        'tools/call',
        { name: 'github_list_repos', arguments: { org: 'acme' } },
        { headers },
      )
    for (let n = 0; n < 60; n++) assert.equal((await call()).status, 200)
    const { status, headers, response } = await call()
    assert.equal(status, 429)
    assert.equal(response.error?.data?.['code'], 'RATE_LIMITED')
    assert.match(
      response.error.message,
      /^Limit requests is reached: 60 per 60 s for each principal; try again in \d+ s$/,
    )
    assert.ok(Number(headers.get('retry-after')) <= 60)
    assert.equal(callsOf(all.github).length, 60)
    // The sketch counts by a name that callers give themselves; a key cannot be made up.
    assert.equal((await call({ 'x-client-id': 'somebody-else' })).status, 429)
    assert.equal((await call(alice)).status, 200)

    const checked = JSON.parse((await there.run('check', there.file, '--json')).stdout) as {
      readonly backends: readonly { readonly name: string; readonly timeout: unknown }[]
    }
    assert.deepEqual(
      checked.backends.map(({ name }) => name),
      ['github', 'database', 'storage'],
    )
    for (const name of ['github', 'database', 'storage']) {
      const { stdout } = await there.run('check', there.file, '--explain', `backends.${name}.timeout`)
      assert.match(stdout, /30s/)
    }
  })

  test('without a number in the file, limit and timeout are the same', async (t) => {
    const { file, run: toolgate } = await saved(scopeOf(t), 'intent')
    const { stdout } = await toolgate('check', file, '--json')
    const { limits, backends } = JSON.parse(stdout) as {
      readonly limits: readonly { readonly rate: unknown }[]
      readonly backends: readonly { readonly timeoutMs: unknown }[]
    }
    assert.match(JSON.stringify(limits), /60/)
    assert.match(JSON.stringify(backends), /30000/)
  })

  test('an unknown backend is told by its name', async (t) => {
    const scope = scopeOf(t)
    const { addresses } = await servers(scope)
    const { serving } = await serve(scope, 'python', { addresses })
    const params = { name: 'list', arguments: {} }
    const { status, response } = await serving.raw.modern('tools/call', params, { route: 'x' })
    assert.equal(status, 404)
    assert.match(response.error?.message ?? '', /^Unknown backend: x\./)
    const unknown = await serving.raw.modern('tools/call', { name: 'x_list', arguments: {} })
    assert.equal(unknown.response.error?.data?.['code'], 'UNKNOWN_TOOL')
  })

  test('a server without MCP gets POST {url}/tools/{tool} with the arguments as JSON', async (t) => {
    const scope = scopeOf(t)
    const tools = answering({
      list_repos: { body: '[{"name":"shop"}]' },
      search_code: { body: '[]' },
      query: ({ body }) => ({ body: `[${body}]` }),
    })
    const one = await restServer(scope, tools)
    const two = await restServer(scope, (seen) =>
      seen.path === '/tools'
        ? { body: '[{"name":"query","description":"Execute a database query."}]' }
        : tools(seen),
    )
    const addresses = { 'http://localhost:8001': one.url, 'http://localhost:8002': two.url }
    const there = await serve(scope, 'python-rest', { addresses })
    const client = await there.client()
    assert.deepEqual(await there.tools(client), ['database_query', 'github_list_repos', 'github_search_code'])
    const listed = await client.tools()
    assert.equal(
      listed.find(({ name }) => name === 'github_list_repos')?.description,
      'List repositories from GitHub.',
    )
    assert.equal((await client.call('github_list_repos', { org: 'acme' })).text, '[{"name":"shop"}]')
    assert.equal((await client.call('database_query', { sql: 'SELECT 1' })).text, '[{"sql":"SELECT 1"}]')
    assert.deepEqual(
      [...one.calls(), ...two.calls()].map(({ method, path, headers, body }) => [
        method,
        path,
        headers['content-type'],
        JSON.parse(body) as unknown,
      ]),
      [
        ['POST', '/tools/list_repos', 'application/json', { org: 'acme' }],
        ['POST', '/tools/query', 'application/json', { sql: 'SELECT 1' }],
      ],
    )
  })
})

describe('TypeScript', () => {
  test('the program serves the tools of its backends and one of its own, and ends when it is asked to', async (t) => {
    const scope = scopeOf(t)
    const { addresses, ...all } = await servers(scope)
    const { folder } = await saved(scope, 'intent')
    const program = join(folder, 'program.ts')
    const source = example('typescript', addresses)
      .replace("'toolgate'", `'${new URL('../../src/index.ts', import.meta.url).href}'`)
      // The port is an address too.
      .replace('gateway.listen()', 'gateway.listen({ port: 0 })')
    await writeFile(program, source)
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    scope.after(async () => {
      child.kill('SIGKILL')
      await ended
    })
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    const url = /^Connect to (\S+)$/.exec(line)?.[1] ?? assert.fail(line)
    const client = await connectClient('auto', { url })
    const names = (await client.tools()).map(({ name }) => name)
    for (const name of [...PROXIED.map(([name]) => name), 'count_repos', 'gateway_metrics'])
      assert.ok(names.includes(name), name)
    for (const [name, args, server, tool] of PROXIED) {
      assert.equal((await client.call(name, args)).text, `${server}: ${JSON.stringify(args)}`)
      assert.deepEqual(callsOf(all[server]).at(-1), [tool, args])
    }
    assert.equal((await client.call('count_repos', { org: 'acme' })).text, '{"repositories":1}')
    assert.deepEqual(callsOf(all.github).at(-1), ['list_repos', { org: 'acme' }])
    await client.close()
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [0, null])
  })

  test('call is proxyRequest: 60 a minute for each client, an error for an unknown backend, and metrics', async (t) => {
    const scope = scopeOf(t)
    const { github, database } = await servers(scope)
    const gateway = createGateway({ gateway: { name: 'mcp-gateway' }, limits: [{ rate: '60/1m' }] })
    scope.after(async () => gateway.close())
    gateway.registerBackend({ name: 'github', url: github.url })
    gateway.registerBackend({ name: 'database', url: database.url })
    const proxied = { backend: 'github', tool: 'list_repos', arguments: { org: 'acme' } }
    for (let n = 0; n < 60; n++) await gateway.call({ ...proxied, client: 'one' })
    await assert.rejects(gateway.call({ ...proxied, client: 'one' }), { code: 'RATE_LIMITED' })
    const { content } = await gateway.call({ ...proxied, client: 'another' })
    assert.deepEqual(content, [{ type: 'text', text: 'github: {"org":"acme"}' }])
    await gateway.call({ backend: 'database', tool: 'query', arguments: { sql: 'SELECT 1' } })
    await assert.rejects(gateway.call({ ...proxied, backend: 'x', client: 'another' }), {
      code: 'UNKNOWN_BACKEND',
      message: /^Unknown backend: x/,
    })
    const { totalRequests, byTool, registeredBackends } = gateway.metrics()
    assert.equal(totalRequests, 62)
    assert.deepEqual(byTool, { 'github.list_repos': 61, 'database.query': 1 })
    assert.deepEqual(registeredBackends, ['github', 'database'])
    assert.equal(callsOf(github).length, 61)
  })
})
