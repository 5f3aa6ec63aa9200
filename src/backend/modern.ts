import { type Signal, anySignal } from '../pipeline/signal.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { HeaderLookup, Notifications, Reply } from '../pipeline/call.ts'
import type { OneTarget } from '../pipeline/target.ts'
import { type Edit, editMembers, splice } from '../protocol/edit.ts'
import { encodeHeaderValue } from '../protocol/headers.ts'
import { member, stringOf, valueOf } from '../protocol/json.ts'
import type { ErrorMessage, NotificationMessage, RequestMessage, ResultMessage } from '../protocol/message.ts'
import { META, TASKS } from '../protocol/meta.ts'
import { nameParamOf } from '../protocol/methods.ts'
import { buildParamHeaders } from '../protocol/param-headers.ts'
import { subjectOf } from '../protocol/subject.ts'
import {
  ACKNOWLEDGED,
  NOTHING,
  type SubscriptionFilter,
  changeOf,
  filterText,
  readFilter,
} from '../protocol/subscription.ts'
import { MODERN_VERSION } from '../protocol/versions.ts'
import type { BackendIdentity, BackendRequest } from './backend.ts'
import { declaresTasks } from './capabilities.ts'
import { type Answer, type Channel, ChannelError, type Exchange } from './channel.ts'
import { type SpeakerPorts, ownRequestMeta } from './ports.ts'
import {
  type Speaker,
  StaleSpeakerError,
  type SubscriptionListener,
  isForeignProgress,
  progressTokenOf,
  replaceNode,
  retarget,
  withClientToken,
} from './speaker.ts'
import { traceHeaders, traceMembers } from './trace.ts'

const NO_HEADERS: Readonly<Record<string, string>> = {}

/** Speaks the modern revision (2026-07-28) to a backend: every request stands alone. */
export function createModernSpeaker(
  channel: Channel,
  identity: BackendIdentity,
  ports: SpeakerPorts,
): Speaker {
  return new ModernSpeaker(channel, identity, ports)
}

class ModernSpeaker implements Speaker {
  readonly identity: BackendIdentity
  readonly #channel: Channel
  readonly #ports: SpeakerPorts
  readonly #overHttp: boolean

  constructor(channel: Channel, identity: BackendIdentity, ports: SpeakerPorts) {
    this.identity = identity
    this.#channel = channel
    this.#ports = ports
    this.#overHttp = channel.transport === 'http'
  }

  send(request: BackendRequest, out: Notifications): Promise<Reply> {
    const id = this.#ports.nextId()
    const { message, signal } = request
    const clientToken = progressTokenOf(message.text, message.params)
    const onNotification = (notification: NotificationMessage): Promise<void> | undefined => {
      // No request asks for changes but a subscription: those who did are told.
      if (changeOf(notification) !== undefined) return this.onMessage(notification)
      if (clientToken === undefined)
        return isForeignProgress(notification, undefined) ? undefined : out.send(notification)
      if (isForeignProgress(notification, id)) return undefined
      return out.send(withClientToken(notification, clientToken))
    }
    const text = splice(message.text, modernEdits(request, id, clientToken))
    const headers = this.#overHttp ? mirrorHeaders(request) : NO_HEADERS
    const { attempt, record } = request
    if (record !== undefined) record.requestId = id
    return this.#channel
      .exchange({ era: 'modern', text, id, headers, signal, onNotification, onRequest: ignored, attempt })
      .then((answer) => replyOf(answer, message), rethrown)
  }

  ask(method: string, params: string, signal: Signal): Promise<ResultMessage | ErrorMessage> {
    const { nextId, requestMeta } = this.#ports
    const id = nextId()
    const text = `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{${params === '' ? '' : `${params},`}"_meta":${requestMeta}}}`
    const headers = this.#ownHeaders(method)
    const onNotification = (notification: NotificationMessage): undefined => this.onMessage(notification)
    return this.#exchange({ text, id, headers, signal, onNotification })
  }

