import { type Edit, editMembers, splice } from '../protocol/edit.ts'
import { type JsonObject, member, rawOf, stringOf, valueOf } from '../protocol/json.ts'
import {
  type ErrorMessage,
  type Message,
  type NotificationMessage,
  type RequestMessage,
  type ResultMessage,
  edited,
  errorText,
} from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import { CACHEABLE_METHODS, type ListKind } from '../protocol/methods.ts'
import type { Notifications, Reply } from '../pipeline/call.ts'
import type { BackendIdentity, BackendRequest } from './backend.ts'
import { type Answer, type Channel, ChannelError, type Exchange } from './channel.ts'
import type { HttpChannel } from './http/channel.ts'
import type { SpeakerPorts } from './ports.ts'
import {
  type Speaker,
  StaleSpeakerError,
  announcedChanges,
  changedLists,
  isForeignProgress,
  isVersionError,
  progressTokenOf,
  retarget,
  withClientToken,
} from './speaker.ts'

/** A legacy session that was initialised: who is there and how to address it. */
export interface LegacySession {
  readonly identity: BackendIdentity
  /** Headers of every further request. */
  readonly headers: Readonly<Record<string, string>>
}

/** Speaks a legacy revision (2024-11-05 … 2025-11-25) to a backend inside an initialised session. */
export function createLegacySpeaker(channel: Channel, session: LegacySession, ports: SpeakerPorts): Speaker {
  return new LegacySpeaker(channel, session, ports)
}

class LegacySpeaker implements Speaker {
  readonly identity: BackendIdentity
  readonly #channel: Channel
  readonly #headers: Readonly<Record<string, string>>
  readonly #ports: SpeakerPorts
  #onChange: ((method: string) => void) | undefined

  constructor(channel: Channel, session: LegacySession, ports: SpeakerPorts) {
    this.identity = session.identity
    this.#channel = channel
    this.#headers = session.headers
    this.#ports = ports
  }

  async send(request: BackendRequest, out: Notifications): Promise<Reply> {
    const id = this.#ports.nextId()
    const { message, signal } = request
    const clientToken = progressTokenOf(message.text, message.params)
    const wantsLog = member(member(message.params, '_meta'), META.logLevel) !== undefined
    const onNotification = (notification: NotificationMessage): Promise<void> | undefined => {
      if (notification.method === 'notifications/message')
        return wantsLog ? out.send(notification) : undefined
      if (notification.method !== 'notifications/progress') return this.onMessage(notification)
      if (clientToken === undefined || isForeignProgress(notification, id)) return undefined
      return out.send(withClientToken(notification, clientToken))
    }
    const text = splice(message.text, legacyEdits(request, id, clientToken))
    const answer = await this.#exchange({ text, id, signal, onNotification })
    return toModernReply(answer.message, message.method)
  }

  async ask(method: string, params: string, signal: AbortSignal): Promise<ResultMessage | ErrorMessage> {
    const id = this.#ports.nextId()
    const text = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{${params}}}`
    const onNotification = (notification: NotificationMessage): undefined => this.onMessage(notification)
    const answer = await this.#exchange({ text, id, signal, onNotification })
    return answer.message
  }

  async ping(signal: AbortSignal): Promise<void> {
    await this.ask('ping', '', signal)
  }

  async watch(onListChanged: (kind: ListKind) => void, signal: AbortSignal): Promise<void> {
    if (announcedChanges(this.identity.capabilities).length === 0) return
    this.#onChange = (method) => changedLists(method).forEach(onListChanged)
    if (!isHttp(this.#channel)) return
    const onMessage = (message: Message): void => {
      if (message.kind === 'notification') this.onMessage(message)
      else if (message.kind === 'request') this.#answer(message)
    }
    try {
      await this.#channel.listen(this.#headers, onMessage, signal)
    } catch (error) {
      // A server that offers no GET stream announces changes on the streams of calls, if at all.
      if (!(error instanceof ChannelError && error.failure.kind === 'status')) throw error
    }
  }

  onMessage(message: NotificationMessage): undefined {
    this.#onChange?.(message.method)
  }

  async close(): Promise<void> {
    if (isHttp(this.#channel) && this.#headers['mcp-session-id'] !== undefined)
      await this.#channel.deleteSession(this.#headers)
  }

  async #exchange(request: Pick<Exchange, 'text' | 'id' | 'signal' | 'onNotification'>): Promise<Answer> {
    const headers = this.#headers
    try {
      const onRequest = (asked: RequestMessage): void => this.#answer(asked)
      const answer = await this.#channel.exchange({ ...request, era: 'legacy', headers, onRequest })
      const stale = staleness(answer, headers)
      if (stale !== undefined) throw stale
      return answer
    } catch (error) {
      if (error instanceof ChannelError && isLostSession(error, headers))
        throw new StaleSpeakerError('session', error.message)
      throw error
    } finally {
      // Over HTTP a closed connection is no cancellation in this era; the pipe channel says it by itself.
      if (request.signal.aborted && this.#channel.transport === 'http') this.#cancel(request.id)
    }
  }

  #cancel(id: string): void {
    const text = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":"cancelled"}}`
    this.#channel.notify(text, this.#headers).catch(() => undefined)
  }

  /** Answers a request of the backend: no capabilities were declared, so that only `ping` is to be expected. */
  #answer(request: RequestMessage): void {
    const id = rawOf(request.text, request.id)
    const refusal = { code: -32601, message: `Method not found: the client declared no ${request.method}` }
    const text =
      request.method === 'ping' ? `{"jsonrpc":"2.0","id":${id},"result":{}}` : errorText(id, refusal)
    this.#channel.notify(text, this.#headers).catch((error: unknown) => {
      const fields = { backend: this.#ports.backend, reason: String(error) }
      this.#ports.log('debug', 'could not answer a request of the backend', fields)
    })
  }
}

