import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GatewayError } from '../../errors.ts'
import { toRefusal } from '../../filters/rescue.ts'
import type { Route } from '../../pipeline/call.ts'
import { eraOf } from '../../protocol/ladder.ts'
import { type BadMessage, errorText, parseMessage } from '../../protocol/message.ts'
import { isBatch } from '../legacy/batch.ts'
import { ANONYMOUS, type ListenerPorts } from '../ports.ts'
import { type AddressLimit, addressLimit } from './address-limit.ts'
import { readBody } from './body.ts'
import { watchConnections } from './connections.ts'
import { type ClientReader, clientReader } from './client-address.ts'
import { acceptableOf, headerReader, isJson } from './headers.ts'
import { type LegacyHttp, legacyHttp } from './legacy.ts'
import { type ModernHttp, type Post, modernHttp } from './modern.ts'
import { originCheck } from './origin.ts'
import { writeJson } from './responder.ts'
import { type SseHttp, sseHttp } from './sse.ts'
import { createStreamCount } from './stream-count.ts'

/** A bound HTTP listener. */
export interface HttpListener {
  readonly host: string
  readonly port: number
  /** Legacy client sessions that are open. */
  readonly sessions: () => number
  /** Stops accepting; connections close as soon as they are idle. */
  drain(): void
  /** Ends every connection. */
  close(): Promise<void>
}

/** Whether the gateway is ready for traffic, asked by `/readyz`. */
export type Readiness = () => boolean

/** Milliseconds between two looks at how long headers take; Node's own 30 s would make the timeout three times as long. */
const CHECK_INTERVAL = 1000
const KEEP_ALIVE_TIMEOUT = 65_000
const MAX_HEADER_BYTES = 32_768

/**
 * Binds the HTTP listener.
 *
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function listenHttp(ports: ListenerPorts, isReady: Readiness): Promise<HttpListener> {
  const front = new Front(ports, isReady)
  const { limits } = ports.settings
  const server = createServer({
    ...(limits.headerTimeout === undefined ? {} : { headersTimeout: limits.headerTimeout }),
    connectionsCheckingInterval: CHECK_INTERVAL,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    maxHeaderSize: MAX_HEADER_BYTES,
    // Bodies have their own timeout; an answer may take as long as its backend may.
    requestTimeout: 0,
    noDelay: true,
  })
  const connections = watchConnections(server, limits, ports.clock)
  server.on('request', (request, response) => {
    if (connections.isSurplus(request.socket)) front.serveSurplus(request, response)
    else front.serve(request, response)
  })
  const { host, port } = ports.settings.listen
  await bind(server, host, port)
  const address = server.address() as AddressInfo
  return {
    host,
    port: address.port,
    sessions: () => front.sessions,
    drain() {
      front.drain()
      server.close()
      server.closeIdleConnections()
    },
    async close() {
      front.close(new GatewayError('DRAINING', 'The gateway is shutting down'))
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

function bind(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, host, () => {
    server.off('error', reject)
    resolve()
  })
  return promise
}

/** Takes every request to what serves it. */
class Front {
  draining = false
  readonly #ports: ListenerPorts
  readonly #isReady: Readiness
  readonly #checkOrigin: ReturnType<typeof originCheck>
  readonly #clientOf: ClientReader
  /** Undefined where it is off. */
  readonly #addressLimit: AddressLimit | undefined
  readonly #routes: ReadonlyMap<string, Route>
  readonly #modern: ModernHttp
  readonly #legacy: LegacyHttp
  readonly #sse: SseHttp

  constructor(ports: ListenerPorts, isReady: Readiness) {
    this.#ports = ports
    this.#isReady = isReady
    this.#checkOrigin = originCheck(ports.settings)
    this.#clientOf = clientReader(ports.settings)
    const { requestsPerAddress } = ports.settings.limits
    this.#addressLimit = requestsPerAddress && addressLimit(requestsPerAddress, ports.clock)
    this.#routes = routesOf(ports.backends)
    this.#modern = modernHttp(ports)
    const listeners = createStreamCount(ports.settings.limits.streams)
    this.#legacy = legacyHttp(ports, listeners)
    this.#sse = sseHttp(ports, listeners)
  }

  get sessions(): number {
    return this.#legacy.sessions + this.#sse.sessions
  }

  drain(): void {
    this.draining = true
    this.#legacy.drain()
    this.#sse.drain()
  }

