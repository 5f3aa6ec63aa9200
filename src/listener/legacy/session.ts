import { GatewayError } from '../../errors.ts'
import { type Outcome, toRefusal } from '../../filters/rescue.ts'
import {
  type Call,
  type Downstream,
  type Notifications,
  type Principal,
  type Route,
  noNotifications,
} from '../../pipeline/call.ts'
import { member, rawOf, stringOf, valueOf } from '../../protocol/json.ts'
import {
  type NotificationMessage,
  type RequestMessage,
  errorText,
  parseMessage,
} from '../../protocol/message.ts'
import { negotiateLegacyVersion } from '../../protocol/versions.ts'
import type { ListenerPorts } from '../ports.ts'
import { type SessionFacts, legacyReplyText, toModernRequest } from './translate.ts'

/** Who opened a session, and where. */
export interface SessionOwner {
  readonly principal: Principal
  readonly route: Route
  readonly transport: 'http' | 'stdio'
}

/** A legacy client between its `initialize` and its end: the adapter that makes modern calls of its messages. */
export interface LegacySession {
  readonly id: string
  readonly owner: SessionOwner
  /** The revision that was negotiated. */
  readonly version: string
  /** Calls that are being carried out. */
  readonly inFlight: number
  /** Carries out a request and yields the text of the response. Never rejects. */
  handle(message: RequestMessage, out: Notifications): Promise<string>
  /** Takes a notification of the client; `notifications/cancelled` ends a call. */
  notify(message: NotificationMessage): void
  /** Ends every call of the session. */
  close(reason: GatewayError): void
}

/** A session and the answer to the `initialize` that opened it. */
export interface OpenedSession {
  readonly session: LegacySession
  readonly replyText: string
}

/** 2025-11-25, server/utilities/logging "Log Levels". */
const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

/**
 * Opens a session: `initialize` is answered with what `server/discover` says (2025-11-25, basic/lifecycle).
 *
 * @throws GatewayError where discovery is refused
 */
export async function openSession(
  initialize: RequestMessage,
  owner: SessionOwner & { readonly id: string },
  ports: ListenerPorts,
): Promise<OpenedSession> {
  const requested = stringOf(initialize.text, member(initialize.params, 'protocolVersion'))
  const info = member(initialize.params, 'clientInfo')
  const session = new ClientSession(owner, ports, {
    version: negotiateLegacyVersion(requested),
    clientInfo: info?.kind === 'object' ? rawOf(initialize.text, info) : undefined,
  })
  const discovered = await session.discover(initialize)
  const result = {
    protocolVersion: session.version,
    capabilities: { ...discovered.capabilities, logging: {} },
    serverInfo: ports.serverInfo,
    ...(discovered.instructions === undefined ? {} : { instructions: discovered.instructions }),
  }
  const id = rawOf(initialize.text, initialize.id)
  return { session, replyText: `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}` }
}

interface Discovered {
  readonly capabilities: object
  readonly instructions: string | undefined
}

interface Negotiated {
  readonly version: string
  readonly clientInfo: string | undefined
}

class ClientSession implements LegacySession {
  readonly id: string
  readonly owner: SessionOwner
  readonly version: string
  readonly #ports: ListenerPorts
  readonly #downstream: Downstream
  /** Calls in flight, by raw id. */
  readonly #calls = new Map<string, AbortController>()
  #facts: SessionFacts

  constructor(owner: SessionOwner & { readonly id: string }, ports: ListenerPorts, negotiated: Negotiated) {
    const { version, clientInfo } = negotiated
    this.id = owner.id
    this.owner = owner
    this.version = version
    this.#ports = ports
    this.#downstream = { era: 'legacy', version, transport: owner.transport, session: owner.id }
    this.#facts = { clientInfo, logLevel: undefined }
  }

  get inFlight(): number {
    return this.#calls.size
  }

  async handle(message: RequestMessage, out: Notifications): Promise<string> {
    try {
      if (message.method === 'ping') return emptyResult(message)
      if (message.method === 'logging/setLevel') return this.#setLevel(message)
      if (message.method === 'initialize')
        throw new GatewayError('INVALID_REQUEST', 'The session is initialized already')
      return await this.#carryOut(message, out)
    } catch (error) {
      return errorText(rawOf(message.text, message.id), toRefusal(error, this.#ports.log).error)
    }
  }

  notify(message: NotificationMessage): void {
    if (message.method !== 'notifications/cancelled') return
    const requestId = member(message.params, 'requestId')
    if (requestId === undefined) return
    const reason = new GatewayError('CANCELLED', 'The client cancelled the call')
    this.#calls.get(rawOf(message.text, requestId))?.abort(reason)
  }

  close(reason: GatewayError): void {
    this.#calls.forEach((controller) => controller.abort(reason))
  }

  /** What `server/discover` says, for the answer to `initialize`. */
  async discover(initialize: RequestMessage): Promise<Discovered> {
    const id = rawOf(initialize.text, initialize.id)
    const discover = parseMessage(`{"jsonrpc":"2.0","id":${id},"method":"server/discover"}`)
    if (discover.kind !== 'request') throw new TypeError('Not a request')
    const outcome = await this.#answer(discover, new AbortController().signal, noNotifications)
    if (outcome.kind === 'result') return readDiscovered(valueOf(outcome.text, outcome.result))
    const message = outcome.kind === 'refusal' ? outcome.error.message : outcome.message
    const isUnknown = outcome.kind === 'refusal' && outcome.status === 404
    throw new GatewayError(isUnknown ? 'UNKNOWN_BACKEND' : 'INTERNAL', message)
  }

  async #carryOut(message: RequestMessage, out: Notifications): Promise<string> {
    const id = rawOf(message.text, message.id)
    if (this.#calls.has(id)) {
      const problem = `A request with the id ${id.slice(0, 64)} is in flight already`
      throw new GatewayError('INVALID_REQUEST', problem)
    }
    const controller = new AbortController()
    this.#calls.set(id, controller)
    try {
      const outcome = await this.#answer(message, controller.signal, out)
      return outcome.kind === 'refusal' ? errorText(id, outcome.error) : legacyReplyText(outcome, id)
    } finally {
      this.#calls.delete(id)
    }
  }

  #answer(message: RequestMessage, signal: AbortSignal, out: Notifications): Promise<Outcome> {
    const call: Call = {
      message: toModernRequest(message, this.#facts),
      method: message.method,
      route: this.owner.route,
      principal: this.owner.principal,
      downstream: this.#downstream,
      headers: undefined,
      signal,
    }
    return this.#ports.answer(call, out)
  }

  #setLevel(message: RequestMessage): string {
    const level = stringOf(message.text, member(message.params, 'level'))
    if (level === undefined || !LOG_LEVELS.includes(level)) {
      throw new GatewayError('INVALID_PARAMS', `"params.level" must be one of ${LOG_LEVELS.join(', ')}`)
    }
    this.#facts = { ...this.#facts, logLevel: level }
    return emptyResult(message)
  }
}

function readDiscovered(value: unknown): Discovered {
  const { capabilities, instructions } = value as {
    readonly capabilities?: unknown
    readonly instructions?: unknown
  }
  return {
    capabilities: typeof capabilities === 'object' && capabilities !== null ? capabilities : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  }
}

function emptyResult(message: RequestMessage): string {
  return `{"jsonrpc":"2.0","id":${rawOf(message.text, message.id)},"result":{}}`
}
