// The TypeScript program of the gateway pattern, on Toolgate. In a program of your own: import … from 'toolgate'.
import { once } from 'node:events'
import { join } from 'node:path'
import { createGateway } from '../../src/index.ts'

const { GITHUB_URL, DATABASE_URL, STORAGE_DIR, PORT } = process.env
const modules = join(import.meta.dirname, '..', '..', 'node_modules')

const gateway = createGateway(
  {
    gateway: { name: 'mcp-gateway' },
    // class RateLimiter: 60 requests per minute and client, of the tools that clients see.
    limits: [{ name: 'requests', rate: '60/1m', match: { backend: 'gateway' } }],
    // Clients get the tools below; what these call is the business of the gateway itself.
    authorization: {
      rules: [
        { effect: 'allow', tools: 'gateway/*' },
        { effect: 'allow', subjects: 'mcp-gateway' },
      ],
    },
  },
  { log: (level, message, fields) => level === 'debug' || console.error(level, message, fields ?? '') },
)

/** As whom the handlers call backends. */
const self = { subject: 'mcp-gateway' }

gateway.registerBackend({ name: 'github', url: GITHUB_URL ?? 'http://127.0.0.1:8001/mcp', timeout: '30s' })
gateway.registerBackend({ name: 'database', url: DATABASE_URL ?? 'http://127.0.0.1:8002/mcp' })
gateway.registerBackend({
  name: 'storage',
  command: process.execPath,
  args: [
    join(modules, '@modelcontextprotocol', 'server-filesystem', 'dist', 'index.js'),
    STORAGE_DIR ?? join(import.meta.dirname, '..', 'quickstart', 'data', 'storage'),
  ],
})

gateway.tool(
  {
    name: 'github_list_repos',
    description: 'List repositories from GitHub',
    schema: {
      org: { type: 'string', description: 'GitHub organization name' },
    },
  },
  async ({ org }, { signal }) =>
    gateway.call({ backend: 'github', tool: 'list_repos', arguments: { org }, principal: self, signal }),
)

gateway.tool(
  {
    name: 'database_query',
    description: 'Execute a database query',
    schema: {
      sql: { type: 'string', description: 'SQL query to execute' },
    },
  },
  async ({ sql }, { signal }) =>
    gateway.call({ backend: 'database', tool: 'query', arguments: { sql }, principal: self, signal }),
)

gateway.tool(
  {
    name: 'storage_list',
    description: 'List files in storage',
    schema: {
      path: { type: 'string', description: 'Directory path', default: '.' },
    },
  },
  async ({ path }, { signal }) =>
    gateway.call({
      backend: 'storage',
      tool: 'list_directory',
      arguments: { path },
      principal: self,
      signal,
    }),
)

gateway.tool({ name: 'gateway_metrics', description: 'Get gateway metrics' }, () => gateway.metrics())

gateway.tool({ name: 'gateway_health', description: 'Check health of all backend servers' }, () =>
  gateway.health({ check: true }),
)

const { url } = await gateway.listen({ port: Number(PORT ?? 8088) })
console.log(`Connect to ${url}`)

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
await gateway.close()
