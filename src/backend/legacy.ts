import type { Signal } from '../pipeline/signal.ts'
import { splice } from '../protocol/edit.ts'
import { member, rawOf, stringOf } from '../protocol/json.ts'
import {
  type ErrorMessage,
  type Message,
  type NotificationMessage,
  type RequestMessage,
  type ResultMessage,
  errorText,
} from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import type { SubscriptionFilter } from '../protocol/subscription.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { Notifications, Reply } from '../pipeline/call.ts'
import type { SentTrace } from '../pipeline/trace.ts'
import type { BackendIdentity, BackendRequest } from './backend.ts'
import { type Answer, type Channel, ChannelError, type Exchange } from './channel.ts'
import type { HttpChannel } from './http/channel.ts'
import { streamStart } from './http/stream.ts'
import { legacyEdits, toModernReply } from './legacy-form.ts'
import { type LegacySubscriptions, createLegacySubscriptions } from './legacy-subscriptions.ts'
import type { SpeakerPorts } from './ports.ts'
import {
  type Speaker,
  StaleSpeakerError,
  type SubscriptionListener,
  isForeignProgress,
  isVersionError,
  progressTokenOf,
  withClientToken,
} from './speaker.ts'
import { traceHeaders } from './trace.ts'

/** A legacy session that was initialised: who is there and how to address it. */
export interface LegacySession {
  readonly identity: BackendIdentity
  /** Headers of every further request. */
  readonly headers: Readonly<Record<string, string>>
}

/** What happens to a call while the backend works on it. */
export interface CallEvents {
  /** True for a call that may wait for people. */
  readonly isPatient?: boolean
  /** Takes a notification of the call as the backend wrote it. A promise asks to wait before more is read. */
  onNotification(notification: NotificationMessage): Promise<void> | undefined
  /** Takes a request of the backend that came on the stream of the call; `ping` is answered already. */
  onRequest(request: RequestMessage): void
}

/** Speaks to a legacy backend, and can leave what happens meanwhile to whoever calls. */
export interface LegacySpeaker extends Speaker {
  /**
   * Sends a request and yields the answer as the backend gave it: see {@link toModernReply}.
   *
   * @throws as {@link Speaker.send}
   */
  carry(request: BackendRequest, events: CallEvents): Promise<Reply>
  /** Answers a request of the backend. A failure is logged: nobody waits for it. */
  respond(text: string): void
  /** Says that nobody answers that request. */
  refuse(request: RequestMessage): void
  /**
   * Reads what the backend says outside of calls, until its stream ends: over Streamable HTTP the GET stream, if it
   * offers one, from where it was left. `opened` is called once nothing can be missed any more.
   *
   * @throws ChannelError, or the reason of the signal
   */
  follow(opened: () => void, signal: Signal): Promise<void>
  /** Takes a request of the channel that belongs to no exchange. */
  onStray(request: RequestMessage): void
}

/** Speaks a legacy revision (2024-11-05 … 2025-11-25) to a backend inside an initialised session. */
export function createLegacySpeaker(
  channel: Channel,
  session: LegacySession,
  ports: SpeakerPorts,
): LegacySpeaker {
  return new SessionSpeaker(channel, session, ports)
}

/** True for a speaker of the legacy era. */
export function isLegacy(speaker: Speaker): speaker is LegacySpeaker {
  return speaker instanceof SessionSpeaker
}

/** 2025-11-25, server/utilities/logging "Log Levels": from the most to the least talkative. */
const LEVELS: readonly string[] = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
]

class SessionSpeaker implements LegacySpeaker {
  readonly identity: BackendIdentity
  readonly #channel: Channel
  readonly #headers: Readonly<Record<string, string>>
  readonly #ports: SpeakerPorts
  readonly #subscriptions: LegacySubscriptions
  readonly #position = streamStart()
  /** Rank of the level that the session was told; nothing was said yet. */
  #level = Number.POSITIVE_INFINITY
  /** Calls in flight that want log messages, the latest last. */
  readonly #listening: ((notification: NotificationMessage) => Promise<void> | undefined)[] = []

