import { randomUUID } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import type { Route } from '../../pipeline/call.ts'
import { parseMessage } from '../../protocol/message.ts'
import { encodeSse } from '../../protocol/sse.ts'
import { isBatch } from '../legacy/batch.ts'
import { type LegacyPipe, createLegacyPipe } from '../legacy/pipe.ts'
import type { ListenerPorts } from '../ports.ts'
import { openEvents } from './event-writer.ts'
import type { Post } from './modern.ts'
import type { StreamCount } from './stream-count.ts'

/** Serves the HTTP+SSE transport (2024-11-05, basic/transports "HTTP with SSE"): a stream is a session. */
export interface SseHttp {
  /** The route of a path that opens streams; undefined for any other path. */
  routeOf(path: string): Route | undefined
  /** Whether messages are posted to that path. */
  takesMessages(path: string): boolean
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
  readonly end: () => void
}

const MESSAGES = '/messages'

/** Creates the HTTP+SSE side of the listener. */
export function sseHttp(ports: ListenerPorts, listeners: StreamCount): SseHttp {
  return new SseSessions(ports, listeners)
}

class SseSessions implements SseHttp {
  readonly #ports: ListenerPorts
  readonly #listeners: StreamCount
  readonly #sessions = new Map<string, Opened>()

  constructor(ports: ListenerPorts, listeners: StreamCount) {
    this.#ports = ports
    this.#listeners = listeners
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

  takesMessages(path: string): boolean {
    return this.#ports.settings.sse && path === MESSAGES
  }

  open(post: Post): void {
    const { response, principal, route } = post
    const { clock, settings } = this.#ports
    if (this.#sessions.size >= settings.limits.sessions)
      throw new GatewayError('TOO_MANY', 'Too many sessions are open', { retryAfterMs: 5000 })
    const id = randomUUID()
    // There is nobody to be told apart by a session that is only now made.
    const leave = principal.anonymous ? () => undefined : this.#listeners.enter(principal.id)
    const writer = openEvents(response, {
      clock,
      queue: settings.limits.queue,
      onOverflow: () => response.destroy(),
      // The stream is all that there is: without it nothing can be answered.
      onClose: () => {
        leave()
        this.#sessions.delete(id)
        pipe.close(new GatewayError('CANCELLED', 'The client closed its stream'))
      },
    })
    const write = (text: string): Promise<void> | undefined => writer.write(encodeSse(text))
    const { address } = post.client
    const options = { id, principal, route, transport: 'http', address, write } as const
    const pipe = createLegacyPipe(options, this.#ports)
    this.#sessions.set(id, { pipe, principal: principal.id, end: () => writer.end() })
    void writer.write(`event: endpoint\ndata: ${MESSAGES}?sessionId=${id}\n\n`)
  }

  message(post: Post, text: string): void {
    const { request, response, principal } = post
    const id = new URL(request.url ?? '/', 'http://gateway.invalid').searchParams.get('sessionId')
    const opened = this.#sessions.get(id ?? '')
    // A session of somebody else is as unknown as one that never was.
    if (opened === undefined || opened.principal !== principal.id)
      throw new GatewayError('SESSION_NOT_FOUND', 'Session not found')
    if (isBatch(text)) void opened.pipe.takeBatch(text)
    else {
      const message = parseMessage(text, { maxDepth: this.#ports.settings.limits.depth })
      if (message.kind === 'bad') {
        const code = message.problem === 'json' ? 'PARSE_ERROR' : 'INVALID_REQUEST'
        throw new GatewayError(code, message.reason)
      }
      void opened.pipe.take(message)
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
