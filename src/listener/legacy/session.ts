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
import { member, rawOf, scanJson, stringOf, valueOf } from '../../protocol/json.ts'
import {
  type ErrorMessage,
  type NotificationMessage,
  type RequestMessage,
  type ResultMessage,
  errorText,
  parseMessage,
} from '../../protocol/message.ts'
import { negotiateLegacyVersion } from '../../protocol/versions.ts'
import type { ListenerPorts } from '../ports.ts'
import { type ClientCapabilities, readCapabilities } from './capabilities.ts'
import { type ClientRequests, createClientRequests } from './client-requests.ts'
import { type ShapeMemory, legacyErrorText } from './project.ts'
import { InputFailure, type Outlet, withInput } from './rounds.ts'
import { type SessionFacts, legacyReplyText, toModernRequest } from './translate.ts'
import { type Watch, createWatch } from './watch.ts'

/** Who opened a session, and where. */
export interface SessionOwner {
  readonly principal: Principal
  readonly route: Route
  readonly transport: 'http' | 'stdio'
  /** Where the client was when it opened the session; undefined on a pipe. */
  readonly address: string | undefined
}

/** What opens a session. */
export interface SessionOpening extends SessionOwner {
  readonly id: string
  /** Takes a message that belongs to no call to the client; may drop it where the client does not listen. */
  readonly push: (text: string) => void
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
  handle(message: RequestMessage, out: Outlet): Promise<string>
  /** Takes an answer of the client to a request of the gateway; one that nothing waits for is ignored. */
  answer(message: ResultMessage | ErrorMessage): void
  /** Whether the client listens for messages that belong to no call. */
  listening(on: boolean): void
  /** Takes a notification of the client; `notifications/cancelled` ends a call. */
  notify(message: NotificationMessage): void
  /** Ends the subscriptions of the session, which would otherwise last as long as it. */
  drain(): void
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
  opening: SessionOpening,
  ports: ListenerPorts,
): Promise<OpenedSession> {
  const { text, params } = initialize
  const version = negotiateLegacyVersion(stringOf(text, member(params, 'protocolVersion')))
  const info = member(params, 'clientInfo')
  const session = new ClientSession(opening, ports, {
    version,
    clientInfo: info?.kind === 'object' ? rawOf(text, info) : undefined,
    capabilities: capabilitiesOf(initialize, version),
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
  readonly capabilities: ClientCapabilities
}

function capabilitiesOf(initialize: RequestMessage, version: string): ClientCapabilities {
  const node = member(initialize.params, 'capabilities')
  if (node?.kind !== 'object') return readCapabilities('', undefined, version)
  const text = rawOf(initialize.text, node)
  const root = scanJson(text, { maxDepth: Infinity })
  return readCapabilities(text, root.kind === 'object' ? root : undefined, version)
}

class ClientSession implements LegacySession {
  readonly id: string
  readonly owner: SessionOwner
  readonly version: string
  readonly #ports: ListenerPorts
  readonly #downstream: Downstream
  readonly #capabilities: ClientCapabilities
  readonly #requests: ClientRequests = createClientRequests()
  readonly #watch: Watch
  /** Calls in flight, by raw id. */
  readonly #calls = new Map<string, AbortController>()
  readonly #memory: ShapeMemory
  #facts: SessionFacts

  constructor(opening: SessionOpening, ports: ListenerPorts, negotiated: Negotiated) {
    const { version, clientInfo, capabilities } = negotiated
    this.id = opening.id
    this.owner = opening
    this.version = version
    this.#ports = ports
    const { id: session, transport, address } = opening
    this.#downstream = { era: 'legacy', version, transport, session, address }
    this.#capabilities = capabilities
    this.#memory = { version, wrapped: new Set() }
    this.#facts = { clientInfo, capabilities: capabilities.modern, logLevel: undefined }
    this.#watch = createWatch({
      answer: (message, signal, out) => this.#answer(message, signal, out),
      push: opening.push,
      clock: ports.clock,
    })
  }

  get inFlight(): number {
    return this.#calls.size
  }

  async handle(message: RequestMessage, out: Outlet): Promise<string> {
    try {
      return await (this.#local(message) ?? this.#carryOut(message, out))
    } catch (error) {
      if (error instanceof InputFailure) return failedInput(message, error)
      return errorText(rawOf(message.text, message.id), toRefusal(error, this.#ports.log).error)
    }
  }

  answer(message: ResultMessage | ErrorMessage): void {
    this.#requests.answer(message)
  }

  listening(on: boolean): void {
    this.#watch.listen(on)
  }

  notify(message: NotificationMessage): void {
    if (message.method !== 'notifications/cancelled') return
    const requestId = member(message.params, 'requestId')
    if (requestId === undefined) return
    const reason = new GatewayError('CANCELLED', 'The client cancelled the call')
    this.#calls.get(rawOf(message.text, requestId))?.abort(reason)
  }

  drain(): void {
    this.#watch.close()
  }

  close(reason: GatewayError): void {
    this.#watch.close()
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

  /** The answer to what concerns the session itself; undefined for what is a call. */
  #local(message: RequestMessage): string | Promise<string> | undefined {
    switch (message.method) {
      case 'ping':
        return emptyResult(message)
      case 'logging/setLevel':
        return this.#setLevel(message)
      case 'resources/subscribe':
        return this.#subscribe(message)
      case 'resources/unsubscribe':
        this.#watch.unsubscribe(uriOf(message))
        return emptyResult(message)
      case 'subscriptions/listen':
        // The stream of such a call would never end, and the session has its own.
        throw new GatewayError('METHOD_NOT_FOUND', 'Method not found: subscriptions/listen')
      case 'initialize':
        throw new GatewayError('INVALID_REQUEST', 'The session is initialized already')
      default:
        return undefined
    }
  }

  async #subscribe(message: RequestMessage): Promise<string> {
    const uri = uriOf(message)
    switch (await this.#watch.subscribe(uri)) {
      case 'subscribed':
        return emptyResult(message)
      case 'unsupported':
        throw new GatewayError('METHOD_NOT_FOUND', 'Method not found: resources/subscribe')
      case 'too-many':
        throw new GatewayError('TOO_MANY', 'The session subscribes to too many resources')
      case 'refused': {
        const error = {
          code: RESOURCE_NOT_FOUND,
          message: 'Nothing is told about this resource',
          data: { uri },
        }
        return errorText(rawOf(message.text, message.id), error)
      }
    }
  }

  async #carryOut(message: RequestMessage, out: Outlet): Promise<string> {
    const id = rawOf(message.text, message.id)
    if (this.#calls.has(id)) {
      const problem = `A request with the id ${id.slice(0, 64)} is in flight already`
      throw new GatewayError('INVALID_REQUEST', problem)
    }
    const controller = new AbortController()
    this.#calls.set(id, controller)
    try {
      const { signal } = controller
      const ports = {
        send: (next: RequestMessage) => this.#answer(next, signal, out),
        requests: this.#requests,
        capabilities: this.#capabilities,
        version: this.version,
        aggregate: this.owner.route.kind === 'aggregate',
        clock: this.#ports.clock,
        parkTime: this.#ports.settings.limits.parkTime,
        signal,
      }
      const outcome = await withInput(message, ports, out)
      if (outcome.kind === 'refusal') {
        // 2025-11-25, basic/transports: a message that cannot be accepted is answered with an HTTP error.
        if (outcome.status === 429) out.onRefusal?.(outcome)
        const { code, message: reason } = outcome.error
        return legacyErrorText(
          message.method,
          { code, message: reason, raw: JSON.stringify(outcome.error) },
          id,
        )
      }
      return legacyReplyText(outcome, {
        method: message.method,
        subject: subjectOf(message),
        id,
        memory: this.#memory,
      })
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

/** 2025-11-25, server/resources "Error Handling". */
const RESOURCE_NOT_FOUND = -32002

function uriOf(message: RequestMessage): string {
  const uri = stringOf(message.text, member(message.params, 'uri'))
  if (uri === undefined)
    throw new GatewayError('INVALID_PARAMS', `${message.method} needs "params.uri", a string`)
  return uri
}

/** The tool that is called, if one is. */
function subjectOf(message: RequestMessage): string | undefined {
  return message.method === 'tools/call' ? stringOf(message.text, member(message.params, 'name')) : undefined
}

/** A tool that cannot be used is a tool error, which a model can read; anything else fails with the client's own words. */
function failedInput(message: RequestMessage, failure: InputFailure): string {
  const id = rawOf(message.text, message.id)
  if (message.method === 'tools/call') {
    const result = { content: [{ type: 'text', text: failure.message }], isError: true }
    return `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`
  }
  const error = failure.clientError ?? JSON.stringify({ code: INTERNAL_ERROR, message: failure.message })
  return `{"jsonrpc":"2.0","id":${id},"error":${error}}`
}

const INTERNAL_ERROR = -32603

function emptyResult(message: RequestMessage): string {
  return `{"jsonrpc":"2.0","id":${rawOf(message.text, message.id)},"result":{}}`
}
