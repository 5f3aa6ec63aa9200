import { Canceller, type Signal } from '../../pipeline/signal.ts'
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
import { withMeta } from '../../protocol/edit.ts'
import { member, rawOf, scanJson, stringOf, valueOf } from '../../protocol/json.ts'
import {
  type ErrorMessage,
  type NotificationMessage,
  type RequestMessage,
  type ResultMessage,
  errorText,
  parseMessage,
} from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { declaringTasks } from '../../protocol/tasks.ts'
import { negotiateLegacyVersion } from '../../protocol/versions.ts'
import type { ListenerPorts } from '../ports.ts'
import { emptyResult, failedInput, resourceNotFound } from './answers.ts'
import { type ClientCapabilities, readCapabilities } from './capabilities.ts'
import { type ClientRequests, createClientRequests } from './client-requests.ts'
import { type ShapeMemory, legacyErrorText } from './project.ts'
import { type Discovered, readDiscovered, subjectOf, uriOf } from './reading.ts'
import { type AskingPorts, InputFailure, type Outlet, answersTo, withInput } from './rounds.ts'
import {
  type SessionTasks,
  createSessionTasks,
  isTaskRequest,
  taskWishOf,
  withExperimentalTasks,
} from './tasks.ts'
import { type Answered, type SessionFacts, legacyReplyText, toModernRequest } from './translate.ts'
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
  /**
   * Carries out a request and yields the text of the response. Never rejects.
   *
   * @param as who sent it: the owner, with the rights that came with this very request; default as it was opened
   */
  handle(message: RequestMessage, out: Outlet, as?: Principal): Promise<string>
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

/** For whom a call is made, and where it leads. */
interface Caller {
  readonly principal: Principal
  readonly signal: Signal
  /** Where its notifications go, and what came with it. */
  readonly out: Notifications & Pick<Outlet, 'trace'>
  /** Whether the tasks extension is declared for the client. */
  readonly withTasks?: boolean
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
  readonly #calls = new Map<string, Canceller>()
  readonly #memory: ShapeMemory
  readonly #tasks: SessionTasks
  /** Whether the client can make calls tasks, as it was told. */
  #hasTasks = false
  /** The owner as of the newest request: later credentials may have other rights. */
  #newest: Principal
  #facts: SessionFacts
  readonly #begun: number
  #isClosed = false

