// The gateway pattern from its intent to its structure: one test per heading, on the example that the page has there.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { connectClient } from '../language/client.ts'
import { eventually } from '../language/journal.ts'
import { scopeOf } from '../language/scope.ts'
import { example, exampleNames, pageHeadings, saved, serve, served } from './page.ts'
import { callsOf, database, github, headersOf, servers } from './servers.ts'

/** Every heading of the pattern, in its order. */
const HEADINGS = [
  '# Gateway Pattern',
  '## Intent',
  '## Problem',
  '## Solution',
  '## Structure',
  '## Implementation',
  '### Python',
  '### TypeScript',
  '## Configuration',
  '### Environment-based Routing',
  '### Health Checks',
  '## When to Use',
  '## Security Considerations',
  '### OAuth 2.1 Integration',
  '### Request Signing',
  '## Related Patterns',
]

describe('Gateway Pattern', () => {
  test('has a page with the headings of the pattern, each with a test of that name', async () => {
    assert.deepEqual(pageHeadings, HEADINGS)
    const files = ['overview', 'implementation', 'configuration', 'security'].map((name) => `${name}.test.ts`)
    const sources = await Promise.all(
      files.map(async (name) => readFile(join(import.meta.dirname, name), 'utf8')),
    )
    const described = sources.flatMap((source) =>
      [...source.matchAll(/^describe\('([^']+)'/gm)].map(([, name = '']) => name),
    )
    const wanted = HEADINGS.map((heading) => heading.replace(/^#+ /, ''))
    assert.deepEqual(described.toSorted(), wanted.toSorted())
    const used = sources.join('\n')
    for (const name of exampleNames) assert.ok(used.includes(`'${name}'`), `no test uses the example ${name}`)
  })
})

describe('Intent', () => {
  test('one address shows the tools of every server, and each call reaches its own', async (t) => {
    const scope = scopeOf(t)
    const { addresses, ...all } = await servers(scope)
    const { client, tools } = await serve(scope, 'intent', { addresses })
    const one = await client()
    assert.deepEqual(await tools(one), [
      'database_query',
      'github_create_issue',
      'github_list_repos',
      'github_search_code',
      'storage_list',
    ])
    assert.equal((await one.call('github_list_repos', { org: 'acme' })).text, 'github: {"org":"acme"}')
    assert.equal((await one.call('database_query', { sql: 'SELECT 1' })).text, 'database: {"sql":"SELECT 1"}')
    assert.equal((await one.call('storage_list', { path: '/' })).text, 'storage: {"path":"/"}')
    assert.deepEqual(callsOf(all.github), [['list_repos', { org: 'acme' }]])
    assert.deepEqual(callsOf(all.database), [['query', { sql: 'SELECT 1' }]])
    assert.deepEqual(callsOf(all.storage), [['list', { path: '/' }]])
  })
})

describe('Problem', () => {
  test('servers need no authentication of clients: the gateway asks, before any of them hears of a call', async (t) => {
    const scope = scopeOf(t)
    const [one, two] = [await github(scope), await database(scope)]
    const addresses = { 'http://localhost:8001/mcp': one.url, 'http://localhost:8002/mcp': two.url }
    const what = await saved(scope, 'problem', { addresses, env: { GITHUB_TOKEN: 'of-the-gateway' } })
    const alice = await what.key('alice')
    const there = await served(scope, what)
    for (const name of ['github_list_repos', 'database_query']) {
      const refused = await there.serving.raw.modern('tools/call', { name, arguments: {} })
      assert.equal(refused.status, 401)
    }
    assert.deepEqual([...callsOf(one), ...callsOf(two)], [])

    const client = await there.client({ headers: alice })
    assert.equal((await client.call('github_list_repos', { org: 'acme' })).isError, false)
    assert.equal((await client.call('database_query', { sql: 'SELECT 1' })).isError, false)
    // They see who the gateway is, and nothing that a client could be impersonated with.
    assert.deepEqual([...new Set(headersOf(one, 'authorization'))], ['Bearer of-the-gateway'])
    assert.deepEqual([...new Set(headersOf(two, 'authorization'))], [undefined])
    const heard = JSON.stringify([one.journal.entries, two.journal.entries])
    assert.ok(!heard.includes(alice.authorization.slice('Bearer '.length)))
  })

  test('clients know one address, and one key', async (t) => {
    const scope = scopeOf(t)
    const [one, two] = [await github(scope), await database(scope)]
    const addresses = { 'http://localhost:8001/mcp': one.url, 'http://localhost:8002/mcp': two.url }
    const what = await saved(scope, 'problem', { addresses, env: { GITHUB_TOKEN: 'of-the-gateway' } })
    const key = await what.key('alice')
    const there = await served(scope, what)
    const told = example('client', { 'http://127.0.0.1:8080/mcp': there.serving.url })
    const written = told.replace('Bearer ${TOOLGATE_TOKEN}', key.authorization)
    const { mcpServers } = JSON.parse(written) as {
      readonly mcpServers: Readonly<Record<string, { url: string; headers: Record<string, string> }>>
    }
    const [only, ...others] = Object.values(mcpServers)
    assert.deepEqual(others, [])
    const client = await connectClient('auto', { url: only?.url ?? '' }, { headers: only?.headers })
    const names = (await client.tools()).map(({ name }) => name)
    for (const name of ['github_list_repos', 'database_query']) assert.ok(names.includes(name), name)
    await client.close()
  })
})

describe('Solution', () => {
  test('one file authenticates, routes, limits, slows down, logs and monitors', async (t) => {
    const scope = scopeOf(t)
    const { addresses, ...all } = await servers(scope)
    const what = await saved(scope, 'solution', { addresses })
    const [alice, bob] = [await what.key('alice'), await what.key('bob')]
    const there = await served(scope, what)
    assert.equal((await there.serving.raw.modern('tools/list')).status, 401)
    const [hers, his] = [await there.client({ headers: alice }), await there.client({ headers: bob })]
    assert.equal((await there.tools(hers)).length, 5)

    // Alice uses up her minute; Bob is not touched by it.
    for (let n = 0; n < 60; n++) await hers.call('storage_list', { path: `/${n}` })
    await assert.rejects(hers.call('storage_list', { path: '/60' }), /Limit requests is reached: 60 per 60 s/)
    assert.equal((await his.call('storage_list', { path: '/' })).isError, false)
    assert.equal(callsOf(all.storage).length, 61)

    // More than four queries at once wait for each other; none is refused.
    await all.database.setTools([{ name: 'query', does: 'wait' }])
    const queries = Array.from({ length: 6 }, async (_, n) => his.call('database_query', { sql: String(n) }))
    await eventually('four are under way', () => callsOf(all.database).length === 4)
    const { status } = await there.serving.raw.modern(
      'tools/call',
      { name: 'github_list_repos', arguments: { org: 'acme' } },
      { headers: bob },
    )
    assert.equal(status, 200, 'other backends do not wait')
    assert.equal(callsOf(all.database).length, 4)
    await eventually('all of them are done', async () => {
      all.database.release()
      return callsOf(all.database).length === 6
    })
    all.database.release()
    for (const { isError } of await Promise.all(queries)) assert.equal(isError, false)

    // Who called what, and how it ended.
    let lines: readonly Record<string, unknown>[] = []
    await eventually('there is a line for each call', async () => {
      const text = await readFile(join(there.folder, 'calls.log'), 'utf8')
      const all = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      lines = all.filter(({ method }) => method === 'tools/call')
      return lines.length === 69
    })
    const refused = lines.filter(({ code }) => code === 'RATE_LIMITED')
    assert.deepEqual(
      refused.map(({ subject, limit }) => [subject, limit]),
      [['alice', 'requests']],
    )
    assert.equal(
      lines.filter(({ subject, backend }) => subject === 'bob' && backend === 'database').length,
      6,
    )
    const monitored = await there.run('status', '--json')
    const { backends } = JSON.parse(monitored.stdout) as { backends: { name: string; state: string }[] }
    assert.deepEqual(
      backends.map(({ name, state }) => [name, state]),
      [
        ['github', 'healthy'],
        ['database', 'healthy'],
        ['storage', 'healthy'],
      ],
    )
  })
})

describe('Structure', () => {
  test('a call meets authentication, router and limit in that order, and only then a server', async (t) => {
    const scope = scopeOf(t)
    const one = await github(scope)
    const where = await saved(scope, 'structure', { addresses: { 'http://localhost:8001/mcp': one.url } })
    const headers = await where.key('alice')
    const { serving } = await served(scope, where)
    const call = async (name: string, options: { headers?: Record<string, string> } = {}) =>
      serving.raw.modern('tools/call', { name, arguments: {} }, options)

    const unknownCaller = await call('github_list_repos')
    assert.equal(unknownCaller.status, 401)
    const unknownTool = await call('github_list_repo', { headers })
    assert.equal(unknownTool.response.error?.data?.['code'], 'UNKNOWN_TOOL')
    assert.deepEqual(callsOf(one), [])
    // Neither was counted.
    assert.equal((await call('github_list_repos', { headers })).status, 200)
    const tooMany = await call('github_list_repos', { headers })
    assert.equal(tooMany.status, 429)
    assert.equal(tooMany.response.error?.data?.['limit'], 'once')
    // Whoever is not known is told only that, whatever limits there are.
    assert.equal((await call('github_list_repos')).status, 401)
    assert.equal(callsOf(one).length, 1)
  })
})
