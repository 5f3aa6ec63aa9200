// The quickstart's two HTTP servers, each as a process, called by the official client of its own generation.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { Client as ModernClient, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { z } from 'zod'
import { startServer, stopChild } from '../examples/quickstart/children.ts'
import type { RunningServer } from '../examples/quickstart/children.ts'
import { createData } from '../examples/quickstart/data.ts'
import type { Data } from '../examples/quickstart/data.ts'
import { nextSteps } from '../examples/quickstart/next-steps.ts'

const example = join(import.meta.dirname, '..', 'examples', 'quickstart')
const clientInfo = { name: 'quickstart-test', version: '1.0.0' }
const never = new AbortController().signal

let folder: string
let data: Data

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'toolgate-quickstart-'))
  data = await createData(join(folder, 'data'))
})

after(async () => rm(folder, { recursive: true, force: true }))

const start = async (name: 'github' | 'database', path: string): Promise<RunningServer> =>
  startServer({ program: join(example, 'servers', `${name}.ts`), data: path, ports: [0] }, never)

const urlOf = (server: RunningServer): URL => new URL(`http://127.0.0.1:${server.port}/mcp`)

/** What a test looks at in a tool's result. */
const ToolResult = z.object({
  content: z.tuple([z.object({ type: z.literal('text'), text: z.string() })]),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  isError: z.boolean().optional(),
})

type Call = (name: string, args: Record<string, unknown>) => Promise<z.infer<typeof ToolResult>>

/** Asserts that a call ended with a tool error, and returns its message. */
const errorOf = (result: z.infer<typeof ToolResult>): string => {
  assert.equal(result.isError, true, JSON.stringify(result))
  return result.content[0].text
}

suite('data', () => {
  test('every repository is a git repository on main', async () => {
    const head = await readFile(join(data.github, 'acme', 'storefront', '.git', 'HEAD'), 'utf8')
    assert.equal(head, 'ref: refs/heads/main\n')
    assert.ok((await readdir(join(data.github, 'globex', 'firmware', '.git'))).includes('objects'))
  })

  test('a second start leaves what exists alone and no scratch folder behind', async () => {
    await writeFile(join(data.storage, 'mine.txt'), 'kept')
    assert.deepEqual(await createData(join(folder, 'data')), data)
    assert.equal(await readFile(join(data.storage, 'mine.txt'), 'utf8'), 'kept')
    const names = await readdir(join(folder, 'data'))
    assert.deepEqual(names.toSorted(), ['github', 'shop.sqlite', 'storage'])
  })

  test('without a git command the repositories are git repositories all the same', async (t) => {
    const path = process.env['PATH']
    t.after(() => {
      process.env['PATH'] = path
    })
    process.env['PATH'] = join(folder, 'nothing-here')
    const { github } = await createData(join(folder, 'without-git'))
    assert.deepEqual((await readdir(join(github, 'acme', 'inventory', '.git'))).toSorted(), [
      'HEAD',
      'objects',
      'refs',
    ])
  })
})

