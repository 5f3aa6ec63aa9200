import { GatewayError } from '../../errors.ts'
import { toRefusal } from '../../filters/rescue.ts'
import type { Route } from '../../pipeline/call.ts'
import { eraOf } from '../../protocol/ladder.ts'
import { rawOf } from '../../protocol/json.ts'
import { type BadMessage, type Message, errorText, parseMessage } from '../../protocol/message.ts'
import { isBatch } from '../legacy/batch.ts'
import type { ListenerPorts } from '../ports.ts'
import { type AddressLimit, addressLimit } from './address-limit.ts'
import { readBody } from './body.ts'
import { type RefusedAt, challengeHeaders } from './challenge.ts'
import { type ClientReader, clientReader } from './client-address.ts'
import type { HttpRequest, HttpResponse } from './exchange.ts'
import { acceptableOf, headerReader, isJson } from './headers.ts'
import { type LegacyHttp, legacyHttp } from './legacy.ts'
import { type ModernHttp, type Post, modernHttp } from './modern.ts'
import { type OriginCheck, PUBLIC_PATH, originCheck } from './origin.ts'
import { type OpenCounts, createOpenCounts } from './owner-count.ts'
import { writeJson } from './responder.ts'
import { type SseHttp, sseHttp } from './sse.ts'

/** Serves HTTP exchanges, whoever accepts them: the one way in, with every check. */
export interface Front {
  serve(request: HttpRequest, response: HttpResponse): void
  /** On a connection for which there is no place: whoever asks for our health is answered, everybody else refused. */
  serveSurplus(request: HttpRequest, response: HttpResponse): void
  /** Whether the path is one of the gateway's own. Those that ask for its health may be somebody else's too. */
  serves(path: string): boolean
  /** Answers with an error. */
  refuse(request: HttpRequest, response: HttpResponse, error: unknown): void
  /** Legacy client sessions that are open. */
  readonly sessions: number
  /** Event streams that legacy clients hold open for what belongs to no call. */
  readonly streams: number
  /** Ends what would last as long as the sessions themselves. */
  drain(): void
  /** Ends every session, and serves nothing from then on. */
  close(reason: GatewayError): void
}

/** Whether the gateway is ready for traffic, asked by `/readyz`. */
export type Readiness = () => boolean

/** Headers of a request. */
export const MOST_HEADERS = 200
/** Characters of a path with its query. */
const LONGEST_URL = 8192

/** Creates a front, with sessions of its own. */
export function createFront(ports: ListenerPorts, isReady: Readiness): Front {
  return new HttpFront(ports, isReady)
}

