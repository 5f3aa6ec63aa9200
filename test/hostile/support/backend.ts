import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { readHeaders } from './wire.ts'

/** A request as a backend got it. */
export interface Received {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** The exact body. */
  readonly body: string
  /** The JSON-RPC method, `''` where there is none. */
  readonly rpc: string
  /** The raw JSON of the id, `''` where there is none. */
  readonly id: string
}

/** The connection that a request came on. */
export interface Reply {
  readonly socket: Socket
  /** A whole response with a JSON body. */
  json(body: string | Uint8Array, options?: ReplyOptions): void
  /** The head of an event stream that ends with the connection, and the first events. */
  events(...data: readonly string[]): void
  /** One more event. */
  event(data: string): boolean
  /** Any bytes. */
  raw(bytes: string | Uint8Array): void
  end(): void
  reset(): void
}

/** What differs from 200 and JSON. */
export interface ReplyOptions {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** What a backend does with a request. */
export type Behaviour = (received: Received, reply: Reply) => void

/** A server made of sockets, which may do what no HTTP library would let it do. */
export interface RawBackend {
  readonly url: string
  /** Every request so far. */
  readonly received: readonly Received[]
  /** What it does from now on. */
  behave(behaviour: Behaviour): void
  /** Connections that are open. */
  readonly connections: number
  /** Stops listening and resets every connection. */
  stop(): Promise<void>
  /** Listens again, on the same port. */
  restart(): Promise<void>
}

/** Listens on a port of 127.0.0.1; 0 lets the system choose. */
export async function rawBackend(initial: Behaviour, wanted = 0): Promise<RawBackend> {
  let behaviour = initial
  const received: Received[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket)
    // The gateway may close whenever it likes.
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    let pending = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      for (;;) {
        const found = readRequest(pending)
        if (found === undefined) return
        pending = pending.subarray(found.length)
        received.push(found.received)
        behaviour(found.received, replyOn(socket))
      }
    })
  })
  server.listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    received,
    behave: (next) => {
      behaviour = next
    },
    get connections() {
      return sockets.size
    },
    async stop() {
      for (const socket of sockets) socket.resetAndDestroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
    async restart() {
      if (server.listening) return
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    },
  }
}

function readRequest(bytes: Buffer): { readonly received: Received; readonly length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const [requestLine = '', ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n')
  const headers = readHeaders(lines)
  const length = headEnd + 4 + Number(headers['content-length'] ?? 0)
  if (bytes.length < length) return undefined
  const body = bytes.subarray(headEnd + 4, length).toString('utf8')
  const rpc = body === '' ? {} : (JSON.parse(body) as { method?: unknown })
  return {
    received: {
      method: requestLine.split(' ')[0] ?? '',
      headers,
      body,
      rpc: typeof rpc.method === 'string' ? rpc.method : '',
      // The gateway's own ids are integers.
      id: /"id"\s*:\s*(\d+|"[^"]*")/.exec(body)?.[1] ?? '',
    },
    length,
  }
}

function replyOn(socket: Socket): Reply {
  const event = (data: string): boolean =>
    socket.write(
      `event: message\n${data
        .split('\n')
        .map((line) => `data: ${line}\n`)
        .join('')}\n`,
    )
  return {
    socket,
    json(body, { status = 200, headers = {} } = {}) {
      const bytes = Buffer.from(body)
      const all = { 'content-type': 'application/json', 'content-length': String(bytes.length), ...headers }
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
      socket.write(Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\n${lines.join('')}\r\n`), bytes]))
    },
    events(...data) {
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n')
      for (const each of data) event(each)
    },
    event,
    raw: (bytes) => void socket.write(bytes),
    end: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
  }
}

/** A good answer to a request of either era, of a server with these tools. */
export interface GoodServer {
  readonly era: 'modern' | 'legacy'
  /** Raw JSON of the tools. */
  readonly tools: string
}

const SERVER_INFO = '{"name":"raw","version":"1"}'

/** A tool without arguments. */
export const ECHO = '{"name":"echo","inputSchema":{"type":"object"}}'

/** The text of a result that a well-behaved server answers with; undefined for what it does not know. */
export function goodResult({ era, tools }: GoodServer, rpc: string): string | undefined {
  const cached = era === 'modern' ? '"resultType":"complete","ttlMs":0,"cacheScope":"public",' : ''
  switch (rpc) {
    case 'server/discover':
      if (era === 'legacy') return undefined
      return `{${cached}"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":${SERVER_INFO}}}`
    case 'initialize':
      if (era === 'modern') return undefined
      return `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":${SERVER_INFO}}`
    case 'tools/list':
      return `{${cached}"tools":[${tools}]}`
    case 'tools/call':
      return `{${era === 'modern' ? '"resultType":"complete",' : ''}"content":[{"type":"text","text":"served"}]}`
    default:
      return undefined
  }
}

/** A well-behaved server. */
export function good(server: GoodServer): Behaviour {
  return ({ rpc, id, method }, reply) => {
    if (method !== 'POST') return reply.json('', { status: 405 })
    const result = goodResult(server, rpc)
    if (result !== undefined) {
      const session = rpc === 'initialize' ? { headers: { 'mcp-session-id': 'raw-session' } } : {}
      return reply.json(response(id, `"result":${result}`), session)
    }
    if (id === '') return reply.json('', { status: 202 })
    // A legacy server knows nothing before `initialize`.
    reply.json(response(id, '"error":{"code":-32601,"message":"Method not found"}'), {
      status: server.era === 'modern' ? 404 : 400,
    })
  }
}

/** A response as text. */
export function response(id: string, members: string): string {
  return `{"jsonrpc":"2.0","id":${id},${members}}`
}

/** Good, except where one method is asked for. */
export function except(rpc: string, behaviour: Behaviour, server: GoodServer): Behaviour {
  const otherwise = good(server)
  return (received, reply) => (received.rpc === rpc ? behaviour : otherwise)(received, reply)
}
