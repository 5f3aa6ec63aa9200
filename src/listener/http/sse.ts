import { randomUUID } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import type { Route } from '../../pipeline/call.ts'
import { parseMessage } from '../../protocol/message.ts'
import { encodeSse } from '../../protocol/sse.ts'
import { isBatch } from '../legacy/batch.ts'
import { type LegacyPipe, createLegacyPipe } from '../legacy/pipe.ts'
import type { ListenerPorts } from '../ports.ts'
import { openEvents } from './event-writer.ts'
import type { HttpRequest } from './exchange.ts'
import type { Post } from './modern.ts'
import type { OpenCounts } from './owner-count.ts'

/** Serves the HTTP+SSE transport (2024-11-05, basic/transports "HTTP with SSE"): a stream is a session. */
export interface SseHttp {
  /** The route of a path that opens streams; undefined for any other path. */
  routeOf(path: string): Route | undefined
  /** The route of the session that messages to a URL are for; undefined where it takes none. */
  messageRouteOf(path: string, url: string): Route | undefined
  /** GET: opens a stream. @throws GatewayError */
  open(post: Post): void
  /** POST of one message to the session in the query. @throws GatewayError */
  message(post: Post, text: string): void
  /** Sessions that are open. */
  readonly sessions: number
  drain(): void
  close(reason: GatewayError): void
}

interface Opened {
  readonly pipe: LegacyPipe
  readonly principal: string
  readonly route: Route
  readonly end: () => void
}

const MESSAGES = '/messages'

/** Creates the HTTP+SSE side of the listener. */
export function sseHttp(ports: ListenerPorts, counts: OpenCounts): SseHttp {
  return new SseSessions(ports, counts)
}

class SseSessions implements SseHttp {
  readonly #ports: ListenerPorts
  readonly #counts: OpenCounts
  readonly #sessions = new Map<string, Opened>()

  constructor(ports: ListenerPorts, counts: OpenCounts) {
    this.#ports = ports
    this.#counts = counts
  }

  get sessions(): number {
    return this.#sessions.size
  }

  routeOf(path: string): Route | undefined {
    if (!this.#ports.settings.sse) return undefined
    if (path === '/sse') return { kind: 'aggregate' }
    const backend = /^\/sse\/([^/]+)$/.exec(path)?.[1]
    return backend === undefined ? undefined : { kind: 'backend', backend }
  }

  messageRouteOf(path: string, url: string): Route | undefined {
    if (!this.#ports.settings.sse || path !== MESSAGES) return undefined
    return this.#sessions.get(sessionOf(url))?.route ?? { kind: 'aggregate' }
  }

  open(post: Post): void {
    const { response, principal, route } = post
    const { clock, settings } = this.#ports
    if (this.#sessions.size >= settings.limits.sessions)
      throw new GatewayError('TOO_MANY', 'Too many sessions are open', { retryAfterMs: 5000 })
    const id = randomUUID()
    // Its stream counts for the session too. There is nobody to be told apart by one that is only now made.
    const leave = principal.anonymous ? () => undefined : this.#counts.streams.enter(principal.id)
    const writer = openEvents(response, {
      clock,
      queue: settings.limits.queue,
      age: settings.limits.streamAge,
      onOverflow: () => response.destroy(),
      // The stream is all that there is: without it nothing can be answered.
      onClose: () => {
        leave()
        letGo()
        this.#sessions.delete(id)
        pipe.close(new GatewayError('CANCELLED', 'The client closed its stream'))
      },
    })
    const letGo = this.#ports.door.holds.enter(principal, () => writer.end())
    const write = (text: string): Promise<void> | undefined => writer.write(encodeSse(text))
    const { address } = post.client
    const options = { id, principal, route, transport: 'http', address, write } as const
    const pipe = createLegacyPipe(options, this.#ports)
    this.#sessions.set(id, { pipe, route, principal: principal.id, end: () => writer.end() })
    void writer.write(`event: endpoint\ndata: ${mountOf(post.request)}${MESSAGES}?sessionId=${id}\n\n`)
  }

  message(post: Post, text: string): void {
    const { request, response, principal } = post
    const opened = this.#sessions.get(sessionOf(request.url ?? '/'))
    // A session of somebody else is as unknown as one that never was.
    if (opened === undefined || opened.principal !== principal.id)
      throw new GatewayError('SESSION_NOT_FOUND', 'Session not found')
    if (isBatch(text)) void opened.pipe.takeBatch(text, principal)
    else {
      const message = parseMessage(text, { maxDepth: this.#ports.settings.limits.depth })
      if (message.kind === 'bad') {
        const code = message.problem === 'json' ? 'PARSE_ERROR' : 'INVALID_REQUEST'
        throw new GatewayError(code, message.reason)
      }
      void opened.pipe.take(message, principal)
    }
    response.writeHead(202).end()
  }

  drain(): void {
    for (const { pipe } of this.#sessions.values()) pipe.session?.drain()
  }

  close(reason: GatewayError): void {
    for (const { pipe, end } of this.#sessions.values()) {
      pipe.close(reason)
      end()
    }
    this.#sessions.clear()
  }
}

/** The place in front of our paths, where a framework mounted the gateway and took it off. */
function mountOf({ originalUrl, url = '/' }: HttpRequest): string {
  return originalUrl?.endsWith(url) === true ? originalUrl.slice(0, -url.length) : ''
}

function sessionOf(url: string): string {
  return new URL(url, 'http://gateway.invalid').searchParams.get('sessionId') ?? ''
}