/** Takes every request to what serves it. */
class HttpFront implements Front {
  draining = false
  /** Why nothing is served any more; undefined while it is. */
  #closed: GatewayError | undefined
  readonly #ports: ListenerPorts
  readonly #isReady: Readiness
  readonly #checkOrigin: OriginCheck
  readonly #clientOf: ClientReader
  /** Undefined where it is off. */
  readonly #addressLimit: AddressLimit | undefined
  #routes: { readonly backends: readonly string[]; readonly byPath: ReadonlyMap<string, Route> }
  /** Requests for one path follow each other, and a new string is dear to look up. */
  #last: { readonly path: string; readonly route: Route | undefined } | undefined
  readonly #counts: OpenCounts
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
    this.#routes = routesOf(ports.backends())
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
    this.#closed = reason
    this.#legacy.close(reason)
    this.#sse.close(reason)
  }

  serves(path: string): boolean {
    return (
      path === '/mcp' ||
      BACKEND_PATH.test(path) ||
      path.startsWith(PUBLIC_PATH) ||
      this.#sse.routeOf(path) !== undefined ||
      this.#sse.messageRouteOf(path, path) !== undefined
    )
  }

  refuse(request: HttpRequest, response: HttpResponse, error: unknown): void {
    this.#refuse({ request, response }, error)
  }

  serve(request: HttpRequest, response: HttpResponse): void {
    try {
      if (!this.#isProbe(request, response)) this.#handle(request, response)
    } catch (error) {
      this.#refuse({ request, response }, error)
    }
  }

  serveSurplus(request: HttpRequest, response: HttpResponse): void {
    response.setHeader('connection', 'close')
    try {
      if (this.#isProbe(request, response)) return
      throw new GatewayError('TOO_MANY', 'Too many connections are open', { retryAfterMs: 1000 })
    } catch (error) {
      this.#refuse({ request, response }, error)
    }
  }

  /** Whether that was all: the gateway was asked how it is, or a browser what it may send. However busy it is. */
  #isProbe(request: HttpRequest, response: HttpResponse): boolean {
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

  #handle(request: HttpRequest, response: HttpResponse): void {
    // The server of somebody else may go on.
    if (this.#closed !== undefined) throw this.#closed
    const path = pathOf(request)
    const client = this.#clientOf(request)
    this.#addressLimit?.(client.address)
    if (path.startsWith('/.well-known/')) return this.#metadata(request, response, path)
    const { face, route } = this.#placeOf(path, request)
    const principal = this.#ports.door.authenticate(request, route)
    if (!(principal instanceof Promise))
      return this.#enter(face, { request, response, route, client, principal })
    const at = { request, response, route, client }
    this.#follow(
      at,
      principal.then((someone) => this.#enter(face, { ...at, principal: someone })),
    )
  }

  #metadata(request: HttpRequest, response: HttpResponse, path: string): void {
    const document = this.#ports.door.metadata(request, path)
    if (document === undefined) throw unknownPath()
    if (request.method !== 'GET') throw methodNotAllowed(request, 'GET')
    const headers = { 'cache-control': 'max-age=300', vary: 'Host, Origin' }
    writeJson(response, document, { status: 200, headers })
  }

  /** What serves a path, and as which resource: known before anybody is asked who they are. */
  #placeOf(path: string, request: HttpRequest): { readonly face: Face; readonly route: Route } {
    const stream = this.#sse.routeOf(path)
    if (stream !== undefined) return { face: 'stream', route: stream }
    const session = this.#sse.messageRouteOf(path, request.url ?? path)
    if (session !== undefined) return { face: 'messages', route: session }
    return { face: 'mcp', route: this.#routeAt(path) ?? unknownRoute(path) }
  }

  /** The same object for as long as there are the same backends: more is remembered by it. */
  #routeAt(path: string): Route | undefined {
    const backends = this.#ports.backends()
    if (backends !== this.#routes.backends) {
      this.#routes = routesOf(backends)
      this.#last = undefined
    }
    if (this.#last?.path !== path) this.#last = { path, route: this.#routes.byPath.get(path) }
    return this.#last.route
  }

  /** Serves whom the door let in. */
  #enter(face: Face, exchange: Admitted): void {
    const { request, response, route, principal, client } = exchange
    // Whoever had to wait at the door may have left.
    if (response.destroyed) return
    if (request.method !== 'POST') this.#ports.door.checkContent(request, principal, '')
    const accept = acceptableOf(request.headers.accept)
    const post: Post = { request, response, route, principal, client, accept }
    if (face === 'stream') {
      if (request.method !== 'GET') throw methodNotAllowed(request, 'GET')
      this.#ports.overload?.admit()
      return this.#sse.open(post)
    }
    if (face === 'messages') return this.#message(post)
    if (request.method === 'POST') {
      this.#checkPost(post)
      if (beginsWork(request.headers)) this.#ports.overload?.admit()
      return this.#read(post, (text) => this.#received(post, text))
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
    this.#read(post, (text) => this.#sse.message(post, text))
  }

  #checkPost(post: Post): void {
    if (!isJson(post.request.headers['content-type'])) {
      throw notJson()
    }
    if (!post.accept.json && !post.accept.events) {
      throw new GatewayError('NOT_ACCEPTABLE', 'Accept must list application/json and text/event-stream')
    }
  }

  /** Hands the body on. Nothing of it counts before it is known to be what its sender vouches for. */
  #read(post: Post, take: (text: string) => void): void {
    const { settings, clock, door } = this.#ports
    const ports = { limits: settings.limits, clock }
    readBody(post.request, ports, {
      take: (text) => {
        try {
          door.checkContent(post.request, post.principal, text)
          take(text)
        } catch (error) {
          this.#refuse(post, error)
        }
      },
      fail: (error) => this.#refuse(post, error),
    })
  }

  #received(post: Post, text: string): void {
    const { request } = post
    // Only sessions of one legacy revision know batches; without a session it is no message at all.
    if (isBatch(text) && request.headers['mcp-session-id'] !== undefined)
      return this.#follow(post, this.#legacy.batch(post, text))
    const message = parseMessage(text, { maxDepth: this.#ports.settings.limits.depth })
    if (message.kind === 'bad') return this.#refuse(post, badMessage(message), message.id)
    if (eraOf(message, headerReader(request)('mcp-protocol-version')) === 'legacy')
      return this.#follow(post, this.#legacyMessage(post, message), idOf(message))
    if (message.kind === 'request') this.#follow(post, this.#modern.request(post, message))
    else if (message.kind === 'notification') this.#modern.notification(post, message)
  }

  async #legacyMessage(post: Post, message: Message): Promise<void> {
    if (message.kind === 'request' && !beginsWork(post.request.headers)) this.#ports.overload?.admit()
    await this.#legacy.message(post, message)
  }

  /** Answers with what the work fails of; otherwise it has answered by itself. */
  #follow(post: RefusedAt & { readonly response: HttpResponse }, work: Promise<void>, id?: string): void {
    work.catch((error: unknown) => this.#refuse(post, error, id))
  }

  #refuse(at: RefusedAt & { readonly response: HttpResponse }, error: unknown, id?: string): void {
    const { response, request } = at
    const refusal = toRefusal(error, this.#ports.log)
    this.#ports.onRefused?.({
      method: request.method ?? '',
      path: pathOf(request),
      address: this.#clientOf(request).address,
      refusal,
    })
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
function checkSize({ url = '/', rawHeaders }: HttpRequest): void {
  if (url.length > LONGEST_URL)
    throw new GatewayError('URL_TOO_LONG', `The URL is longer than ${LONGEST_URL} characters`)
  if (rawHeaders.length > 2 * MOST_HEADERS)
    throw new GatewayError('TOO_MANY_HEADERS', `The request has more than ${MOST_HEADERS} headers`)
}