  constructor(opening: SessionOpening, ports: ListenerPorts, negotiated: Negotiated) {
    const { version, clientInfo, capabilities } = negotiated
    this.id = opening.id
    this.owner = opening
    this.#newest = opening.principal
    this.version = version
    this.#ports = ports
    this.#begun = ports.clock.now()
    const { id: session, transport, address } = opening
    this.#downstream = { era: 'legacy', version, transport, session, address }
    this.#capabilities = capabilities
    this.#memory = { version, wrapped: new Set() }
    this.#tasks = createSessionTasks(ports.clock)
    this.#facts = { clientInfo, capabilities: capabilities.modern, logLevel: undefined }
    this.#watch = createWatch({
      answer: (message, signal, out) =>
        this.#answer(message, { principal: this.#newest, signal, out, withTasks: this.#hasTasks }),
      push: opening.push,
      task: (params) => this.#tasks.told(withMeta(params, META.subscriptionId, undefined)),
      clock: ports.clock,
    })
  }

  get inFlight(): number {
    return this.#calls.size
  }

  async handle(message: RequestMessage, out: Outlet, as: Principal = this.owner.principal): Promise<string> {
    this.#newest = as
    try {
      return await (this.#local(message) ?? this.#carryOut(message, out, as))
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
    this.#measure()
    this.#watch.close()
    this.#calls.forEach((canceller) => canceller.abort(reason))
  }

  /** However it ends, that is no error: not even that its client was not heard of for long. */
  #measure(): void {
    const { measures, clock } = this.#ports
    if (this.#isClosed) return
    this.#isClosed = true
    const { version, owner } = this
    const lasted = clock.now() - this.#begun
    measures?.sessionEnded({ side: 'server', version, transport: owner.transport, lasted })
  }

  /** What `server/discover` says, for the answer to `initialize`. */
  async discover(initialize: RequestMessage): Promise<Discovered> {
    const id = rawOf(initialize.text, initialize.id)
    const discover = parseMessage(`{"jsonrpc":"2.0","id":${id},"method":"server/discover"}`)
    if (discover.kind !== 'request') throw new TypeError('Not a request')
    const signal = new Canceller()
    const outcome = await this.#answer(discover, {
      principal: this.owner.principal,
      signal,
      out: noNotifications,
    })
    if (outcome.kind === 'result') {
      const { capabilities, instructions } = readDiscovered(valueOf(outcome.text, outcome.result))
      const shown = withExperimentalTasks(capabilities, this.version)
      this.#hasTasks = Object.hasOwn(shown, 'tasks')
      return { capabilities: shown, instructions }
    }
    const message = outcome.kind === 'refusal' ? outcome.error.message : outcome.message
    if (outcome.kind === 'refusal' && outcome.scopes !== undefined)
      throw new GatewayError('INSUFFICIENT_SCOPE', message, { scopes: outcome.scopes })
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
      case 'tasks/get':
      case 'tasks/result':
      case 'tasks/cancel':
        if (this.#hasTasks) return undefined
        throw new GatewayError('METHOD_NOT_FOUND', `Method not found: ${message.method}`)
      case 'tasks/list':
      case 'tasks/update':
        // Nobody could say whose the tasks in a list are, and the other belongs to the modern era.
        throw new GatewayError('METHOD_NOT_FOUND', `Method not found: ${message.method}`)
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
      case 'refused':
        return resourceNotFound(message, uri)
    }
  }

  async #carryOut(message: RequestMessage, out: Outlet, principal: Principal): Promise<string> {
    const id = rawOf(message.text, message.id)
    if (this.#calls.has(id)) {
      const problem = `A request with the id ${id.slice(0, 64)} is in flight already`
      throw new GatewayError('INVALID_REQUEST', problem)
    }
    const canceller = new Canceller()
    this.#calls.set(id, canceller)
    const leave = this.#ports.door.holds.enter(principal, (reason) => canceller.abort(reason))
    try {
      const signal: Signal = canceller
      if (this.#hasTasks && isTaskRequest(message.method))
        return await this.#carryOutTask(message, { principal, signal, out })
      const wish = this.#hasTasks ? taskWishOf(message) : undefined
      const send = (next: RequestMessage): Promise<Outcome> =>
        this.#answer(next, { principal, signal, out, withTasks: wish !== undefined })
      const outcome = await withInput(message, { ...this.#asking(signal), send }, out)
      if (outcome.kind === 'refusal') out.onRefusal?.(outcome)
      const subject = subjectOf(message)
      if (wish === undefined) return this.#replyText(outcome, { method: message.method, subject, id })
      // Its result is shaped when it is asked for.
      if (outcome.kind !== 'result') return this.#replyText(outcome, { method: message.method, subject, id })
      const { reply, taskId } = this.#tasks.created(outcome, { subject, ttl: wish.ttl })
      if (taskId !== undefined) this.#watch.followTask(taskId)
      return this.#replyText(reply, { method: '', subject, id })
    } finally {
      leave()
      this.#calls.delete(id)
    }
  }

  async #carryOutTask(
    message: RequestMessage,
    { principal, signal, out }: Caller & { readonly out: Outlet },
  ): Promise<string> {
    const id = rawOf(message.text, message.id)
    const answer = await this.#tasks.answer(message, {
      send: (next) => this.#answer(next, { principal, signal, out, withTasks: true }),
      ask: (requests, taskId) => answersTo(requests, { ...this.#asking(signal), taskId }, out),
      signal,
    })
    if (answer.outcome.kind === 'refusal') out.onRefusal?.(answer.outcome)
    if (answer.kind === 'outcome')
      return this.#replyText(answer.outcome, { method: message.method, subject: undefined, id })
    return this.#replyText(answer.outcome, { method: 'tools/call', subject: answer.subject, id })
  }

  #asking(signal: Signal): AskingPorts {
    return {
      requests: this.#requests,
      capabilities: this.#capabilities,
      version: this.version,
      aggregate: this.owner.route.kind === 'aggregate',
      clock: this.#ports.clock,
      parkTime: this.#ports.settings.limits.parkTime,
      signal,
    }
  }

  #replyText(outcome: Outcome, answered: Omit<Answered, 'memory'>): string {
    if (outcome.kind !== 'refusal') return legacyReplyText(outcome, { ...answered, memory: this.#memory })
    const { error } = outcome
    const raw = JSON.stringify(error)
    return legacyErrorText(answered.method, { code: error.code, message: error.message, raw }, answered.id)
  }

  #answer(message: RequestMessage, { principal, signal, out, withTasks = false }: Caller): Promise<Outcome> {
    const { capabilities } = this.#facts
    const facts = withTasks ? { ...this.#facts, capabilities: declaringTasks(capabilities) } : this.#facts
    const call: Call = {
      message: toModernRequest(message, facts),
      method: message.method,
      route: this.owner.route,
      principal,
      downstream: this.#downstream,
      headers: undefined,
      trace: out.trace,
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