suite('github: modern, Streamable HTTP', () => {
  let server: RunningServer
  let client: ModernClient
  const call: Call = async (name, args) => ToolResult.parse(await client.callTool({ name, arguments: args }))

  before(async () => {
    // Things outside the folder that nothing may reach, and things inside that must not be searched.
    await mkdir(join(folder, 'secret', '.git'), { recursive: true })
    await writeFile(join(folder, 'secret', '.git', 'HEAD'), 'ref: refs/heads/main\n')
    await writeFile(join(folder, 'secret', 'key.txt'), 'TODO: never show this\n')
    await symlink(join(folder, 'secret'), join(data.github, 'acme', 'linked'))
    await symlink(join(folder, 'secret', 'key.txt'), join(data.github, 'acme', 'handbook', 'key.txt'))
    await mkdir(join(data.github, 'acme', 'not-a-repository'))
    await writeFile(join(data.github, 'acme', 'handbook', 'image.bin'), 'TODO\0')
    await writeFile(join(data.github, 'globex', 'firmware', 'many.txt'), 'needle\n'.repeat(60))
    server = await start('github', data.github)
    client = new ModernClient(clientInfo, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
    await client.connect(new StreamableHTTPClientTransport(urlOf(server)))
  })

  after(async () => {
    await client.close()
    await stopChild(server.process, 2_000)
  })

  test('lists its two tools, with output schemas', async () => {
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map((tool) => [tool.name, tool.inputSchema.required, tool.outputSchema?.['type']]),
      [
        ['list_repos', ['org'], 'object'],
        ['search_code', ['query', 'repo'], 'object'],
      ],
    )
  })

  test('list_repos lists the git repositories of an organisation and nothing else', async () => {
    const result = await call('list_repos', { org: 'acme' })
    const { repos } = z.object({ repos: z.array(z.unknown()) }).parse(result.structuredContent)
    assert.deepEqual(
      repos.map((repo) => z.object({ name: z.string() }).parse(repo).name),
      ['handbook', 'inventory', 'storefront'],
    )
    assert.deepEqual(repos[2], {
      name: 'storefront',
      full_name: 'acme/storefront',
      description: 'The web shop of Acme: catalogue, basket and checkout.',
      default_branch: 'main',
    })
    assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent)
  })

  test('search_code finds lines, ignoring case, links, binaries and .git', async () => {
    const found = await call('search_code', { repo: 'acme/inventory', query: 'todo' })
    assert.deepEqual(found.structuredContent, {
      matches: [{ path: 'stock.go', line: 5, text: '// Stock is what a warehouse holds. TODO: persist it.' }],
      truncated: false,
    })
    const handbook = await call('search_code', { repo: 'acme/handbook', query: 'todo' })
    assert.deepEqual(handbook.structuredContent, {
      matches: [{ path: 'README.md', line: 7, text: '- TODO: write down how on-call is handed over.' }],
      truncated: false,
    })
    const none = await call('search_code', { repo: 'acme/inventory', query: 'refs/heads' })
    assert.deepEqual(none.structuredContent, { matches: [], truncated: false })
  })

  test('search_code takes the query literally, whatever it looks like', async () => {
    for (const query of ['--help', '-e', '.*', '$(id)', '(a+)+$']) {
      const result = await call('search_code', { repo: 'acme/inventory', query })
      assert.deepEqual(result.structuredContent, { matches: [], truncated: false }, query)
    }
  })

  test('search_code stops at 50 matches and says so', async () => {
    const result = await call('search_code', { repo: 'globex/firmware', query: 'needle' })
    const { matches, truncated } = z
      .object({ matches: z.array(z.unknown()), truncated: z.boolean() })
      .parse(result.structuredContent)
    assert.deepEqual([matches.length, truncated], [50, true])
  })

  test('an unknown name is a tool error that says what exists', async () => {
    assert.equal(
      errorOf(await call('list_repos', { org: 'initech' })),
      'Unknown organisation: "initech". Known: acme, globex.',
    )
    assert.equal(
      errorOf(await call('search_code', { repo: 'acme/shop', query: 'x' })),
      'Unknown repository in acme: "shop". Known: handbook, inventory, storefront.',
    )
    assert.match(
      errorOf(await call('search_code', { repo: 'acme', query: 'x' })),
      /must be written as org\/name/,
    )
  })

  test('no name leads out of the folder', async () => {
    for (const org of [
      '..',
      '../..',
      '.',
      '/',
      folder,
      'acme/../..',
      '--upload-pack=id',
      'acme\0',
      '.git',
      'ACME/',
    ]) {
      assert.match(errorOf(await call('list_repos', { org })), /^Unknown organisation/, org)
    }
    const repos = ['../secret', '../../secret', 'acme/..', 'acme/../../secret', 'acme/linked', 'acme/.git']
    for (const repo of [
      ...repos,
      'acme/storefront/..',
      'acme/--output=x',
      `acme/${folder}/secret`,
      'acme/',
    ]) {
      assert.match(errorOf(await call('search_code', { repo, query: 'TODO' })), /^Unknown /, repo)
    }
  })

  test('serves the modern era only', async () => {
    const legacy = new ModernClient(clientInfo, { versionNegotiation: { mode: 'legacy' } })
    await assert.rejects(legacy.connect(new StreamableHTTPClientTransport(urlOf(server))))
    await legacy.close()
  })

  test('refuses a foreign origin and any path but /mcp', async () => {
    const foreign = await fetch(urlOf(server), {
      method: 'POST',
      headers: { origin: 'https://example.com' },
      body: '{}',
    })
    assert.equal(foreign.status, 403)
    await foreign.body?.cancel()
    const elsewhere = await fetch(new URL('/', urlOf(server)))
    assert.equal(elsewhere.status, 404)
    await elsewhere.body?.cancel()
  })
})