  async ping(signal: Signal): Promise<void> {
    await this.ask('server/discover', '', signal)
  }

  async subscribe(filter: SubscriptionFilter, listener: SubscriptionListener, signal: Signal): Promise<void> {
    const id = this.#ports.nextId()
    // A server may also end a subscription like a request that it gives up (basic/patterns/cancellation).
    const ended = new AbortController()
    const end = new Error('the server ended the subscription')
    const onNotification = (notification: NotificationMessage): undefined => {
      if (notification.method === ACKNOWLEDGED) listener.onOpen(readFilter(notification) ?? NOTHING)
      else if (notification.method === 'notifications/cancelled') ended.abort(end)
      else listener.onChange(notification)
    }
    const text = `{"jsonrpc":"2.0","id":${id},"method":"subscriptions/listen","params":{"notifications":${filterText(filter)},"_meta":${this.#metaFor(filter)}}}`
    const headers = this.#ownHeaders('subscriptions/listen')
    const both = anySignal(signal, ended.signal)
    try {
      const exchange = { text, id, headers, signal: both, onNotification, isEndless: true }
      const message = await this.#exchange(exchange)
      if (message.kind === 'error') await this.#unsubscribable(message, listener, signal)
    } catch (error) {
      if (error !== end) throw error
    }
  }

  /** Whoever follows tasks declares them (ext-tasks, "Task Status Notifications"). */
  #metaFor({ tasks }: SubscriptionFilter): string {
    const { clientInfo, requestMeta } = this.#ports
    return tasks.length === 0 ? requestMeta : ownRequestMeta(clientInfo, { extensions: { [TASKS]: {} } })
  }

  /** A server that does not know subscriptions at all has nothing to tell, and need not be asked again. */
  async #unsubscribable(
    message: ErrorMessage,
    listener: SubscriptionListener,
    signal: Signal,
  ): Promise<void> {
    if (message.code !== -32601) {
      const reason = `refused a subscription with error ${message.code}`
      throw new ChannelError({ kind: 'protocol', reason })
    }
    listener.onOpen(NOTHING)
    await unlessAborted(new Promise<never>(() => undefined), signal)
  }

  onMessage(message: NotificationMessage): undefined {
    this.#ports.onChange(message)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #ownHeaders(method: string): Readonly<Record<string, string>> {
    return this.#overHttp ? { 'mcp-protocol-version': MODERN_VERSION, 'mcp-method': method } : NO_HEADERS
  }

  #exchange(request: Omit<Exchange, 'era' | 'onRequest'>): Promise<Answer['message']> {
    return this.#channel.exchange({ ...request, era: 'modern', onRequest: ignored }).then(messageOf, rethrown)
  }
}

/** Modern servers send no requests. */
const ignored = (): void => undefined

function messageOf(answer: Answer): Answer['message'] {
  if (isOfOtherEra(answer)) throw otherEra(`HTTP status ${answer.status}`)
  return answer.message
}

function replyOf(answer: Answer, request: RequestMessage): Reply {
  const message = messageOf(answer)
  if (message.kind === 'result') checkResultType(message, request)
  return message
}

function rethrown(error: unknown): never {
  if (error instanceof ChannelError && provesOtherEra(error)) throw otherEra(error.message)
  throw error
}

function modernEdits(request: BackendRequest, id: string, clientToken: string | undefined): readonly Edit[] {
  const edits = withTrace(request, withoutLegacyTask(request, retarget(request, id)))
  if (clientToken === undefined) return edits
  const token = member(member(request.message.params, '_meta'), META.progressToken)
  return token === undefined ? edits : [...edits, replaceNode(token, id)]
}

/** The wish of a legacy client for a task is said by the extension that is declared for it. */
function withoutLegacyTask({ downstream, message }: BackendRequest, edits: readonly Edit[]): readonly Edit[] {
  if (
    downstream.era !== 'legacy' ||
    message.params === undefined ||
    member(message.params, 'task') === undefined
  )
    return edits
  return [...edits, ...editMembers(message.params, { task: undefined })]
}

