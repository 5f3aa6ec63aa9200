// github: a modern MCP server (2026-07-28 only) over Streamable HTTP, on the SDK's second generation.
// Usage: node github.ts <folder of organisations> [port...]
import { toNodeHandler } from '@modelcontextprotocol/node'
import type { NodeIncomingMessageLike } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import type { CallToolResult } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { listRepositories, searchCode, UnknownNameError } from './repositories.ts'
import { parseArguments, serveMcp } from './serve.ts'

const { path: root, ports } = parseArguments(process.argv.slice(2))

const readOnly = { readOnlyHint: true, openWorldHint: false }

const listReposTool = {
  title: 'List repositories',
  description: 'List repositories from GitHub',
  inputSchema: z.object({ org: z.string().min(1).max(100).describe('GitHub organization name') }),
  outputSchema: z.object({
    repos: z.array(
      z.object({
        name: z.string(),
        full_name: z.string(),
        description: z.string(),
        default_branch: z.string(),
      }),
    ),
  }),
  annotations: readOnly,
}

const searchCodeTool = {
  title: 'Search code',
  description: 'Search code in GitHub repository',
  inputSchema: z.object({
    query: z.string().min(1).max(200).describe('Text to find in a line; upper and lower case are the same'),
    repo: z.string().min(1).max(200).describe('Repository (owner/repo)'),
  }),
  outputSchema: z.object({
    matches: z.array(z.object({ path: z.string(), line: z.int(), text: z.string() })),
    truncated: z.boolean().describe('True when there may be more'),
  }),
  annotations: readOnly,
}

/** Runs a tool's work; a name that does not exist becomes an error the model can read and correct. */
const answer = async (work: () => Promise<Record<string, unknown>>): Promise<CallToolResult> => {
  try {
    const structuredContent = await work()
    return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent }
  } catch (error) {
    if (!(error instanceof UnknownNameError)) throw error
    return { content: [{ type: 'text', text: error.message }], isError: true }
  }
}

const handler = createMcpHandler(
  () => {
    const server = new McpServer(
      { name: 'github', title: 'Repositories', version: '1.0.0' },
      { cacheHints: { 'tools/list': { ttlMs: 60_000, cacheScope: 'public' } } },
    )
    server.registerTool('list_repos', listReposTool, async ({ org }) =>
      answer(async () => ({ repos: await listRepositories(root, org) })),
    )
    server.registerTool('search_code', searchCodeTool, async ({ query, repo }, context) =>
      answer(async () => ({ ...(await searchCode(root, { query, repo, signal: context.mcpReq.signal })) })),
    )
    return server
  },
  // Modern only, on purpose: a legacy client that reaches this server through the gateway shows the bridge.
  { legacy: 'reject' },
)

const nodeHandler = toNodeHandler(handler)
await serveMcp({
  name: 'github',
  ports,
  // node:http always sets `method` and `url` here, but declares them as perhaps undefined.
  handle: async (request, response) => nodeHandler(request as NodeIncomingMessageLike, response),
  close: async () => handler.close(),
})
