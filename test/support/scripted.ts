import type {
  Backend,
  BackendIdentity,
  BackendList,
  BackendRequest,
  BackendStatus,
  Subscriber,
} from '../../src/backend/backend.ts'
import type { Signal } from '../../src/pipeline/signal.ts'
import type { AuthenticatedPrincipal, Call, Notifications, Reply } from '../../src/pipeline/call.ts'
import type { ListKind } from '../../src/protocol/methods.ts'
import {
  type SubscriptionFilter,
  asksFor,
  changeNotification,
  changeOf,
} from '../../src/protocol/subscription.ts'
import {
  type ErrorMessage,
  type NotificationMessage,
  type RequestMessage,
  type ResultMessage,
  errorText,
  parseMessage,
} from '../../src/protocol/message.ts'

/** A request as a listener would have read it. `params` is raw JSON or a value. */
export function request(method: string, params?: unknown, id: number | string = 1): RequestMessage {
  const raw =
    params === undefined ? '' : `,"params":${typeof params === 'string' ? params : JSON.stringify(params)}`
  return requestOf(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":${JSON.stringify(method)}${raw}}`)
}

/** The request that a text is. */
export function requestOf(text: string): RequestMessage {
  const message = parseMessage(text)
  if (message.kind !== 'request') throw new TypeError(`no request: ${text}`)
  return message
}

/** The notification that a text is. */
export function notificationOf(text: string): NotificationMessage {
  const message = parseMessage(text)
  if (message.kind !== 'notification') throw new TypeError(`no notification: ${text}`)
  return message
}

/** A result with these members (raw JSON or a value) for the request with that raw id. */
export function result(value: unknown, id = '1'): ResultMessage {
  const raw = typeof value === 'string' ? value : JSON.stringify(value)
  const message = parseMessage(`{"jsonrpc":"2.0","id":${id},"result":${raw}}`)
  if (message.kind !== 'result') throw new TypeError(`no result: ${raw}`)
  return message
}

/** An error answer of a backend to the request with that raw id. */
export function rpcError(
  code: number,
  message = 'no',
  extra: { readonly data?: unknown; readonly id?: string } = {},
): ErrorMessage {
  const { data, id = '1' } = extra
  const parsed = parseMessage(errorText(id, { code, message, ...(data === undefined ? {} : { data }) }))
  if (parsed.kind !== 'error') throw new TypeError('no error')
  return parsed
}

/** The value of a reply's result. */
export function valueOfReply(reply: Reply): Record<string, unknown> {
  const parsed = JSON.parse(reply.text) as { readonly result?: Record<string, unknown> }
  if (parsed.result === undefined) throw new TypeError(`no result: ${reply.text}`)
  return parsed.result
}

/** Somebody with a verified identity and no scopes, unless told otherwise. */
export function someone(id: string, over: Partial<AuthenticatedPrincipal> = {}): AuthenticatedPrincipal {
  return {
    id,
    anonymous: false,
    issuer: 'https://issuer.example',
    subject: id,
    client: undefined,
    tenant: undefined,
    scopes: new Set(),
    groups: new Set(),
    claims: {},
    expiresAt: undefined,
    ...over,
  }
}

/** A call of an anonymous modern client on the aggregate, unless told otherwise. */
export function callOf(message: RequestMessage, over: Partial<Call> = {}): Call {
  return {
    message,
    method: message.method,
    route: { kind: 'aggregate' },
    principal: { id: 'anonymous', anonymous: true },
    downstream: {
      era: 'modern',
      version: '2026-07-28',
      transport: 'http',
      session: undefined,
      address: undefined,
    },
    headers: undefined,
    signal: new AbortController().signal,
    ...over,
  }
}

/** Keeps what is sent. */
export function collect(): Notifications & { readonly texts: string[] } {
  const texts: string[] = []
  return {
    texts,
    send(notification) {
      texts.push(notification.text)
      return undefined
    },
  }
}

/** A backend that does what the test says: the port, not a stand-in for a real one. */
export interface ScriptedBackend extends Backend {
  /** Requests that were sent, in order. */
  readonly sent: BackendRequest[]
  /** Lists that were asked for, in order. */
  readonly listed: ListKind[]
  /** Answers the next requests. */
  onSend: (request: BackendRequest, out: Notifications) => Promise<Reply>
  onList: (kind: ListKind, signal: Signal) => Promise<BackendList>
  onIdentify: (signal: Signal) => Promise<BackendIdentity>
  /** What `status` says beside the name. */
  statusNow: Partial<BackendStatus>
  /** What the backend honours of what is subscribed to; everything unless told otherwise. */
  honours: (filter: SubscriptionFilter) => Promise<SubscriptionFilter>
  /** Subscriptions that are open, in order. */
  readonly subscriptions: readonly { readonly filter: SubscriptionFilter; readonly context: string }[]
  /** Says that a list changed, or what this notification says, to those who asked for it. */
  announce(kind: ListKind | NotificationMessage): void
  readonly listeners: number
}

/** A modern backend that offers everything and lists nothing, until told otherwise. */
export function scriptedBackend(name: string): ScriptedBackend {
  const followers = new Set<{ filter: SubscriptionFilter; subscriber: Subscriber }>()
  const backend: ScriptedBackend = {
    name,
    sent: [],
    listed: [],
    statusNow: {},
    onSend: () => Promise.resolve(result({})),
    resumes: () => false,
    onList: () => Promise.resolve(listOf([])),
    onIdentify: () => Promise.resolve(identity()),
    send(sent, out) {
      backend.sent.push(sent)
      return backend.onSend(sent, out)
    },
    list(kind, signal) {
      backend.listed.push(kind)
      return backend.onList(kind, signal)
    },
    identify: (signal) => backend.onIdentify(signal),
    status: () => ({
      name,
      transport: 'http',
      condition: { state: 'connecting' },
      since: 0,
      health: { status: 'connecting', since: 0 },
      identity: undefined,
      eraSince: undefined,
      restarts: 0,
      sessions: 0,
      readyAfter: undefined,
      ...backend.statusNow,
    }),
    honours: (filter) => Promise.resolve(filter),
    get subscriptions() {
      return [...followers].map(({ filter, subscriber }) => ({ filter, context: subscriber.context }))
    },
    subscribe(filter, subscriber) {
      const follower = { filter, subscriber }
      followers.add(follower)
      return { honoured: backend.honours(filter), close: () => void followers.delete(follower) }
    },
    announce(said) {
      const list = said === 'resourceTemplates' ? 'resources' : said
      const notification = typeof list === 'object' ? list : changeNotification({ kind: 'list', list })
      const change = changeOf(notification)
      if (change === undefined) throw new TypeError(`announces nothing: ${notification.text}`)
      for (const { filter, subscriber } of followers)
        if (asksFor(filter, change)) subscriber.onChange(change, notification)
    },
    get listeners() {
      return followers.size
    },
    close: () => Promise.resolve(),
  }
  return backend
}

/** The identity of a modern backend with every feature. */
export function identity(over: Partial<BackendIdentity> = {}): BackendIdentity {
  return {
    era: 'modern',
    version: '2026-07-28',
    serverInfo: { name: 'scripted', version: '1' },
    capabilities: { tools: {}, prompts: {}, resources: {} },
    instructions: undefined,
    ...over,
  }
}

/** A list with these entries, not to be kept. */
export function listOf(entries: readonly object[], over: Partial<BackendList> = {}): BackendList {
  return {
    entries: entries.map((entry) => JSON.stringify(entry)),
    ttlMs: 0,
    cacheScope: 'public',
    offered: true,
    ...over,
  }
}

/** The definition of a tool without arguments. */
export function tool(name: string, over: object = {}): { readonly name: string } {
  return { name, inputSchema: { type: 'object' }, ...over } as { readonly name: string }
}

/** Never settles before the signal is aborted; then rejects with its reason. */
export function untilAborted(signal: Signal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort)
  })
}