suite('database: legacy with sessions, Streamable HTTP', () => {
  let server: RunningServer
  let client: LegacyClient
  let transport: LegacyTransport
  const query = async (sql: string): Promise<z.infer<typeof ToolResult>> =>
    ToolResult.parse(await client.callTool({ name: 'query', arguments: { sql } }))

  before(async () => {
    server = await start('database', data.database)
    client = new LegacyClient(clientInfo)
    transport = new LegacyTransport(urlOf(server))
    await client.connect(transport)
  })

  after(async () => {
    await client.close()
    await stopChild(server.process, 2_000)
  })

  test('opens a session in protocol version 2025-11-25', () => {
    assert.match(transport.sessionId ?? '', /^[0-9a-f-]{36}$/)
    assert.equal(transport.protocolVersion, '2025-11-25')
  })

  test('query answers a SELECT', async () => {
    await client.listTools()
    const result = await query('SELECT name, country FROM customers WHERE id < 3 ORDER BY id; -- two of five')
    assert.deepEqual(result.structuredContent, {
      columns: ['name', 'country'],
      rows: [
        { name: 'Ada Byron', country: 'GB' },
        { name: 'Grace Hopper', country: 'US' },
      ],
      truncated: false,
    })
    assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent)
  })

  test('query loses no value to JSON or to equal column names', async () => {
    const result = await query(
      "SELECT 1 AS a, 2 AS a, 9007199254740993 AS big, x'00ff' AS blob, 9e999 AS inf, NULL AS n",
    )
    assert.deepEqual(result.structuredContent?.['rows'], [
      { a: 1, a_2: 2, big: '9007199254740993', blob: '00ff', inf: 'Infinity', n: null },
    ])
  })

  test('query shows the schema', async () => {
    const tables = await query("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    assert.deepEqual(tables.structuredContent?.['rows'], [
      { name: 'customers' },
      { name: 'orders' },
      { name: 'products' },
    ])
    const columns = await query('PRAGMA table_info(products)')
    assert.equal(columns.isError, undefined)
  })

  test('query returns at most 200 rows and says that there are more', async () => {
    const rows = async (count: number): Promise<unknown> => {
      const sql = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) SELECT i FROM n`
      const table = (await query(sql)).structuredContent
      return [z.array(z.unknown()).parse(table?.['rows']).length, table?.['truncated']]
    }
    assert.deepEqual(await rows(200), [200, false])
    assert.deepEqual(await rows(201), [200, true])
  })

  test('query changes nothing, reads no other file and refuses a second statement', async () => {
    const attached = join(folder, 'other.sqlite')
    const refused = [
      ["INSERT INTO customers VALUES (9, 'x', 'y', 'z')", /Not allowed|Not a query/],
      ['UPDATE products SET stock = 0 RETURNING sku', /Not allowed/],
      ['DELETE FROM orders', /Not allowed/],
      ['DROP TABLE orders', /Not allowed/],
      ['CREATE TEMP TABLE t (a)', /Not allowed/],
      [`ATTACH '${attached}' AS other`, /Not allowed/],
      ['PRAGMA journal_mode = DELETE', /Not allowed/],
      ['PRAGMA hard_heap_limit = 0', /Not allowed/],
      ['BEGIN', /Not allowed/],
      ['VACUUM', /Not allowed|Not a query/],
      ['SELECT 1; SELECT 2', /More than one statement/],
      ['SELECT 1; nonsense', /More than one statement/],
      ['SELECT load_extension("x")', /SQL error/],
      ['-- nothing', /SQL error/],
      ['SELEC 1', /SQL error: near "SELEC": syntax error/],
      ['SELECT * FROM nowhere', /SQL error: no such table: nowhere/],
    ] as const
    for (const [sql, message] of refused) assert.match(errorOf(await query(sql)), message, sql)
    assert.ok(!(await readdir(folder)).includes('other.sqlite'))
    const counts = await query('SELECT (SELECT count(*) FROM customers) c, (SELECT count(*) FROM orders) o')
    assert.deepEqual(counts.structuredContent?.['rows'], [{ c: 5, o: 7 }])
  })

  test('an endless query is ended, and the next one is answered', { timeout: 20_000 }, async () => {
    const endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
    const [first, second] = await Promise.all([query(endless), query('SELECT 1 AS one')])
    assert.match(errorOf(first), /ended after 2000 ms/)
    assert.deepEqual(second.structuredContent?.['rows'], [{ one: 1 }])
  })

  test('an unknown session is 404, a request without one 400', async () => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const unknown = await fetch(urlOf(server), {
      method: 'POST',
      headers: { ...headers, 'mcp-session-id': 'x' },
      body,
    })
    assert.equal(unknown.status, 404)
    await unknown.body?.cancel()
    const without = await fetch(urlOf(server), { method: 'POST', headers, body })
    assert.equal(without.status, 400)
    await without.body?.cancel()
  })

  test('a deleted session is gone', async () => {
    const other = new LegacyClient(clientInfo)
    const otherTransport = new LegacyTransport(urlOf(server))
    await other.connect(otherTransport)
    await otherTransport.terminateSession()
    await assert.rejects(other.listTools())
    await other.close()
  })
})

suite('processes', () => {
  test('a taken port gives way to the next of the list', async (t) => {
    const first = await start('github', data.github)
    t.after(async () => stopChild(first.process, 2_000))
    const program = join(example, 'servers', 'github.ts')
    const second = await startServer({ program, data: data.github, ports: [first.port, 0] }, never)
    t.after(async () => stopChild(second.process, 2_000))
    assert.notEqual(second.port, first.port)
    await assert.rejects(
      startServer({ program, data: data.github, ports: [first.port] }, never),
      /ended before/,
    )
  })

  test('a server ends when the channel to its parent closes', { timeout: 20_000 }, async (t) => {
    const { process: child } = await start('database', data.database)
    t.after(async () => stopChild(child, 0))
    const gone = once(child, 'exit')
    child.disconnect()
    assert.deepEqual(await gone, [0, null])
  })

  test('a server leaves Ctrl-C to its parent', async () => {
    const server = await start('github', data.github)
    server.process.kill('SIGINT')
    const answer = await fetch(new URL('/', urlOf(server)))
    await answer.body?.cancel()
    assert.equal(answer.status, 404)
    await stopChild(server.process, 2_000)
    assert.equal(server.process.exitCode, 0)
  })

  test(
    'the preload ends the gateway when its parent is gone, and does not keep it alive',
    { timeout: 20_000 },
    async (t) => {
      const preload = ['--import', join(example, 'follow-parent.ts')]
      const run = (script: string): ChildProcess =>
        fork(join(folder, script), { execArgv: preload, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      await writeFile(
        join(folder, 'idle.mjs'),
        "process.on('SIGTERM', () => process.exit(7)); process.send('up'); setInterval(() => {}, 1000)",
      )
      const idle = run('idle.mjs')
      t.after(async () => stopChild(idle, 0))
      await once(idle, 'message')
      const gone = once(idle, 'exit')
      idle.disconnect()
      assert.deepEqual(await gone, [7, null])
      await writeFile(join(folder, 'done.mjs'), '')
      assert.deepEqual(await once(run('done.mjs'), 'exit'), [0, null])
    },
  )
})

test('the next steps fit a terminal of 80 columns and hold a valid configuration', () => {
  for (const url of ['http://127.0.0.1:8080/mcp', 'http://127.0.0.1:65535/mcp']) {
    const text = nextSteps(url, process.stdout)
    for (const line of stripVTControlCharacters(text).split('\n')) assert.ok(line.length <= 80, line)
    const json = /^ {2}\{[\s\S]*?^ {2}\}/m.exec(text)?.[0] ?? ''
    assert.deepEqual(JSON.parse(json), { mcpServers: { toolgate: { type: 'http', url } } })
  }
})