  constructor(channel: Channel, session: LegacySession, ports: SpeakerPorts) {
    this.identity = session.identity
    this.#channel = channel
    this.#headers = session.headers
    this.#ports = ports
    this.#subscriptions = createLegacySubscriptions(this)
  }

  async send(request: BackendRequest, out: Notifications): Promise<Reply> {
    const { message } = request
    const clientToken = progressTokenOf(message.text, message.params)
    const reply = await this.carry(request, {
      onNotification: (notification) => passOn(notification, clientToken, out),
      onRequest: (asked) => this.refuse(asked),
    })
    return toModernReply(reply, message.method)
  }

  async carry(request: BackendRequest, events: CallEvents): Promise<Reply> {
    const { message, signal } = request
    const level = logLevelOf(message)
    if (level !== undefined) await this.#talkAtLeast(level, signal)
    const id = this.#ports.nextId()
    const clientToken = progressTokenOf(message.text, message.params)
    const takeLog = (notification: NotificationMessage): Promise<void> | undefined =>
      isLoud(notification, level) ? events.onNotification(notification) : undefined
    const onNotification = (notification: NotificationMessage): Promise<void> | undefined => {
      switch (notification.method) {
        case 'notifications/message':
          return takeLog(notification)
        case 'notifications/cancelled':
          return events.onNotification(notification)
        case 'notifications/progress':
          return isForeignProgress(notification, id) ? undefined : events.onNotification(notification)
        default:
          return this.onMessage(notification)
      }
    }
    const onRequest = (asked: RequestMessage): void => {
      if (this.#pong(asked) || this.#ports.client?.takesForTask(asked) === true) return
      events.onRequest(asked)
    }
    const text = splice(message.text, legacyEdits(request, id, clientToken))
    const patient = events.isPatient === true
    const { attempt, record } = request
    if (record !== undefined) record.requestId = id
    const trace = record?.trace
    if (level !== undefined) this.#listening.push(takeLog)
    try {
      const exchange = { text, id, signal, patient, attempt, onNotification, onRequest }
      return (await this.#exchange(exchange, trace)).message
    } finally {
      if (level !== undefined) this.#listening.splice(this.#listening.indexOf(takeLog), 1)
    }
  }

  async ask(method: string, params: string, signal: Signal): Promise<ResultMessage | ErrorMessage> {
    const id = this.#ports.nextId()
    const text = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{${params}}}`
    const onNotification = (notification: NotificationMessage): undefined => this.onMessage(notification)
    const onRequest = (asked: RequestMessage): void => this.onStray(asked)
    const answer = await this.#exchange({ text, id, signal, onNotification, onRequest })
    return answer.message
  }

  async ping(signal: Signal): Promise<void> {
    await this.ask('ping', '', signal)
  }

  subscribe(filter: SubscriptionFilter, listener: SubscriptionListener, signal: Signal): Promise<void> {
    return this.#subscriptions.subscribe(filter, listener, signal)
  }

  async follow(opened: () => void, signal: Signal): Promise<void> {
    const channel = this.#channel
    if (!isHttp(channel)) {
      opened()
      return unlessAborted(new Promise<never>(() => undefined), signal)
    }
    const onMessage = (message: Message): void => {
      if (message.kind === 'notification') this.onMessage(message)
      else if (message.kind === 'request') this.onStray(message)
    }
    try {
      await channel.listen(this.#headers, { onMessage, onOpen: opened, position: this.#position }, signal)
    } catch (error) {
      if (!isWithoutStream(error)) throw error
      // The same status may mean that the session is gone, which any request finds out.
      await this.ping(signal)
      opened()
      // A server that offers no GET stream announces changes on the streams of calls, if at all.
      await unlessAborted(new Promise<never>(() => undefined), signal)
    }
  }

  onMessage(message: NotificationMessage): undefined {
    this.#ports.onChange(message)
    const { client } = this.#ports
    if (message.method === 'notifications/cancelled' || message.method === 'notifications/tasks/status')
      client?.onNotification(message)
    // On a channel without streams nothing says to which call a log message belongs: it is told to the latest one
    // that asked for any, and to nobody where the session is not one client's alone.
    if (message.method === 'notifications/message' && client?.exclusive === true)
      void this.#listening.at(-1)?.(message)
  }

  onStray(request: RequestMessage): void {
    const { client } = this.#ports
    if (this.#pong(request) || client?.takesForTask(request) === true) return
    if (client === undefined) this.refuse(request)
    else client.onRequest(request)
  }

  respond(text: string): void {
    this.#channel.notify(text, this.#headers).catch((error: unknown) => {
      const fields = { backend: this.#ports.backend, reason: String(error) }
      this.#ports.log('debug', 'could not answer a request of the backend', fields)
    })
  }

  refuse(request: RequestMessage): void {
    const message = `Method not found: the client declared no ${request.method}`
    this.respond(errorText(rawOf(request.text, request.id), { code: -32601, message }))
  }

  async close(): Promise<void> {
    // The event stream is the session.
    if (this.#channel.transport === 'sse') await this.#channel.close()
    if (isHttp(this.#channel) && this.#headers['mcp-session-id'] !== undefined)
      await this.#channel.deleteSession(this.#headers)
  }

  async #exchange(request: Omit<Exchange, 'era' | 'headers'>, trace?: SentTrace): Promise<Answer> {
    const headers = trace === undefined ? this.#headers : { ...this.#headers, ...traceHeaders(trace) }
    try {
      const answer = await this.#channel.exchange({ ...request, era: 'legacy', headers })
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

  #pong(request: RequestMessage): boolean {
    if (request.method !== 'ping') return false
    this.respond(`{"jsonrpc":"2.0","id":${rawOf(request.text, request.id)},"result":{}}`)
    return true
  }

  /**
   * The log level belongs to the session in this era: it is made as talkative as the most curious request wants it,
   * and what comes is filtered for each request. A session that several clients share is left alone.
   */
  async #talkAtLeast(level: string, signal: Signal): Promise<void> {
    const { client } = this.#ports
    if (client?.exclusive !== true || !Object.hasOwn(this.identity.capabilities, 'logging')) return
    const rank = LEVELS.indexOf(level)
    if (rank === -1 || rank >= this.#level) return
    this.#level = rank
    await this.ask('logging/setLevel', `"level":${JSON.stringify(level)}`, signal)
  }
}

/** Passes a notification of a call on to its client, with the progress token that the client chose. */
export function passOn(
  notification: NotificationMessage,
  clientToken: string | undefined,
  out: Notifications,
): Promise<void> | undefined {
  if (notification.method === 'notifications/message') return out.send(notification)
  if (notification.method !== 'notifications/progress' || clientToken === undefined) return undefined
  return out.send(withClientToken(notification, clientToken))
}

function logLevelOf(message: RequestMessage): string | undefined {
  const node = member(member(message.params, '_meta'), META.logLevel)
  return node === undefined ? undefined : (stringOf(message.text, node) ?? '')
}

/** Whether a log message is at least as urgent as asked for. Levels that nobody knows pass. */
function isLoud(notification: NotificationMessage, level: string | undefined): boolean {
  if (level === undefined) return false
  const said = LEVELS.indexOf(stringOf(notification.text, member(notification.params, 'level')) ?? '')
  return said === -1 || said >= LEVELS.indexOf(level)
}

function isHttp(channel: Channel): channel is HttpChannel {
  return channel.transport === 'http'
}

/** What servers answer to a GET where they offer no stream (2025-11-25, basic/transports: 405). */
const NO_STREAM: ReadonlySet<number> = new Set([400, 404, 405, 406, 501])

function isWithoutStream(error: unknown): boolean {
  if (!(error instanceof ChannelError)) return false
  return error.failure.kind === 'status' && NO_STREAM.has(error.failure.status)
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
