// `npm start` as a newcomer runs it: three real servers behind one URL, called through the gateway, ended by Ctrl-C.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'

const root = join(import.meta.dirname, '..')

/** A port that the system has just given and taken back. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

test('the quickstart serves its three servers and ends with all of them', { timeout: 90_000 }, async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'toolgate-quickstart-'))
  t.after(async () => rm(stateDir, { recursive: true, force: true }))
  const [port, github, database] = [await freePort(), await freePort(), await freePort()]
  const started = spawn(process.execPath, [join(root, 'examples', 'quickstart', 'start.ts')], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TOOLGATE_PORT: String(port),
      TOOLGATE_ADMIN_PORT: '0',
      GITHUB_PORT: String(github),
      DATABASE_PORT: String(database),
      TOOLGATE_STATE_DIR: stateDir,
      NO_COLOR: '1',
    },
  })
  t.after(() => started.kill('SIGKILL'))
  started.stderr.resume()
  const printed: string[] = []
  const url = Promise.withResolvers<string>()
  createInterface({ input: started.stdout }).on('line', (line) => {
    printed.push(line)
    const found = /^URL\s+(\S+)/.exec(line)?.[1]
    if (found !== undefined) url.resolve(found)
  })
  const ended = once(started, 'exit')

  const client = new Client({ name: 'newcomer', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new StreamableHTTPClientTransport(new URL(await url.promise)))
  const { tools } = await client.listTools()
  const names = tools.map(({ name }) => name)
  for (const name of [
    'github_list_repos',
    'github_search_code',
    'database_query',
    'storage_list_directory',
  ]) {
    assert.ok(names.includes(name), name)
  }
  const repos = await client.callTool({ name: 'github_list_repos', arguments: { org: 'acme' } })
  assert.match(JSON.stringify(repos.structuredContent), /acme\/storefront/)
  const rows = await client.callTool({ name: 'database_query', arguments: { sql: 'select 2 as two' } })
  assert.match(JSON.stringify(rows.structuredContent), /"two":2/)
  const files = await client.callTool({ name: 'storage_list_directory', arguments: { path: '.' } })
  assert.match(JSON.stringify(files.content), /welcome\.md/)
  await client.close()

  const text = printed.join('\n')
  assert.match(text, /github +modern +http +2 +ready/)
  assert.match(text, /database +legacy +http +1 +ready/)
  assert.match(text, /storage +legacy +stdio +\d+ +ready/)
  assert.match(text, /npm run toolgate -- call github_list_repos --arg org=acme/)
  assert.match(text, /"mcpServers"/)
  started.kill('SIGINT')
  assert.deepEqual(await ended, [0, null])
  for (const each of [port, github, database]) await assert.rejects(fetch(`http://127.0.0.1:${each}/healthz`))
})
