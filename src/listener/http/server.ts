import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GatewayError, toGatewayError } from '../../errors.ts'
import { toRefusal } from '../../filters/rescue.ts'
import type { Route } from '../../pipeline/call.ts'
import { eraOf } from '../../protocol/ladder.ts'
import { type BadMessage, errorText, parseMessage } from '../../protocol/message.ts'
import { isBatch } from '../legacy/batch.ts'
import type { ListenerPorts } from '../ports.ts'
import { type AddressLimit, addressLimit } from './address-limit.ts'
import { readBody } from './body.ts'
import { type RefusedAt, challengeHeaders } from './challenge.ts'
import { type ClientReader, clientReader } from './client-address.ts'
import { watchConnections } from './connections.ts'
import { acceptableOf, headerReader, isJson } from './headers.ts'
import { type LegacyHttp, legacyHttp } from './legacy.ts'
import { type ModernHttp, type Post, modernHttp } from './modern.ts'
import { type OriginCheck, originCheck } from './origin.ts'
import { writeJson } from './responder.ts'
import { type SseHttp, sseHttp } from './sse.ts'
import { type OpenCounts, createOpenCounts } from './owner-count.ts'

/** A bound HTTP listener. */
export interface HttpListener {
  readonly host: string
  readonly port: number
  /** Legacy client sessions that are open. */
  readonly sessions: () => number
  /** Event streams that legacy clients hold open for what belongs to no call. */
  readonly streams: () => number
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
/**
 * Milliseconds of silence before TCP asks whether the peer is there: ten times, a second apart. Shorter than the pause
 * between two comments of an event stream, because what is unacknowledged stops the asking for a quarter of an hour.
 */
const TCP_KEEP_ALIVE = 10_000
/** Headers of a request. */
const MOST_HEADERS = 200
/** Characters of a path with its query. */
const LONGEST_URL = 8192

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
    maxHeaderSize: ports.settings.limits.headers,
    // Of two Host headers Node would drop the second without a word; joined they are seen, and refused.
    joinDuplicateHeaders: true,
    // Bodies have their own timeout; an answer may take as long as its backend may.
    requestTimeout: 0,
    noDelay: true,
    // A peer that is gone without a word does not acknowledge this: its connection ends, and what it held with it.
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE,
  })
  // Beyond it, Node refuses by itself or, before version 26, drops headers in silence: ours has to come first.
  server.maxHeadersCount = 2 * MOST_HEADERS
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
    streams: () => front.streams,
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
  readonly #checkOrigin: OriginCheck
  readonly #clientOf: ClientReader
  /** Undefined where it is off. */
  readonly #addressLimit: AddressLimit | undefined
  readonly #routes: ReadonlyMap<string, Route>
  readonly #modern: ModernHttp
  readonly #legacy: LegacyHttp
  readonly #sse: SseHttp
  readonly #counts: OpenCounts

  constructor(ports: ListenerPorts, isReady: Readiness) {
    this.#ports = ports
    this.#isReady = isReady
    this.#checkOrigin = originCheck(ports.settings)
    this.#clientOf = clientReader(ports.settings)
    const { requestsPerAddress } = ports.settings.limits
    this.#addressLimit = requestsPerAddress && addressLimit(requestsPerAddress, ports.clock)
    this.#routes = routesOf(ports.backends)
    this.#modern = modernHttp(ports)
    const counts = createOpenCounts(ports.settings.limits)
    this.#counts = counts
    this.#legacy = legacyHttp(ports, counts)
    this.#sse = sseHttp(ports, counts)
  }

  get sessions(): number {
    return this.#legacy.sessions + this.#sse.sessions
  }

  get streams(): number {
    return this.#counts.streams.open
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
      this.#refuse({ request, response }, error)
    }
  }

  /** On a connection for which there is no place: whoever asks for our health is answered, everybody else refused. */
  serveSurplus(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('connection', 'close')
    try {
      if (this.#isProbe(request, response)) return
      throw new GatewayError('TOO_MANY', 'Too many connections are open', { retryAfterMs: 1000 })
    } catch (error) {
      this.#refuse({ request, response }, error)
    }
  }

  /** Whether that was all: the gateway was asked how it is, or a browser what it may send. However busy it is. */
  #isProbe(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.draining) response.setHeader('connection', 'close')
    checkSize(request)
    const path = pathOf(request)
    if (this.#checkOrigin(request, response, path)) return true
    if (path === '/healthz') plain(response, 200, 'ok')
    else if (path !== '/readyz') return false
    else if (this.#isReady()) plain(response, 200, 'ready')
    else plain(response, 503, 'not ready')
    return true
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const path = pathOf(request)
    const client = this.#clientOf(request)
    this.#addressLimit?.(client.address)
    if (path.startsWith('/.well-known/')) return this.#metadata(request, response, path)
    const { face, route } = this.#placeOf(path, request)
    const at = { request, response, route, client }
    const principal = this.#ports.door.authenticate(request, route)
    if (!(principal instanceof Promise)) return this.#enter(face, { ...at, principal })
    principal
      .then((someone) => this.#enter(face, { ...at, principal: someone }))
      .catch((error: unknown) => this.#refuse(at, error))
  }

  #metadata(request: IncomingMessage, response: ServerResponse, path: string): void {
    const document = this.#ports.door.metadata(request, path)
    if (document === undefined) throw unknownPath()
    if (request.method !== 'GET') throw methodNotAllowed(request, 'GET')
    const headers = { 'cache-control': 'max-age=300', vary: 'Host, Origin' }
    writeJson(response, document, { status: 200, headers })
  }

  /** What serves a path, and as which resource: known before anybody is asked who they are. */
  #placeOf(path: string, request: IncomingMessage): { readonly face: Face; readonly route: Route } {
    const stream = this.#sse.routeOf(path)
    if (stream !== undefined) return { face: 'stream', route: stream }
    const session = this.#sse.messageRouteOf(path, request.url ?? path)
    if (session !== undefined) return { face: 'messages', route: session }
    return { face: 'mcp', route: this.#routes.get(path) ?? unknownRoute(path) }
  }

  /** Serves whom the door let in. */
  #enter(face: Face, exchange: Admitted): void {
    const { request, response } = exchange
    // Whoever had to wait at the door may have left.
    if (response.destroyed) return
    if (request.method !== 'POST') this.#ports.door.checkContent(request, exchange.principal, '')
    const post: Post = { ...exchange, accept: acceptableOf(request.headers.accept) }
    if (face === 'stream') {
      if (request.method !== 'GET') throw methodNotAllowed(request, 'GET')
      this.#ports.overload?.admit()
      return this.#sse.open(post)
    }
    if (face === 'messages') return this.#message(post)
    if (request.method === 'POST') {
      this.#checkPost(post)
      if (beginsWork(request.headers)) this.#ports.overload?.admit()
      this.#post(post).catch((error: unknown) => this.#refuse(post, error))
      return
    }
    if (request.headers['mcp-session-id'] !== undefined) {
      if (request.method === 'GET') return this.#legacy.get(post)
      if (request.method === 'DELETE') return this.#legacy.delete(post)
    }
    throw methodNotAllowed(request, 'POST, DELETE')
  }

  #message(post: Post): void {
    const { request } = post
    if (request.method !== 'POST') throw methodNotAllowed(request, 'POST')
    if (!isJson(request.headers['content-type'])) throw notJson()
    this.#read(post)
      .then((text) => this.#sse.message(post, text))
      .catch((error: unknown) => this.#refuse(post, error))
  }

  #checkPost(post: Post): void {
    if (!isJson(post.request.headers['content-type'])) {
      throw notJson()
    }
    if (!post.accept.json && !post.accept.events) {
      throw new GatewayError('NOT_ACCEPTABLE', 'Accept must list application/json and text/event-stream')
    }
  }

  /** The content, once it is known to be what its sender vouches for. */
  async #read({ request, principal }: Post): Promise<string> {
    const { settings, clock, door } = this.#ports
    const text = await readBody(request, settings.limits, clock)
    door.checkContent(request, principal, text)
    return text
  }

  async #post(post: Post): Promise<void> {
    const { request } = post
    const { limits } = this.#ports.settings
    const text = await this.#read(post)
    // Only sessions of one legacy revision know batches; without a session it is no message at all.
    if (isBatch(text) && request.headers['mcp-session-id'] !== undefined)
      return this.#legacy.batch(post, text)
    const message = parseMessage(text, { maxDepth: limits.depth })
    if (message.kind === 'bad') return this.#refuse(post, badMessage(message), message.id)
    if (eraOf(message, headerReader(request)('mcp-protocol-version')) === 'legacy') {
      const id = message.kind === 'request' ? text.slice(message.id.start, message.id.end) : undefined
      try {
        if (id !== undefined && !beginsWork(request.headers)) this.#ports.overload?.admit()
        return await this.#legacy.message(post, message)
      } catch (error) {
        return this.#refuse(post, error, id)
      }
    }
    if (message.kind === 'request') return this.#modern.request(post, message)
    if (message.kind === 'notification') this.#modern.notification(post, message)
  }

  #refuse(at: RefusedAt & { readonly response: ServerResponse }, error: unknown, id?: string): void {
    const { response, request } = at
    const refusal = toRefusal(error, this.#ports.log)
    this.#ports.onRefused?.({
      method: request.method ?? '',
      path: pathOf(request),
      address: this.#clientOf(request).address,
      refusal,
    })
    this.#ports.measures?.requestRefused(toGatewayError(error).code)
    if (response.headersSent || response.destroyed) return void response.destroy()
    // Nobody reads on for a body that is of no use any more: it might never end.
    if (!response.req.complete) response.setHeader('connection', 'close')
    const headers = challengeHeaders(refusal, at, this.#ports.door)
    writeJson(response, errorText(id, refusal.error), { status: refusal.status, headers })
  }
}

/** What serves a path: MCP over Streamable HTTP, or a stream of 2024-11-05, or messages to one. */
type Face = 'mcp' | 'stream' | 'messages'

/** An exchange whose sender is known. */
type Admitted = Omit<Post, 'accept'>

/** The bytes of the head are limited by the parser of Node, which answers 431 by itself. */
function checkSize({ url = '/', rawHeaders }: IncomingMessage): void {
  if (url.length > LONGEST_URL)
    throw new GatewayError('URL_TOO_LONG', `The URL is longer than ${LONGEST_URL} characters`)
  if (rawHeaders.length > 2 * MOST_HEADERS)
    throw new GatewayError('TOO_MANY_HEADERS', `The request has more than ${MOST_HEADERS} headers`)
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
  throw unknownPath()
}

function unknownPath(): GatewayError {
  return new GatewayError('UNKNOWN_PATH', 'Nothing is served at this path: use /mcp or /mcp/<backend>')
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
