import { GatewayError } from '../errors.ts'
import type { Notifications } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import { editMembers } from '../protocol/edit.ts'
import { member } from '../protocol/json.ts'
import { type NotificationMessage, edited, parseMessage } from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import {
  ACKNOWLEDGED,
  type Change,
  type ChangingList,
  type SubscriptionFilter,
  asksFor,
  changeNotification,
  filterText,
} from '../protocol/subscription.ts'

/** What one subscription has to tell its client. */
export interface Outbox {
  /** Acknowledges, and sends from then on what was put in before and is put in later, as far as it is honoured. */
  open(honoured: SubscriptionFilter): void
  /** Says that a list changed; a burst is told at its beginning and once at its end. */
  putList(list: ChangingList): void
  /** Says how one thing is now; while the client does not read, the last word on each is kept. */
  putUpdate(about: Update, notification: NotificationMessage): void
  close(): void
}

/** A change of one thing, as the client calls it. */
export type Update = Exclude<Change, { readonly kind: 'list' }>

/** What an outbox needs. */
export interface OutboxPorts {
  readonly clock: Clock
  readonly out: Notifications
  /** Raw JSON of the subscription's id: that of the request, as the client wrote it. */
  readonly id: string
  /** Updates that may wait for a client that does not read. */
  readonly queue: number
  /** Called when more waits than that. */
  readonly onOverflow: (error: GatewayError) => void
}

/** Milliseconds in which further changes of the same list are told together. */
const BURST = 100

/** Creates the outbox of one subscription; closed until the acknowledgement is there. */
export function createOutbox(ports: OutboxPorts): Outbox {
  return new SubscriptionOutbox(ports)
}

function acknowledgement(honoured: SubscriptionFilter, id: string): NotificationMessage {
  const message = parseMessage(
    `{"jsonrpc":"2.0","method":"${ACKNOWLEDGED}","params":{"_meta":{"${META.subscriptionId}":${id}},"notifications":${filterText(honoured)}}}`,
  )
  if (message.kind !== 'notification') throw new TypeError('Not a notification')
  return message
}

/** The notification as one of that subscription: every message of it carries its id (2026-07-28, basic/patterns/subscriptions). */
function withSubscriptionId(notification: NotificationMessage, id: string): NotificationMessage {
  const { root, params } = notification
  const fresh = `{"${META.subscriptionId}":${id}}`
  if (params === undefined) return edited(notification, editMembers(root, { params: `{"_meta":${fresh}}` }))
  const meta = member(params, '_meta')
  if (meta?.kind !== 'object') return edited(notification, editMembers(params, { _meta: fresh }))
  return edited(notification, editMembers(meta, { [META.subscriptionId]: id }))
}

/** An update that is not sent yet. */
interface Waiting {
  readonly about: Update
  readonly notification: NotificationMessage
}

class SubscriptionOutbox implements Outbox {
  readonly #ports: OutboxPorts
  readonly #lists = new Set<ChangingList>()
  readonly #updates = new Map<string, Waiting>()
  /** When each list may be told again, and what cancels doing so. */
  readonly #bursts = new Map<ChangingList, { readonly cancel: () => void; again: boolean }>()
  /** Known once the subscription is acknowledged. */
  #honoured: SubscriptionFilter | undefined
  #closed = false
  #busy = false

  constructor(ports: OutboxPorts) {
    this.#ports = ports
  }

  open(honoured: SubscriptionFilter): void {
    if (this.#closed) return
    this.#honoured = honoured
    this.#send(acknowledgement(honoured, this.#ports.id))
    for (const list of this.#lists) if (!honoured.lists.includes(list)) this.#lists.delete(list)
    for (const [key, { about }] of this.#updates) if (!asksFor(honoured, about)) this.#updates.delete(key)
    this.#pump()
  }

  putList(list: ChangingList): void {
    if (!this.#isWanted({ kind: 'list', list })) return
    const burst = this.#bursts.get(list)
    if (burst !== undefined) burst.again = true
    else {
      this.#lists.add(list)
      this.#pump()
    }
  }

  putUpdate(about: Update, notification: NotificationMessage): void {
    if (!this.#isWanted(about)) return
    this.#updates.set(about.kind === 'task' ? `task ${about.taskId}` : `resource ${about.uri}`, {
      about,
      notification,
    })
    if (this.#updates.size > this.#ports.queue) {
      this.close()
      const message = `The client left ${this.#ports.queue} messages unread`
      return this.#ports.onOverflow(new GatewayError('SLOW_CONSUMER', message))
    }
    this.#pump()
  }

  close(): void {
    this.#closed = true
    for (const { cancel } of this.#bursts.values()) cancel()
    this.#bursts.clear()
    this.#lists.clear()
    this.#updates.clear()
  }

  /** Nothing is sent that was not agreed; before that is known, everything waits. */
  #isWanted(change: Change): boolean {
    return !this.#closed && (this.#honoured === undefined || asksFor(this.#honoured, change))
  }

  /** Sends what waits, at the pace of the client. */
  #pump(): void {
    while (this.#honoured !== undefined && !this.#busy && !this.#closed) {
      const next = this.#next()
      if (next === undefined) return
      this.#send(withSubscriptionId(next, this.#ports.id))
    }
  }

  #next(): NotificationMessage | undefined {
    for (const list of this.#lists) {
      this.#lists.delete(list)
      this.#startBurst(list)
      return changeNotification({ kind: 'list', list })
    }
    for (const [key, { notification }] of this.#updates) {
      this.#updates.delete(key)
      return notification
    }
    return undefined
  }

  #startBurst(list: ChangingList): void {
    const cancel = this.#ports.clock.after(BURST, () => {
      const again = this.#bursts.get(list)?.again === true
      this.#bursts.delete(list)
      if (again) this.putList(list)
    })
    this.#bursts.set(list, { cancel, again: false })
  }

  async #resume(ready: Promise<void>): Promise<void> {
    await ready
    this.#busy = false
    this.#pump()
  }

  #send(notification: NotificationMessage): void {
    const ready = this.#ports.out.send(notification)
    if (ready === undefined) return
    this.#busy = true
    void this.#resume(ready)
  }
}
