// database: a legacy MCP server (2025-11-25, with sessions) over Streamable HTTP, on the SDK's first generation.
// Usage: node database.ts <SQLite file> [port...]
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'
import { createQueryRunner } from './query-runner.ts'
import { parseArguments, serveMcp } from './serve.ts'
import { QueryError } from './sqlite.ts'

const { path: file, ports } = parseArguments(process.argv.slice(2))
const runner = createQueryRunner({ file, timeoutMs: 2_000, maxPending: 32 })

const queryTool = {
  title: 'Query',
  description:
    'Execute a database query: one SELECT on a read-only SQLite database, at most 200 rows. ' +
    'SELECT name, sql FROM sqlite_schema shows the tables.',
  inputSchema: { sql: z.string().min(1).max(20_000).describe('SQL query to execute') },
  outputSchema: {
    columns: z.array(z.string()),
    rows: z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()]))),
    truncated: z.boolean().describe('True when there are more rows'),
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
}

const createServer = (): McpServer => {
  const server = new McpServer({ name: 'database', title: 'Shop database', version: '1.0.0' })
  server.registerTool('query', queryTool, async ({ sql }, { signal }) => {
    try {
      const table = { ...(await runner.query(sql, signal)) }
      return { content: [{ type: 'text', text: JSON.stringify(table) }], structuredContent: table }
    } catch (error) {
      if (!(error instanceof QueryError)) throw error
      return { content: [{ type: 'text', text: error.message }], isError: true }
    }
  })
  return server
}

const maxSessions = 256
/** Open sessions by id, the least recently used first. */
const sessions = new Map<string, StreamableHTTPServerTransport>()

const openSession = async (): Promise<StreamableHTTPServerTransport> => {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => {
      sessions.set(id, transport)
      const [oldest] = sessions
      if (sessions.size <= maxSessions || oldest === undefined) return
      // A client that is still there gets 404 for its session and initialises again, as the specification says.
      sessions.delete(oldest[0])
      void oldest[1].close()
    },
    onsessionclosed: (id) => {
      sessions.delete(id)
    },
  })
  await createServer().connect(transport)
  return transport
}

const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const id = request.headers['mcp-session-id']
  if (typeof id !== 'string') {
    // Everything but an `initialize` is refused by the transport itself, which is then forgotten.
    const transport = await openSession()
    await transport.handleRequest(request, response)
    return
  }
  const transport = sessions.get(id)
  if (transport === undefined) {
    const error = { code: -32001, message: 'Session not found' }
    response.writeHead(404, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ jsonrpc: '2.0', error, id: null }))
    return
  }
  sessions.delete(id)
  sessions.set(id, transport)
  await transport.handleRequest(request, response)
}

await serveMcp({
  name: 'database',
  ports,
  handle,
  close: async () => {
    runner.close()
    await Promise.all([...sessions.values()].map(async (transport) => transport.close()))
  },
})
