import { randomUUID } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import type { Refusal } from '../../filters/rescue.ts'
import type { Route } from '../../pipeline/call.ts'
import type { Message, RequestMessage } from '../../protocol/message.ts'
import { ASSUMED_LEGACY_VERSION, LEGACY_VERSIONS } from '../../protocol/versions.ts'
import { BATCH_VERSION, carryOutBatch, readBatch } from '../legacy/batch.ts'
import type { Outlet } from '../legacy/rounds.ts'
import { type LegacySession, openSession } from '../legacy/session.ts'
import type { ListenerPorts } from '../ports.ts'
import { challengeHeaders, isChallenging } from './challenge.ts'
import { headerReader, traceHeadersOf } from './headers.ts'
import type { Post } from './modern.ts'
import { type JsonHead, writeJson } from './responder.ts'
import { type CallStream, type SessionStreams, createSessionStreams } from './session-streams.ts'
import { type OpenCounts, enterSession } from './owner-count.ts'

/** Serves the legacy era over HTTP: sessions, and answers that outlive a lost connection. */
export interface LegacyHttp {
  /** @throws GatewayError where the message is refused as a whole */
  message(post: Post, message: Message): Promise<void>
  /** A POST whose body is an array. @throws GatewayError where it is refused as a whole */
  batch(post: Post, text: string): Promise<void>
  /** GET: opens or resumes an event stream. @throws GatewayError */
  get(post: Post): void
  /** DELETE: ends a session. @throws GatewayError */
  delete(post: Post): void
  /** Sessions that are open. */
  readonly sessions: number
  /** Ends what would last as long as the sessions themselves. */
  drain(): void
  close(reason: GatewayError): void
}

interface Kept {
  readonly session: LegacySession
  readonly streams: SessionStreams
  /** Takes it out of the count. */
  readonly leave: () => void
  lastUsed: number
}

/** Milliseconds between two looks for sessions that nobody uses, where they are not even shorter-lived. */
const SWEEP = 30_000

/**
 * Creates the legacy side of the HTTP listener.
 *
 * @param counts of what clients have open
 */
export function legacyHttp(ports: ListenerPorts, counts: OpenCounts): LegacyHttp {
  return new SessionHttp(ports, counts)
}

class SessionHttp implements LegacyHttp {
  readonly #ports: ListenerPorts
  readonly #sessions = new Map<string, Kept>()
  readonly #counts: OpenCounts
  #cancelSweep: (() => void) | undefined

  constructor(ports: ListenerPorts, counts: OpenCounts) {
    this.#ports = ports
    this.#counts = counts
  }

  get sessions(): number {
    return this.#sessions.size
  }

  async message(post: Post, message: Message): Promise<void> {
    if (message.kind === 'request' && message.method === 'initialize') return this.#open(post, message)
    const kept = this.#sessionOf(post)
    if (message.kind === 'request') return this.#carryOut(post, kept, message)
    take(kept.session, message)
    post.response.writeHead(202).end()
  }

