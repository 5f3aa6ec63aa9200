/**
 * The backend of the benchmark: a modern MCP server as cheap as it can be. It parses each request (the id and the
 * bytes differ from proxy to proxy), insists on the headers of the revision, and answers with prepared results.
 */
import { createServer, type ServerResponse } from 'node:http'
import { CALL_RESULT, isRecord, PROTOCOL_VERSION, TOOL_NAME } from '../message.ts'
import { serve } from './serve.ts'

const CACHEABLE = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' } as const

const INPUT_SCHEMA = {
  type: 'object',
  properties: {
    query: { type: 'string' },
    repository: { type: 'string' },
    limit: { type: 'integer', minimum: 1 },
    includeContext: { type: 'boolean' },
    ranking: { type: 'object' },
  },
  required: ['query'],
} as const

/** The results, serialised once. */
const RESULTS: Readonly<Record<string, string>> = {
  'server/discover': JSON.stringify({
    ...CACHEABLE,
    supportedVersions: [PROTOCOL_VERSION],
    capabilities: { tools: {} },
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'bench-backend', version: '1.0.0' } },
  }),
  'tools/list': JSON.stringify({
    ...CACHEABLE,
    tools: [{ name: TOOL_NAME, description: 'Searches the code of a repository', inputSchema: INPUT_SCHEMA }],
  }),
  'tools/call': JSON.stringify(CALL_RESULT),
}

const send = (response: ServerResponse, status: number, body: string): void => {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
}

const sendError = (response: ServerResponse, status: number, code: number, message: string): void =>
  send(response, status, JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message } }))

/** A proxy that dropped the headers would do less work than one that serves MCP: it must not get an answer. */
const answer = (text: string, mcpMethod: unknown, response: ServerResponse): void => {
  const message: unknown = JSON.parse(text)
  if (!isRecord(message)) return sendError(response, 400, -32600, 'Not a JSON-RPC message')
  const { id, method } = message
  // A subscription or a notification is nothing that this backend offers.
  const result = typeof method === 'string' ? RESULTS[method] : undefined
  if (result === undefined) return sendError(response, 404, -32601, `Method not found: ${String(method)}`)
  if (mcpMethod !== method) return sendError(response, 400, -32020, 'Header mismatch: Mcp-Method')
  send(response, 200, `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`)
}

const server = createServer((request, response) => {
  if (request.method !== 'POST') {
    request.resume()
    response.writeHead(405).end()
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    try {
      answer(Buffer.concat(chunks).toString(), request.headers['mcp-method'], response)
    } catch {
      sendError(response, 400, -32700, 'Parse error')
    }
  })
})
// Longer than any pause between two windows of a proxy: its pooled connections must not die under it.
server.keepAliveTimeout = 600_000
serve(server)