function pathOf(request: HttpRequest): string {
  const url = request.url ?? '/'
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}

/** The routes by path, so that a request finds its own with one look-up. */
function routesOf(backends: readonly string[]): {
  readonly backends: readonly string[]
  readonly byPath: ReadonlyMap<string, Route>
} {
  const single = backends.map((backend): [string, Route] => [`/mcp/${backend}`, { kind: 'backend', backend }])
  return { backends, byPath: new Map<string, Route>([['/mcp', { kind: 'aggregate' }], ...single]) }
}

const BACKEND_PATH = /^\/mcp\/([^/]+)$/

/** A backend that is not configured is refused where names are known. */
function unknownRoute(path: string): Route {
  const backend = BACKEND_PATH.exec(path)?.[1]
  if (backend !== undefined) return { kind: 'backend', backend }
  throw unknownPath()
}

function unknownPath(): GatewayError {
  return new GatewayError('UNKNOWN_PATH', 'Nothing is served at this path: use /mcp or /mcp/<backend>')
}

function methodNotAllowed(request: HttpRequest, allow: string): GatewayError {
  const message = `${request.method ?? '?'} is not served here: POST JSON-RPC messages`
  return new GatewayError('METHOD_NOT_ALLOWED', message, { headers: { allow } })
}

function notJson(): GatewayError {
  return new GatewayError('UNSUPPORTED_MEDIA_TYPE', 'Content-Type must be application/json')
}

/** The raw id of a request. */
function idOf(message: Message): string | undefined {
  return message.kind === 'request' ? rawOf(message.text, message.id) : undefined
}

function badMessage(message: BadMessage): GatewayError {
  if (message.problem === 'json') return new GatewayError('PARSE_ERROR', `Parse error: ${message.reason}`)
  return new GatewayError('INVALID_REQUEST', `Invalid request: ${message.reason}`)
}

/**
 * Whether the headers show already that a POST begins something. In a session it may as well answer a question or cancel
 * a call, which ends work: that is seen in its body.
 */
function beginsWork(headers: HttpRequest['headers']): boolean {
  const method = headers['mcp-method']
  if (headers['mcp-session-id'] !== undefined) return false
  return typeof method !== 'string' || !method.startsWith('notifications/')
}

function plain(response: HttpResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}
