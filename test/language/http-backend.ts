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
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { type Journal } from './journal.ts'
import type { Configured, Scope } from './scope.ts'
import { type ServerKind, serverV1, serverV2 } from './servers.ts'
import {
  EVERY_BEHAVIOUR,
  type Script,
  type Sighting,
  type Stage,
  type ToolScript,
  createStage,
} from './stage.ts'

/** A scripted backend over Streamable HTTP. */
export interface HttpBackend extends Configured {
  readonly url: string
  readonly journal: Journal<Sighting>
  /** Lets calls of `wait` and held lists go on. */
  release(): void
  /** Makes lists wait until {@link HttpBackend.release}. */
  holdLists(): void
  /** Has other tools from now on, and tells whoever listens. */
  setTools(tools: readonly ToolScript[]): Promise<void>
  /** Forgets every legacy session, as a restarted server does. */
  forgetSessions(): Promise<void>
  /** Dies: the port is closed, and so is every connection. */
  stop(): Promise<void>
  /** Comes back on the same port, as another kind of server if one is named. */
  start(kind?: ServerKind): Promise<void>
}

/** What answers requests for one kind of server. */
interface Front {
  handle(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void>
  announceTools(): Promise<void>
  forgetSessions(): Promise<void>
  close(): Promise<void>
}

/** A modern server (2026-07-28) on the second SDK. */
export const modernServer = async (scope: Scope, script: Partial<Script> = {}): Promise<HttpBackend> =>
  httpServer(scope, 'modern', { script })

/** A server with sessions (2025-11-25) on the second SDK. */
export const legacyServer = async (scope: Scope, script: Partial<Script> = {}): Promise<HttpBackend> =>
  httpServer(scope, 'legacy', { script })

/** A server with sessions on the first SDK. */
export const v1Server = async (scope: Scope, script: Partial<Script> = {}): Promise<HttpBackend> =>
  httpServer(scope, 'v1', { script })

/** A server of that kind; port 0 lets the system choose. */
export async function httpServer(
  scope: Scope,
  firstKind: ServerKind,
  { script, port: wanted = 0 }: { readonly script: Partial<Script>; readonly port?: number },
): Promise<HttpBackend> {
  const stage = createStage({ label: firstKind, tools: EVERY_BEHAVIOUR, ...script })
  let front = frontOf(firstKind, stage)
  let server = await listen(stage, () => front, wanted)
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}/mcp`
  const stop = async (): Promise<void> => {
    stage.release()
    const closed = server.listening ? once(server, 'close') : Promise.resolve()
    server.close()
    server.closeAllConnections()
    await Promise.all([closed, front.close()])
  }
  scope.after(stop)
  return {
    url,
    settings: { url },
    journal: stage.journal,
    release: () => stage.release(),
    holdLists: () => stage.holdLists(),
    async setTools(tools) {
      stage.change({ tools })
      await front.announceTools()
    },
    forgetSessions: async () => front.forgetSessions(),
    stop,
    async start(kind = firstKind) {
      front = frontOf(kind, stage)
      server = await listen(stage, () => front, port)
    },
  }
}

async function listen(stage: Stage, front: () => Front, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    answer(stage, front(), { request, response }).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

interface HttpExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

async function answer(stage: Stage, front: Front, { request, response }: HttpExchange): Promise<void> {
  const text = await readText(request)
  const body = text === '' ? undefined : (JSON.parse(text) as { readonly method?: string })
  stage.journal.record({
    kind: 'request',
    verb: request.method ?? '',
    method: body?.method,
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    ),
  })
  await front.handle(request, response, body)
}

function frontOf(kind: ServerKind, stage: Stage): Front {
  return kind === 'modern' ? modernFront(stage) : sessionFront(kind, stage)
}

function modernFront(stage: Stage): Front {
  const handler = createMcpHandler(() => serverV2(stage), { legacy: 'reject' })
  const handle = toNodeHandler(handler)
  return {
    handle: async (request, response, body) => handle(request as NodeIncomingMessageLike, response, body),
    announceTools: async () => handler.notify.toolsChanged(),
    forgetSessions: async () => undefined,
    close: async () => handler.close(),
  }
}

interface Session {
  handle(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void>
  announceTools(): Promise<void>
  close(): Promise<void>
}

/** A transport and a server per `Mcp-Session-Id`, as the SDKs' own examples do it. */
function sessionFront(kind: 'legacy' | 'v1', stage: Stage): Front {
  const sessions = new Map<string, Session>()
  const close = async (): Promise<void> => {
    const open = [...sessions.values()]
    sessions.clear()
    await Promise.all(open.map(async (session) => session.close()))
  }
  const openSession = async (): Promise<Session> => {
    const onOpen = (id: string): void => void sessions.set(id, session)
    const session: Session = await (kind === 'v1' ? sessionV1(stage, onOpen) : sessionV2(stage, onOpen))
    return session
  }
  return {
    async handle(request, response, body) {
      const id = request.headers['mcp-session-id']
      if (typeof id === 'string') {
        const session = sessions.get(id)
        if (session === undefined) return refuse(response, 404, 'Session not found')
        return session.handle(request, response, body)
      }
      if ((body as { readonly method?: string } | undefined)?.method !== 'initialize')
        return refuse(response, 400, 'Bad Request: No valid session ID provided')
      await (await openSession()).handle(request, response, body)
    },
    announceTools: async () => {
      // Sessions that their clients have ended are still in the map, and have nobody to tell.
      await Promise.allSettled([...sessions.values()].map(async (session) => session.announceTools()))
    },
    forgetSessions: close,
    close,
  }
}

async function sessionV2(stage: Stage, onsessioninitialized: (id: string) => void): Promise<Session> {
  const server = serverV2(stage)
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized,
  })
  await server.connect(transport)
  return {
    handle: async (request, response, body) => transport.handleRequest(request, response, body),
    announceTools: async () => server.sendToolListChanged(),
    close: async () => server.close(),
  }
}

async function sessionV1(stage: Stage, onsessioninitialized: (id: string) => void): Promise<Session> {
  const server = serverV1(stage)
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized,
  })
  await server.connect(transport)
  return {
    handle: async (request, response, body) => transport.handleRequest(request, response, body),
    announceTools: async () => server.sendToolListChanged(),
    close: async () => server.close(),
  }
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({ jsonrpc: '2.0', error: { code: status === 404 ? -32001 : -32000, message }, id: null }),
  )
}
