import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { toNodeHandler } from '@modelcontextprotocol/node'
import type { NodeIncomingMessageLike } from '@modelcontextprotocol/node'
import { type CallToolResult, McpServer, createMcpHandler } from '@modelcontextprotocol/server'
import { z } from 'zod'

/** A modern MCP server of the official SDK, with the kinds of tools that the command line has to cope with. */
export interface ToolServer {
  readonly url: string
  close(): Promise<void>
}

const text = (words: string): CallToolResult => ({ content: [{ type: 'text', text: words }] })

/** Starts the server on a port of the system's choice. */
export async function startToolServer(): Promise<ToolServer> {
  const handler = createMcpHandler(createTools, { legacy: 'reject' })
  const node = toNodeHandler(handler)
  const server = createServer((request, response) => void node(request as NodeIncomingMessageLike, response))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    async close() {
      server.close()
      await handler.close()
      server.closeAllConnections()
    },
  }
}

function createTools(): McpServer {
  const server = new McpServer({ name: 'tools', version: '1.0.0' })
  server.registerTool(
    'echo',
    {
      description: 'Says what it was given,\n  and how it was typed',
      inputSchema: z.object({
        words: z.string(),
        count: z.number().optional(),
        loud: z.boolean().optional(),
        tags: z.array(z.string()).optional(),
        options: z.object({ a: z.number() }).optional(),
      }),
    },
    (args) => text(JSON.stringify(args)),
  )
  server.registerTool(
    'sum',
    { inputSchema: z.object({}), outputSchema: z.object({ sum: z.number() }) },
    () => ({
      content: [{ type: 'text', text: '{"sum":3}' }],
      structuredContent: { sum: 3 },
    }),
  )
  server.registerTool(
    'wrapped',
    { inputSchema: z.object({}), outputSchema: z.object({ content: z.string() }) },
    () => ({
      ...text('two\nlines'),
      structuredContent: { content: 'two\nlines' },
    }),
  )
  server.registerTool('fail', { inputSchema: z.object({}) }, () => ({
    ...text('it went wrong'),
    isError: true,
  }))
  server.registerTool('paint', { inputSchema: z.object({}) }, () => ({
    content: [
      { type: 'image', data: 'AAAA', mimeType: 'image/png' },
      { type: 'text', text: 'red \u001B[31malert\u001B[0m' },
    ],
  }))
  server.registerTool('work', { inputSchema: z.object({}) }, async (_args, context) => {
    const progressToken = context.mcpReq._meta?.progressToken
    if (progressToken === undefined) return text('nobody asked for progress')
    for (const progress of [1, 2]) {
      const params = { progressToken, progress, total: 2, message: `step ${progress}` }
      await context.mcpReq.notify({ method: 'notifications/progress', params })
    }
    return text('done')
  })
  return server
}
