/** A service over plain HTTP, as the gateway pattern has them: tools are POSTs. */
import { once } from 'node:events'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { type Journal, createJournal } from './journal.ts'
import type { Scope } from './scope.ts'

/** A request as the service got it, to the byte. */
export interface RestSighting {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** What it answers. A text alone is JSON with status 200. */
export interface RestReply {
  readonly status?: number
  readonly type?: string
  readonly body?: string | Uint8Array
  /** Never answers. */
  readonly hangs?: boolean
}

/** What it does with a request. */
export type RestBehaviour = (seen: RestSighting) => RestReply | undefined

/** A running service. */
export interface RestServer {
  /** Without anything below it. */
  readonly url: string
  readonly journal: Journal<RestSighting>
  /** Calls of tools so far. */
  calls(): readonly RestSighting[]
  /** Requests whose connection ended before they were answered. */
  readonly cancelled: Journal<string>
  /** What it does from now on; what yields undefined is not found. */
  behave(behaviour: RestBehaviour): void
  stop(): Promise<void>
  /** Comes back on the same port. */
  start(): Promise<void>
}

/** Starts a service; port 0 lets the system choose. */
export async function restServer(scope: Scope, first: RestBehaviour, wanted = 0): Promise<RestServer> {
  let behaviour = first
  const journal = createJournal<RestSighting>('the service')
  const cancelled = createJournal<string>('the service, cancelled')
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readText(request)
    const seen = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }
    journal.record(seen)
    const otherwise: RestReply = seen.path.startsWith('/health') ? { body: '{}' } : { status: 404 }
    const { status = 200, type = 'application/json', hangs, ...said } = behaviour(seen) ?? otherwise
    const { body: content = '' } = said
    if (hangs !== true)
      response.writeHead(status, content === '' ? {} : { 'content-type': type }).end(content)
  }
  const open = async (port: number): Promise<Server> => {
    const server = createServer((request, response) => {
      response.on('close', () => {
        if (!response.writableFinished) cancelled.record(request.url ?? '')
      })
      void answer(request, response).catch(() => response.destroy())
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  let server = await open(wanted)
  const { port } = server.address() as AddressInfo
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  scope.after(stop)
  return {
    url: `http://127.0.0.1:${port}`,
    journal,
    cancelled,
    calls: () => journal.entries.filter(({ path }) => path.includes('/tools/')),
    behave: (next) => {
      behaviour = next
    },
    stop,
    async start() {
      server = await open(port)
    },
  }
}

/** The behaviour of a service with one answer for each tool, by the name of the tool as it stands in the path. */
export function answering(tools: Readonly<Record<string, RestReply | RestBehaviour>>): RestBehaviour {
  return (seen) => {
    const name = /^\/tools\/([^/?]+)/.exec(seen.path)?.[1]
    const found = name === undefined ? undefined : tools[name]
    return typeof found === 'function' ? found(seen) : found
  }
}
