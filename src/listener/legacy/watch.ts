import { GatewayError } from '../../errors.ts'
import type { Signal } from '../../pipeline/signal.ts'
import type { Outcome } from '../../filters/rescue.ts'
import type { Notifications } from '../../pipeline/call.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { editMembers, splice } from '../../protocol/edit.ts'
import { member, rawOf, stringOf, valueOf } from '../../protocol/json.ts'
import { type NotificationMessage, type RequestMessage, parseMessage } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { isOver, taskStatusOf } from '../../protocol/tasks.ts'

/** What came of a wish to be told about a resource. */
export type Subscribed = 'subscribed' | 'refused' | 'too-many' | 'unsupported'

/** Everything that one session wants to be told, kept as one `subscriptions/listen` call. */
export interface Watch {
  /** Whether the client listens, so that changed lists are worth telling. */
  listen(on: boolean): void
  subscribe(uri: string): Promise<Subscribed>
  unsubscribe(uri: string): void
  /** Tells from now on how that task is, while the client listens. */
  followTask(taskId: string): void
  close(): void
}

/** What a watch needs. */
export interface WatchPorts {
  /** Makes the call for the session. */
  readonly answer: (message: RequestMessage, signal: Signal, out: Notifications) => Promise<Outcome>
  /** Takes a notification to the client. */
  readonly push: (text: string) => void
  /** The raw task of a `notifications/tasks` as the client knows it, without that of the subscription. */
  readonly task: (params: string) => string
  readonly clock: Clock
}

/** Milliseconds before a subscription that broke is opened again: the first time, and at most. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000
/** Resources that one session may subscribe to. */
const MAX_URIS = 1000
/** Tasks that one session is told about: the latest. Whoever wants to know of others asks. */
const MAX_TASKS = 100

/** One `subscriptions/listen` call under way. */
interface Opened {
  readonly number: number
  readonly controller: AbortController
  /** The resources that will be told about; undefined where the call ended without saying. */
  readonly acknowledged: Promise<ReadonlySet<string> | undefined>
}

/** Creates the watch of one session; nothing is called before there is something to watch. */
export function createWatch(ports: WatchPorts): Watch {
  return new SessionWatch(ports)
}

class SessionWatch implements Watch {
  readonly #ports: WatchPorts
  readonly #uris = new Set<string>()
  readonly #tasks = new Set<string>()
  readonly #open = new Set<Opened>()
  #lists = false
  #unsupported = false
  #closed = false
  #last = 0
  /** The newest call that was acknowledged: the only one that is listened to. */
  #active: Opened | undefined
  #pause = FIRST_PAUSE
  #cancelRetry: (() => void) | undefined

  constructor(ports: WatchPorts) {
    this.#ports = ports
  }