/** A backend hears of the trace in the message itself, whatever it travels in (SEP-414). */
function withTrace({ message, record }: BackendRequest, edits: readonly Edit[]): readonly Edit[] {
  const trace = record?.trace
  const meta = member(message.params, '_meta')
  // The modern form has it always.
  if (trace === undefined || meta?.kind !== 'object') return edits
  return [...edits, ...editMembers(meta, traceMembers(trace))]
}

/**
 * Every header is made anew from the body that is sent (2026-07-28, basic/transports/streamable-http "Request
 * Metadata"); unknown `Mcp-Param-*` headers of the client are passed on, known ones never.
 */
function mirrorHeaders(request: BackendRequest): Readonly<Record<string, string>> {
  const { message, target } = request
  const headers: Record<string, string> = {
    'mcp-protocol-version': MODERN_VERSION,
    'mcp-method': message.method,
  }
  const name = nameParamOf(message.method) === undefined ? undefined : (target.name ?? subjectOf(message))
  if (name !== undefined) headers['mcp-name'] = encodeHeaderValue(name)
  if (request.headers !== undefined) passUnknownParams(request.headers, target, headers)
  if (request.record?.trace !== undefined) Object.assign(headers, traceHeaders(request.record.trace))
  if (target.paramHeaders.length > 0) {
    const args = member(message.params, 'arguments')
    Object.assign(
      headers,
      buildParamHeaders(args === undefined ? undefined : valueOf(message.text, args), target.paramHeaders),
    )
  }
  return headers
}

function passUnknownParams(from: HeaderLookup, target: OneTarget, to: Record<string, string>): void {
  for (const name in from) {
    if (!name.startsWith('mcp-param-') || target.paramHeaders.some((param) => param.header === name)) continue
    const value = from[name]
    if (typeof value === 'string') to[name] = value
  }
}

const INPUT_METHODS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

const TASK_METHODS: ReadonlySet<string> = new Set(['tools/call', 'tasks/get', 'tasks/update', 'tasks/cancel'])

/** 2026-07-28, basic/index "ResultType": a value that nobody declared is an invalid answer. */
function checkResultType(reply: ResultMessage, request: RequestMessage): void {
  const node = member(reply.result, 'resultType')
  if (node === undefined) return
  const type = stringOf(reply.text, node)
  if (type === 'complete') return
  if (type === 'input_required' && INPUT_METHODS.has(request.method)) return
  // Examples of the tasks extension answer `tasks/get` with "task" too, against its own text.
  if (type === 'task' && TASK_METHODS.has(request.method) && declaresTasks(request)) return
  // A word that is not known is the backend's own, and has no place in a reason.
  const said = type === 'task' || type === 'input_required' ? `resultType "${type}"` : 'an unknown resultType'
  throw new ChannelError({ kind: 'protocol', reason: `answered ${request.method} with ${said}` })
}

function otherEra(evidence: string): StaleSpeakerError {
  return new StaleSpeakerError('era', `no longer answers as a modern server (${evidence})`)
}

/** What a server of the other era answers to a request that it does not understand. */
const OTHER_ERA: ReadonlySet<number> = new Set([400, 404, 405, 406, 415])

/** A modern server says in JSON-RPC what it does not like; these statuses without such an answer come from another era. */
function provesOtherEra(error: ChannelError): boolean {
  return error.failure.kind === 'status' && OTHER_ERA.has(error.failure.status)
}

/** Legacy SDKs miss the session before they look at the request, and say so without its id. */
function isOfOtherEra({ message, status }: Answer): boolean {
  if (message.kind !== 'error' || message.id !== undefined || !OTHER_ERA.has(status)) return false
  return message.code > -32020 || message.code < -32022
}
