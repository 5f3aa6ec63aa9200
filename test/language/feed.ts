/** Backends with resources that change, for what is followed rather than called. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import {
  NodeStreamableHTTPServerTransport,
  type NodeIncomingMessageLike,
  toNodeHandler,
} from '@modelcontextprotocol/node'
import { Server as McpServer, createMcpHandler } from '@modelcontextprotocol/server'
import { type Journal, createJournal } from './journal.ts'
import type { Configured, Scope } from './scope.ts'

/** A backend with one tool and the resources that it is given. */
export interface Feed extends Configured {
  /** Every JSON-RPC method and every stream (`GET`, `closed <method>`) as it came. */
  readonly journal: Journal<string>
  /** Says that a resource changed to whoever subscribed to it. */
  touch(uri: string): void
  /** Says that the tools changed. */
  changeTools(): void
  stop(): Promise<void>
  /** Comes back on the same port, and remembers nothing. */
  start(): Promise<void>
}

/** What serves requests, and how it speaks by itself. */
interface Front extends Pick<Feed, 'touch' | 'changeTools'> {
  handle(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void>
  close(): Promise<void>
}

/** Starts a feed in that era. */
export async function feed(
  scope: Scope,
  era: 'modern' | 'legacy',
  uris: readonly string[] = [],
): Promise<Feed> {
  const journal = createJournal<string>(`the ${era} feed`)
  const create = (): Front => (era === 'modern' ? modernFront(uris) : legacyFront(uris))
  let front = create()
  let server = await listen(() => front, { journal, port: 0 })
  const { port } = server.address() as AddressInfo
  const stop = async (): Promise<void> => {
    const closed = server.listening ? once(server, 'close') : Promise.resolve()
    server.close()
    server.closeAllConnections()
    await Promise.all([closed, front.close()])
  }
  scope.after(stop)
  return {
    settings: { url: `http://127.0.0.1:${port}/mcp` },
    journal,
    touch: (uri) => front.touch(uri),
    changeTools: () => front.changeTools(),
    stop,
    async start() {
      front = create()
      server = await listen(() => front, { journal, port })
    },
  }
}

async function listen(
  front: () => Front,
  { journal, port }: { readonly journal: Journal<string>; readonly port: number },
): Promise<Server> {
  const server = createServer((request, response) => {
    const serve = async (): Promise<void> => {
      const text = await readText(request)
      const body = text === '' ? undefined : (JSON.parse(text) as { readonly method?: string })
      const what = body?.method ?? request.method ?? ''
      response.on('close', () => journal.record(`closed ${what}`))
      journal.record(what)
      await front().handle(request, response, body)
    }
    void serve()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function serverOf(uris: readonly string[]): McpServer {
  const server = new McpServer(
    { name: 'feed', version: '1' },
    { capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } } },
  )
  server.setRequestHandler('tools/list', () => ({
    tools: [{ name: 'read', inputSchema: { type: 'object' } }],
  }))
  server.setRequestHandler('resources/list', () => ({ resources: uris.map((uri) => ({ uri, name: uri })) }))
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [] }))
  return server
}

function modernFront(uris: readonly string[]): Front {
  const handler = createMcpHandler(() => serverOf(uris), { legacy: 'reject' })
  const handle = toNodeHandler(handler)
  return {
    handle: async (request, response, body) => handle(request as NodeIncomingMessageLike, response, body),
    touch: (uri) => handler.notify.resourceUpdated(uri),
    changeTools: () => handler.notify.toolsChanged(),
    close: async () => handler.close(),
  }
}

function legacyFront(uris: readonly string[]): Front {
  const sessions = new Map<
    string,
    { transport: NodeStreamableHTTPServerTransport; server: McpServer; subscribed: Set<string> }
  >()
  const open = async (): Promise<NodeStreamableHTTPServerTransport> => {
    const server = serverOf(uris)
    const subscribed = new Set<string>()
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, { transport, server, subscribed }),
    })
    server.setRequestHandler('resources/subscribe', ({ params }) => (subscribed.add(params.uri), {}))
    server.setRequestHandler('resources/unsubscribe', ({ params }) => (subscribed.delete(params.uri), {}))
    await server.connect(transport)
    return transport
  }
  return {
    async handle(request, response, body) {
      const id = request.headers['mcp-session-id']
      const known = typeof id === 'string' ? sessions.get(id)?.transport : undefined
      const begins = (body as { readonly method?: string } | undefined)?.method === 'initialize'
      if (known === undefined && !begins) {
        response.writeHead(id === undefined ? 400 : 404, { 'content-type': 'application/json' })
        return void response.end('{"jsonrpc":"2.0","error":{"code":-32000,"message":"no session"},"id":null}')
      }
      await (known ?? (await open())).handleRequest(request, response, body)
    },
    // A session that was closed has nobody to tell.
    touch(uri) {
      for (const { server, subscribed } of sessions.values())
        if (subscribed.has(uri)) server.sendResourceUpdated({ uri }).catch(() => undefined)
    },
    changeTools() {
      for (const { server } of sessions.values()) server.sendToolListChanged().catch(() => undefined)
    },
    async close() {
      await Promise.all([...sessions.values()].map(async ({ server }) => server.close()))
    },
  }
}