  listen(on: boolean): void {
    if (this.#lists === on) return
    this.#lists = on
    this.#reopen()
  }

  async subscribe(uri: string): Promise<Subscribed> {
    if (this.#unsupported) return 'unsupported'
    if (this.#uris.has(uri)) return 'subscribed'
    if (this.#uris.size >= MAX_URIS) return 'too-many'
    this.#uris.add(uri)
    const honoured = await this.#reopen()?.acknowledged
    if (honoured?.has(uri) === true) return 'subscribed'
    this.#uris.delete(uri)
    return this.#unsupported ? 'unsupported' : 'refused'
  }

  unsubscribe(uri: string): void {
    if (this.#uris.delete(uri)) this.#reopen()
  }

  followTask(taskId: string): void {
    this.#tasks.add(taskId)
    const [oldest] = this.#tasks
    if (this.#tasks.size > MAX_TASKS && oldest !== undefined) this.#tasks.delete(oldest)
    if (this.#lists) this.#reopen()
  }

  close(): void {
    this.#closed = true
    this.#cancelRetry?.()
    this.#endBefore(Infinity)
  }

  /** The new call is acknowledged before the old one ends: filters cannot be changed, and nothing may be missed. */
  #reopen(): Opened | undefined {
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    if (this.#closed || this.#unsupported) return undefined
    if (!this.#lists && this.#uris.size === 0) {
      this.#endBefore(Infinity)
      return undefined
    }
    const controller = new AbortController()
    const acknowledged = Promise.withResolvers<ReadonlySet<string> | undefined>()
    const opened: Opened = { number: ++this.#last, controller, acknowledged: acknowledged.promise }
    this.#open.add(opened)
    const out: Notifications = {
      send: (notification) => {
        if (notification.method === 'notifications/subscriptions/acknowledged') {
          this.#activate(opened)
          acknowledged.resolve(honouredUris(notification))
        } else if (this.#active === opened) this.#push(notification)
        return undefined
      },
    }
    const listen = async (): Promise<void> => {
      this.#ended(opened, await this.#ports.answer(this.#message(opened.number), controller.signal, out))
      acknowledged.resolve(undefined)
    }
    void listen()
    return opened
  }

  #push(notification: NotificationMessage): void {
    const { params, text } = notification
    if (notification.method !== 'notifications/tasks' || params === undefined)
      return this.#ports.push(withoutSubscription(notification))
    const task = this.#ports.task(rawOf(text, params))
    if (isOver(taskStatusOf(task))) this.#tasks.delete(stringOf(text, member(params, 'taskId')) ?? '')
    this.#ports.push(`{"jsonrpc":"2.0","method":"notifications/tasks/status","params":${task}}`)
  }

  #activate(opened: Opened): void {
    if (!this.#open.has(opened)) return
    this.#active = opened
    this.#pause = FIRST_PAUSE
    this.#endBefore(opened.number)
  }

  #endBefore(number: number): void {
    for (const opened of this.#open) {
      if (opened.number >= number) continue
      this.#open.delete(opened)
      opened.controller.abort(new GatewayError('CANCELLED', 'The session follows something else, or nothing'))
    }
  }

  #ended(opened: Opened, outcome: Outcome): void {
    if (!this.#open.delete(opened)) return
    if (this.#active === opened) this.#active = undefined
    const code = outcome.kind === 'refusal' ? outcome.error.code : outcome.kind === 'error' ? outcome.code : 0
    if (code === METHOD_NOT_FOUND) this.#unsupported = true
    else if (this.#open.size === 0) this.#retryLater()
  }

  #retryLater(): void {
    this.#cancelRetry?.()
    this.#cancelRetry = this.#ports.clock.after(this.#pause, () => this.#reopen())
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE)
  }

  #message(number: number): RequestMessage {
    const lists = this.#lists
      ? { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true }
      : {}
    const uris = this.#uris.size === 0 ? {} : { resourceSubscriptions: [...this.#uris] }
    const tasks = this.#lists && this.#tasks.size > 0 ? { taskIds: [...this.#tasks] } : {}
    const params = JSON.stringify({ notifications: { ...lists, ...uris, ...tasks } })
    const message = parseMessage(
      `{"jsonrpc":"2.0","id":"listen-${number}","method":"subscriptions/listen","params":${params}}`,
    )
    if (message.kind !== 'request') throw new TypeError('Not a request')
    return message
  }
}

const METHOD_NOT_FOUND = -32601

function honouredUris(acknowledgement: NotificationMessage): ReadonlySet<string> {
  const filter = member(acknowledgement.params, 'notifications')
  const value = filter === undefined ? {} : valueOf(acknowledgement.text, filter)
  const { resourceSubscriptions } = value as { readonly resourceSubscriptions?: unknown }
  return new Set(Array.isArray(resourceSubscriptions) ? (resourceSubscriptions as readonly string[]) : [])
}

/** A legacy client knows no subscriptions by id. */
function withoutSubscription(notification: NotificationMessage): string {
  const meta = member(notification.params, '_meta')
  if (meta?.kind !== 'object') return notification.text
  return splice(notification.text, editMembers(meta, { [META.subscriptionId]: undefined }))
}
