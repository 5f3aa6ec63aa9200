import { randomUUID } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import type { Notifications, Route } from '../../pipeline/call.ts'
import type { Message, RequestMessage } from '../../protocol/message.ts'
import { ASSUMED_LEGACY_VERSION, LEGACY_VERSIONS } from '../../protocol/versions.ts'
import { type LegacySession, openSession } from '../legacy/session.ts'
import type { ListenerPorts } from '../ports.ts'
import { headerReader } from './headers.ts'
import type { Post } from './modern.ts'
import { type Responder, createResponder } from './responder.ts'

/** Serves the legacy era over HTTP: sessions, and answers that outlive a lost connection. */
export interface LegacyHttp {
  /** @throws GatewayError where the message is refused as a whole */
  message(post: Post, message: Message): Promise<void>
  /** DELETE: ends a session. @throws GatewayError */
  delete(post: Post): void
  /** Sessions that are open. */
  readonly sessions: number
  close(reason: GatewayError): void
}

interface Kept {
  readonly session: LegacySession
  lastUsed: number
}

const SWEEP = 30_000

/** Creates the legacy side of the HTTP listener. */
export function legacyHttp(ports: ListenerPorts): LegacyHttp {
  return new SessionHttp(ports)
}

class SessionHttp implements LegacyHttp {
  readonly #ports: ListenerPorts
  readonly #sessions = new Map<string, Kept>()
  #cancelSweep: (() => void) | undefined

  constructor(ports: ListenerPorts) {
    this.#ports = ports
  }

  get sessions(): number {
    return this.#sessions.size
  }

  async message(post: Post, message: Message): Promise<void> {
    if (message.kind === 'request' && message.method === 'initialize') return this.#open(post, message)
    const kept = this.#sessionOf(post)
    if (message.kind === 'request') return this.#carryOut(post, kept, message)
    if (message.kind === 'notification') kept.session.notify(message)
    post.response.writeHead(202).end()
  }

  delete(post: Post): void {
    this.#end(this.#sessionOf(post), new GatewayError('CANCELLED', 'The client ended the session'))
    post.response.writeHead(200).end()
  }

  close(reason: GatewayError): void {
    this.#cancelSweep?.()
    for (const kept of this.#sessions.values()) this.#end(kept, reason)
  }

  async #open(post: Post, message: RequestMessage): Promise<void> {
    const { clock, settings } = this.#ports
    if (this.#sessions.size >= settings.limits.sessions) {
      throw new GatewayError('TOO_MANY', 'Too many sessions are open', { retryAfterMs: 5000 })
    }
    const { principal, route } = post
    const owner = { id: randomUUID(), principal, route, transport: 'http' as const }
    const { session, replyText } = await openSession(message, owner, this.#ports)
    this.#sessions.set(session.id, { session, lastUsed: clock.now() })
    this.#cancelSweep ??= clock.after(SWEEP, () => this.#sweep())
    this.#responderOf(post).end(200, replyText, { 'mcp-session-id': session.id })
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

  async #carryOut(post: Post, kept: Kept, message: RequestMessage): Promise<void> {
    const responder = this.#responderOf(post)
    const out: Notifications = { send: (notification) => responder.event(notification.text) }
    const text = await kept.session.handle(message, out)
    kept.lastUsed = this.#ports.clock.now()
    responder.end(200, text)
  }

  #responderOf(post: Post): Responder {
    return createResponder(post.response, {
      clock: this.#ports.clock,
      accept: post.accept,
      queue: this.#ports.settings.limits.queue,
      // A legacy client that does not read loses its messages, never its call.
      onOverflow: () => post.response.destroy(),
    })
  }

  #end(kept: Kept, reason: GatewayError): void {
    this.#sessions.delete(kept.session.id)
    kept.session.close(reason)
  }

  #sweep(): void {
    this.#cancelSweep = undefined
    const { clock, settings } = this.#ports
    const limit = clock.now() - settings.sessionIdle
    for (const kept of this.#sessions.values()) {
      if (kept.lastUsed < limit && kept.session.inFlight === 0) this.#end(kept, gone())
    }
    if (this.#sessions.size > 0) this.#cancelSweep = clock.after(SWEEP, () => this.#sweep())
  }
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