  close(reason: GatewayError): void {
    this.#legacy.close(reason)
    this.#sse.close(reason)
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    try {
      if (!this.#isProbe(request, response)) this.#handle(request, response)
    } catch (error) {
      this.#refuse(response, error, undefined)
    }
  }

  /** On a connection for which there is no place: whoever asks for our health is answered, everybody else refused. */
  serveSurplus(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('connection', 'close')
    try {
      if (this.#isProbe(request, response)) return
      throw new GatewayError('TOO_MANY', 'Too many connections are open', { retryAfterMs: 1000 })
    } catch (error) {
      this.#refuse(response, error, undefined)
    }
  }

  /** Whether the gateway was asked how it is, and has said so: however busy it is. */
  #isProbe(request: IncomingMessage, response: ServerResponse): boolean {
    const { headers } = request
    if (this.draining) response.setHeader('connection', 'close')
    this.#checkOrigin(headers.origin, headers.host)
    const path = pathOf(request)
    if (path === '/healthz') plain(response, 200, 'ok')
    else if (path !== '/readyz') return false
    else if (this.#isReady()) plain(response, 200, 'ready')
    else plain(response, 503, 'not ready')
    return true
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { headers } = request
    const path = pathOf(request)
    const client = this.#clientOf(request)
    this.#addressLimit?.(client.address)
    const accept = acceptableOf(headers.accept)
    const exchange = { request, response, principal: ANONYMOUS, client, accept }
    if (this.#isSse(path, exchange)) return
    const post: Post = { ...exchange, route: this.#routes.get(path) ?? unknownRoute(path) }
    if (request.method === 'POST') {
      this.#checkPost(post)
      if (beginsWork(headers)) this.#ports.overload?.admit()
      this.#post(post).catch((error: unknown) => this.#refuse(response, error, undefined))
      return
    }
    if (headers['mcp-session-id'] !== undefined) {
      if (request.method === 'GET') return this.#legacy.get(post)
      if (request.method === 'DELETE') return this.#legacy.delete(post)
    }
    throw methodNotAllowed(request, 'POST, DELETE')
  }

  /** Whether the exchange was one of the transport of 2024-11-05, and has been taken care of. */
  #isSse(path: string, exchange: Omit<Post, 'route'>): boolean {
    const { request, response } = exchange
    const route = this.#sse.routeOf(path)
    if (route !== undefined) {
      if (request.method !== 'GET') throw methodNotAllowed(request, 'GET')
      this.#ports.overload?.admit()
      this.#sse.open({ ...exchange, route })
      return true
    }
    if (!this.#sse.takesMessages(path)) return false
    if (request.method !== 'POST') throw methodNotAllowed(request, 'POST')
    if (!isJson(request.headers['content-type'])) throw notJson()
    const post: Post = { ...exchange, route: { kind: 'aggregate' } }
    readBody(request, this.#ports.settings.limits, this.#ports.clock)
      .then((text) => this.#sse.message(post, text))
      .catch((error: unknown) => this.#refuse(response, error, undefined))
    return true
  }

  #checkPost(post: Post): void {
    if (!isJson(post.request.headers['content-type'])) {
      throw notJson()
    }
    if (!post.accept.json && !post.accept.events) {
      throw new GatewayError('NOT_ACCEPTABLE', 'Accept must list application/json and text/event-stream')
    }
  }

  async #post(post: Post): Promise<void> {
    const { request } = post
    const { limits } = this.#ports.settings
    const text = await readBody(request, limits, this.#ports.clock)
    // Only sessions of one legacy revision know batches; without a session it is no message at all.
    if (isBatch(text) && request.headers['mcp-session-id'] !== undefined)
      return this.#legacy.batch(post, text)
    const message = parseMessage(text, { maxDepth: limits.depth })
    if (message.kind === 'bad') return this.#refuse(post.response, badMessage(message), message.id)
    if (eraOf(message, headerReader(request)('mcp-protocol-version')) === 'legacy') {
      const id = message.kind === 'request' ? text.slice(message.id.start, message.id.end) : undefined
      try {
        if (id !== undefined && !beginsWork(request.headers)) this.#ports.overload?.admit()
        return await this.#legacy.message(post, message)
      } catch (error) {
        return this.#refuse(post.response, error, id)
      }
    }
    if (message.kind === 'request') return this.#modern.request(post, message)
    if (message.kind === 'notification') this.#modern.notification(post, message)
  }

  #refuse(response: ServerResponse, error: unknown, id: string | undefined): void {
    const refusal = toRefusal(error, this.#ports.log)
    if (response.headersSent || response.destroyed) return void response.destroy()
    // Nobody reads on for a body that is of no use any more: it might never end.
    if (!response.req.complete) response.setHeader('connection', 'close')
    const text = errorText(id, refusal.error)
    writeJson(response, text, refusal)
  }
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** The routes by path, so that a request finds its own with one look-up. */
function routesOf(backends: readonly string[]): ReadonlyMap<string, Route> {
  const single = backends.map((backend): [string, Route] => [`/mcp/${backend}`, { kind: 'backend', backend }])
  return new Map<string, Route>([['/mcp', { kind: 'aggregate' }], ...single])
}

/** A backend that is not configured is refused where names are known. */
function unknownRoute(path: string): Route {
  const backend = /^\/mcp\/([^/]+)$/.exec(path)?.[1]
  if (backend !== undefined) return { kind: 'backend', backend }
  throw new GatewayError('UNKNOWN_PATH', 'Nothing is served at this path: use /mcp or /mcp/<backend>')
}

function methodNotAllowed(request: IncomingMessage, allow: string): GatewayError {
  const message = `${request.method ?? '?'} is not served here: POST JSON-RPC messages`
  return new GatewayError('METHOD_NOT_ALLOWED', message, { headers: { allow } })
}

function notJson(): GatewayError {
  return new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'Content-Type must be application/json')
}

function badMessage(message: BadMessage): GatewayError {
  if (message.problem === 'json') return new GatewayError('PARSE_ERROR', `Parse error: ${message.reason}`)
  return new GatewayError('INVALID_REQUEST', `Invalid request: ${message.reason}`)
}

/**
 * Whether the headers show already that a POST begins something. In a session it may as well answer a question or cancel
 * a call, which ends work: that is seen in its body.
 */
function beginsWork(headers: IncomingMessage['headers']): boolean {
  const method = headers['mcp-method']
  if (headers['mcp-session-id'] !== undefined) return false
  return typeof method !== 'string' || !method.startsWith('notifications/')
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}