function isHttp(channel: Channel): channel is HttpChannel {
  return channel.transport === 'http'
}

/** 404 means that the session is gone (2025-11-25, basic/transports "Session Management"); some servers say 400. */
function isLostSession(error: ChannelError, headers: Readonly<Record<string, string>>): boolean {
  const { failure } = error
  if (failure.kind !== 'status' || headers['mcp-session-id'] === undefined) return false
  return failure.status === 404 || failure.status === 400
}

/**
 * The same news as a JSON-RPC error, which the SDKs send without the id of the request: they did not look at it.
 * A version error comes from a modern server.
 */
function staleness(answer: Answer, headers: Readonly<Record<string, string>>): StaleSpeakerError | undefined {
  const { message, status } = answer
  if (message.kind !== 'error') return undefined
  if (isVersionError(message)) return new StaleSpeakerError('era', 'no longer answers as a legacy server')
  if (headers['mcp-session-id'] === undefined) return undefined
  const isLost = status === 404 || (status === 400 && message.id === undefined)
  return isLost ? new StaleSpeakerError('session', `HTTP status ${status}`) : undefined
}

/** Members of `_meta` and of the parameters that only the modern era knows. */
const MODERN_META = [META.protocolVersion, META.clientInfo, META.clientCapabilities, META.logLevel] as const

function legacyEdits(request: BackendRequest, id: string, clientToken: string | undefined): readonly Edit[] {
  const { params } = request.message
  const edits = [...retarget(request, id)]
  const meta = member(params, '_meta')
  if (params === undefined || meta?.kind !== 'object') return edits
  const modern = new Set<string>(MODERN_META)
  const onlyModern = (meta.members ?? []).every((entry) => modern.has(entry.key))
  if (onlyModern) return [...edits, ...editMembers(params, { _meta: undefined })]
  const changes: Record<string, string | undefined> = {}
  for (const key of MODERN_META) changes[key] = undefined
  if (clientToken !== undefined) changes[META.progressToken] = id
  return [...edits, ...editMembers(meta, changes)]
}

/** The answer in the modern form: result type and cache hints are added, codes of the old era are mapped. */
function toModernReply(reply: Reply, method: string): Reply {
  if (reply.kind === 'error') return toModernError(reply, method)
  return edited(reply, editMembers(reply.result, modernMembers(reply, method)))
}

function modernMembers(reply: ResultMessage, method: string): Readonly<Record<string, string>> {
  const additions: Record<string, string> = {}
  if (stringOf(reply.text, member(reply.result, 'resultType')) !== 'complete')
    additions['resultType'] = '"complete"'
  if (!CACHEABLE_METHODS.has(method)) return additions
  return { ...additions, ttlMs: '0', cacheScope: '"private"' }
}

/**
 * −32002 is −32602 now, and −32020…−32099 have a meaning that a legacy server cannot have meant
 * (2026-07-28, basic/index "Error Codes").
 */
function toModernError(reply: ErrorMessage, method: string): ErrorMessage {
  if (reply.code === -32002 && method === 'resources/read') return withCode(reply, -32602)
  if (reply.code <= -32020 && reply.code >= -32099) return withCode(reply, -32603)
  return reply
}

function withCode(reply: ErrorMessage, code: number): ErrorMessage {
  return edited(reply, editMembers(reply.error, { code: String(code) }))
}

/** The identity that an `initialize` result describes. */
export function identityOf(result: JsonObject, text: string): BackendIdentity | undefined {
  const version = stringOf(text, member(result, 'protocolVersion'))
  if (version === undefined) return undefined
  const value = valueOf(text, result)
  if (!isRecord(value)) return undefined
  const { serverInfo, capabilities, instructions } = value
  return {
    era: 'legacy',
    version,
    serverInfo: isImplementation(serverInfo) ? serverInfo : undefined,
    capabilities: isRecord(capabilities) ? capabilities : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  }
}

/** True for an object that is no array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** True for a well-formed name and version. */
export function isImplementation(
  value: unknown,
): value is { readonly name: string; readonly version: string } {
  return isRecord(value) && typeof value['name'] === 'string' && typeof value['version'] === 'string'
}