  async batch(post: Post, text: string): Promise<void> {
    const kept = this.#sessionOf(post)
    if (kept.session.version !== BATCH_VERSION)
      throw new GatewayError('INVALID_REQUEST', `Invalid request: ${kept.session.version} has no batches`)
    const messages = readBatch(text, { maxDepth: this.#ports.settings.limits.depth })
    const stream = kept.streams.answer(post.response, post.accept)
    const out = this.#outletOf(post, stream)
    const responses = await carryOutBatch(messages, {
      request: (message) => kept.session.handle(message, out, post.principal),
      other: (message) => take(kept.session, message),
    })
    kept.lastUsed = this.#ports.clock.now()
    if (responses.length === 0) post.response.writeHead(202).end()
    else stream.end(`[${responses.join(',')}]`)
  }

  get(post: Post): void {
    const kept = this.#sessionOf(post)
    if (!post.accept.events)
      throw new GatewayError('NOT_ACCEPTABLE', 'Accept must list text/event-stream for a GET')
    const { principal } = post
    // Whoever says nothing of themselves is told apart by their session.
    const leave = this.#counts.streams.enter(principal.anonymous ? kept.session.id : principal.id)
    const letGo = this.#ports.door.holds.enter(principal, () => post.response.end())
    post.response.on('close', () => {
      leave()
      letGo()
    })
    const lastEventId = headerReader(post.request)('last-event-id')
    if (lastEventId === undefined) kept.streams.listen(post.response)
    else kept.streams.resume(post.response, lastEventId)
    kept.session.listening(true)
  }

  delete(post: Post): void {
    this.#end(this.#sessionOf(post), new GatewayError('CANCELLED', 'The client ended the session'))
    post.response.writeHead(200).end()
  }

  drain(): void {
    for (const { session } of this.#sessions.values()) session.drain()
  }

  close(reason: GatewayError): void {
    this.#cancelSweep?.()
    for (const kept of this.#sessions.values()) this.#end(kept, reason)
  }

  async #open(post: Post, message: RequestMessage): Promise<void> {
    const { settings, clock } = this.#ports
    if (this.#sessions.size >= settings.limits.sessions) {
      throw new GatewayError('TOO_MANY', 'Too many sessions are open', { retryAfterMs: 5000 })
    }
    const streams = createSessionStreams({
      clock,
      queue: settings.limits.queue,
      age: settings.limits.streamAge,
    })
    const opening = {
      id: randomUUID(),
      principal: post.principal,
      route: post.route,
      transport: 'http' as const,
      address: post.client.address,
      push: (text: string) => streams.push(text),
    }
    const leave = enterSession(this.#counts, post.principal)
    const { session, replyText } = await openSession(message, opening, this.#ports).catch(
      (error: unknown) => {
        leave()
        throw error
      },
    )
    streams.speak(session.version)
    this.#sessions.set(session.id, { session, streams, leave, lastUsed: clock.now() })
    this.#cancelSweep ??= clock.after(this.#pause, () => this.#sweep())
    if (post.response.destroyed) return
    if (post.accept.json) {
      return writeJson(post.response, replyText, { status: 200, headers: { 'mcp-session-id': session.id } })
    }
    post.response.setHeader('mcp-session-id', session.id)
    streams.answer(post.response, post.accept).end(replyText)
  }

  async #carryOut(post: Post, kept: Kept, message: RequestMessage): Promise<void> {
    const stream = kept.streams.answer(post.response, post.accept)
    let head: JsonHead | undefined
    const onRefusal = (refusal: Refusal): void => {
      // 2025-11-25, basic/transports: a message that cannot be accepted is answered with an HTTP error.
      if (!isChallenging(refusal) && refusal.status !== 429) return
      head = { status: refusal.status, headers: challengeHeaders(refusal, post, this.#ports.door) }
    }
    const out = { ...this.#outletOf(post, stream), onRefusal }
    const text = await kept.session.handle(message, out, post.principal)
    kept.lastUsed = this.#ports.clock.now()
    stream.end(text, head)
  }

  /** Input is asked for on the stream of the call, if the client takes one (2025-11-25, basic/transports). */
  #outletOf(post: Post, stream: CallStream): Outlet {
    return {
      send: (notification) => stream.event(notification.text),
      write: post.accept.events ? (text) => void stream.event(text) : undefined,
      trace: this.#ports.traced === true ? traceHeadersOf(post.request) : undefined,
    }
  }

  #sessionOf(post: Post): Kept {
    const id = headerReader(post.request)('mcp-session-id')
    if (id === undefined) throw new GatewayError('SESSION_REQUIRED', 'The request has no Mcp-Session-Id')
    const kept = this.#sessions.get(id)
    // A session of somebody else is as unknown as one that never was.
    if (kept === undefined || !owns(post, kept.session)) throw gone()
    kept.lastUsed = this.#ports.clock.now()
    checkVersion(post)
    return kept
  }

  #end(kept: Kept, reason: GatewayError): void {
    this.#sessions.delete(kept.session.id)
    kept.leave()
    kept.session.close(reason)
    kept.streams.close()
  }

  #sweep(): void {
    const { clock, settings } = this.#ports
    this.#cancelSweep = undefined
    const limit = clock.now() - settings.sessionIdle
    for (const kept of this.#sessions.values()) {
      const { session, streams } = kept
      streams.prune()
      if (streams.listeners > 0) continue
      // Nobody would see what is told; the resources that were subscribed to stay so.
      session.listening(false)
      if (kept.lastUsed < limit && session.inFlight === 0) this.#end(kept, gone())
    }
    if (this.#sessions.size > 0) this.#cancelSweep = clock.after(this.#pause, () => this.#sweep())
  }

  get #pause(): number {
    return Math.min(SWEEP, this.#ports.settings.sessionIdle)
  }
}

function take(session: LegacySession, message: Exclude<Message, RequestMessage>): void {
  if (message.kind === 'notification') session.notify(message)
  else session.answer(message)
}

function owns(post: Post, session: LegacySession): boolean {
  return session.owner.principal.id === post.principal.id && sameRoute(session.owner.route, post.route)
}

function sameRoute(a: Route, b: Route): boolean {
  return a.kind === 'aggregate' ? b.kind === 'aggregate' : b.kind === 'backend' && a.backend === b.backend
}

function gone(): GatewayError {
  return new GatewayError('SESSION_NOT_FOUND', 'Session not found')
}

/** 2025-11-25, basic/transports "Protocol Version Header": an invalid or unsupported version is answered with 400. */
function checkVersion(post: Post): void {
  const version = headerReader(post.request)('mcp-protocol-version') ?? ASSUMED_LEGACY_VERSION
  if (LEGACY_VERSIONS.includes(version)) return
  throw new GatewayError(
    'INVALID_REQUEST',
    `Unsupported MCP-Protocol-Version: there is ${LEGACY_VERSIONS.join(', ')}`,
  )
}
