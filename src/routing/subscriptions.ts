import { type Signal, anySignal } from '../pipeline/signal.ts'
import type { Backend } from '../backend/backend.ts'
import { EVERYBODY } from '../backend/subscriptions.ts'
import { GatewayError } from '../errors.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { Notifications, Permitted, Principal, Reply, Route } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Handler } from '../pipeline/handler.ts'
import type { Rights } from '../pipeline/rights.ts'
import { buildResult } from '../protocol/build.ts'
import { editMembers } from '../protocol/edit.ts'
import { rawOf } from '../protocol/json.ts'
import { type NotificationMessage, edited } from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import {
  CHANGING_LISTS,
  type Change,
  type ChangingList,
  type SubscriptionFilter,
  changeNotification,
  isWithin,
} from '../protocol/subscription.ts'
import { createAdmission, filterOf } from './admission.ts'
import type { Catalog } from './catalog.ts'
import { exposeTaskStatus } from './expose.ts'
import { type Outbox, createOutbox } from './outbox.ts'
import {
  type Followed,
  type FollowedTask,
  type Part,
  honouredResources,
  honouredTasks,
} from './subscription-part.ts'
import type { TaskIds } from './tasks.ts'

/** What subscriptions of clients are made of. */
export interface FanInPorts {
  readonly catalog: Catalog
  readonly backends: ReadonlyMap<string, Backend>
  readonly taskIds: TaskIds
  readonly clock: Clock
  /** Milliseconds that the acknowledgement waits for slow backends. */
  readonly listDeadline: number
  /** Open subscriptions per principal. */
  readonly streams: number
  /** Notifications that may wait for a client that does not read. */
  readonly queue: number
  /** Milliseconds after which a subscription of a modern client is ended in good order. */
  readonly age: number
}

/** What there is to follow, and who may. */
export interface Followable {
  readonly backends: ReadonlyMap<string, Backend>
  /** Undefined where everybody may follow everything. */
  readonly rightsOf: ((principal: Principal, route: Route) => Rights) | undefined
}

/** The subscriptions of all clients: each follows several backends. */
export interface FanIn {
  /** Serves `subscriptions/listen` (2026-07-28, basic/patterns/subscriptions) until the client or the gateway ends it. */
  readonly listen: Handler<Permitted>
  /** Goes on with these backends: open subscriptions follow those that came, and are told what changed by it. */
  serve(followable: Followable): void
  /** Ends every subscription in good order, and takes no new ones. */
  drain(): void
  /** Subscriptions that are open. */
  readonly open: number
}

/** Creates the fan-in. */
export function createFanIn(ports: FanInPorts): FanIn {
  const draining = new AbortController()
  const open = new Set<ClientSubscription>()
  let { backends } = ports
  const admit = createAdmission(ports.streams)
  return {
    async listen(call, out) {
      const { target } = call.permit
      if (target.kind !== 'many') throw new TypeError('listen takes calls with many targets')
      const filter = filterOf(call)
      draining.signal.throwIfAborted()
      const leave = admit(call)
      const opening = { call, out, filter, names: target.backends, backends }
      const subscription = new ClientSubscription(ports, opening)
      open.add(subscription)
      try {
        return await subscription.serve(draining.signal)
      } finally {
        open.delete(subscription)
        subscription.close()
        leave()
      }
    },
    serve(followable) {
      backends = followable.backends
      for (const subscription of open) subscription.update(followable)
    },
    get open() {
      return open.size
    },
    drain: () => draining.abort(new GatewayError('DRAINING', 'The gateway is shutting down')),
  }
}

interface Opening {
  readonly call: Permitted
  readonly out: Notifications
  readonly filter: SubscriptionFilter
  /** Of the backends that it may follow. */
  readonly names: readonly string[]
  readonly backends: ReadonlyMap<string, Backend>
}

/** One subscription of one client. */
class ClientSubscription {
  readonly #ports: FanInPorts
  readonly #opening: Opening
  readonly #id: string
  readonly #outbox: Outbox
  readonly #overflow = new AbortController()
  readonly #ended = new AbortController()
  /** Nothing else ends the subscription of a client that vanished; one that is there subscribes again. */
  readonly #old = new AbortController()
  readonly #cancelAge: (() => void) | undefined
  #parts: readonly Part[] = []
  #names: readonly string[]
  #backends: ReadonlyMap<string, Backend>
  #rights: Rights | undefined
  /** Whether it follows already, and what came before it did. */
  #isFollowing = false
  #update: Followable | undefined
  readonly #stopNews: () => void
  #acknowledged = false

  constructor(ports: FanInPorts, opening: Opening) {
    const { message } = opening.call
    this.#ports = ports
    this.#opening = opening
    this.#names = opening.names
    this.#backends = opening.backends
    this.#rights = opening.call.permit.rights
    this.#id = rawOf(message.text, message.id)
    this.#outbox = createOutbox({
      clock: ports.clock,
      out: opening.out,
      id: this.#id,
      queue: ports.queue,
      onOverflow: (error) => this.#overflow.abort(error),
    })
    // Those of legacy clients live as long as the streams and sessions that they are for.
    if (opening.call.downstream.era === 'modern')
      this.#cancelAge = ports.clock.after(ports.age, () => this.#old.abort(new Error('old')))
    this.#stopNews = ports.catalog.onNews((backend, list) => {
      if (this.#names.includes(backend) && this.#wants(backend, list)) this.#outbox.putList(list)
    })
  }

  /** Settles with the result when the gateway ends the subscription. */
  async serve(draining: Signal): Promise<Reply> {
    const { signal } = this.#opening.call
    const ends = anySignal(signal, this.#overflow.signal, this.#old.signal, draining)
    const owners = await unlessAborted(this.#owners(), ends)
    this.#parts = this.#follow(owners)
    this.#followTasks()
    this.#isFollowing = true
    if (this.#update !== undefined) this.update(this.#update)
    await this.#agreed(ends)
    this.#acknowledged = true
    this.#outbox.open(this.#honoured())
    try {
      return await unlessAborted(new Promise<never>(() => undefined), ends)
    } catch (error) {
      // Whatever else happened first is no graceful end.
      if (error !== this.#old.signal.reason && (!draining.aborted || error !== draining.reason)) throw error
      return buildResult({ resultType: '"complete"', _meta: { [META.subscriptionId]: this.#id } })
    }
  }

  /** Follows what has come, and lets go of what has left. */
  update(next: Followable): void {
    this.#update = next
    if (!this.#isFollowing) return
    const { route, principal } = this.#opening.call
    const before = this.#backends
    this.#rights = next.rightsOf?.(principal, route)
    this.#backends = next.backends
    if (route.kind === 'backend') {
      // Its client subscribes again, to what is there now.
      const isSame = next.backends.get(route.backend) === before.get(route.backend)
      if (!isSame) this.#old.abort(new Error('another backend'))
      return
    }
    this.#names = [...next.backends.keys()].filter((name) => this.#rights?.reaches(name) ?? true)
    const isThere = ({ backend }: Part): boolean => next.backends.get(backend.name) === backend
    const gone = this.#parts.filter((part) => !isThere(part))
    gone.forEach(({ subscription }) => subscription.close())
    if (gone.length > 0) for (const list of this.#opening.filter.lists) this.#outbox.putList(list)
    const uris = this.#ports.catalog.uris()
    const orphans = this.#opening.filter.resources.filter((uri) => uris.resolve(uri) === undefined)
    const added = this.#names.filter((name) => next.backends.get(name) !== before.get(name))
    const followed = orphans.map((uri) => ({ exposed: uri, own: uri, owned: false }))
    const parts = this.#follow(new Map(added.map((name) => [name, followed])))
    this.#parts = [...this.#parts.filter(isThere), ...parts]
    for (const part of parts) void this.#agreedLate(part)
  }

  async #agreedLate(part: Part): Promise<void> {
    part.honoured = await part.subscription.honoured
    if (!this.#ended.signal.aborted) this.#onLate(part, part.honoured)
  }

  close(): void {
    this.#ended.abort(new GatewayError('CANCELLED', 'The subscription ended'))
    this.#stopNews()
    this.#cancelAge?.()
    this.#outbox.close()
    this.#parts.forEach(({ subscription }) => subscription.close())
  }

  /** Changes of a list of which the client sees nothing are none. */
  #wants(backend: string, list: ChangingList): boolean {
    return this.#opening.filter.lists.includes(list) && (this.#rights?.reaches(backend, list) ?? true)
  }

  #mayRead(backend: string, uri: string): boolean {
    return this.#rights?.sees({ kind: 'resources', backend, key: uri }) ?? true
  }

  /** Whose each resource is: by what is listed, by templates, and otherwise anybody's. */
  async #owners(): Promise<ReadonlyMap<string, readonly Followed[]>> {
    const { call, filter } = this.#opening
    const backends = this.#names
    const { catalog } = this.#ports
    const byBackend = new Map<string, Followed[]>(backends.map((name) => [name, []]))
    const { route } = call
    const add = (backend: string, followed: Followed): void => {
      if (this.#mayRead(backend, followed.own)) byBackend.get(backend)?.push(followed)
    }
    if (route.kind === 'backend') {
      for (const uri of filter.resources) add(route.backend, { exposed: uri, own: uri, owned: true })
      return byBackend
    }
    if (filter.resources.some((uri) => catalog.uris().resolve(uri) === undefined))
      await Promise.all([catalog.list('resources', route), catalog.list('resourceTemplates', route)])
    for (const exposed of filter.resources) {
      const owner = catalog.uris().resolve(exposed)
      if (owner !== undefined) add(owner.backend, { exposed, own: owner.uri, owned: true })
      else for (const name of backends) add(name, { exposed, own: exposed, owned: false })
    }
    return byBackend
  }

  #follow(owners: ReadonlyMap<string, readonly Followed[]>): readonly Part[] {
    return [...owners].flatMap(([name, followed]): readonly Part[] => {
      const backend = this.#backends.get(name)
      if (backend === undefined) return []
      const lists = this.#opening.filter.lists.filter((list) => this.#wants(name, list))
      const resources = [...new Set(followed.map(({ own }) => own))]
      const subscription = backend.subscribe(
        { lists, resources, tasks: [] },
        {
          context: EVERYBODY,
          onChange: (change, notification) => this.#onChange({ name, followed }, change, notification),
        },
      )
      // Subscriptions do not connect by themselves. Whoever cannot be reached now is tried again by itself.
      backend.identify(this.#ended.signal).catch(() => undefined)
      return [{ backend, followed, tasks: [], subscription, honoured: undefined }]
    })
  }

  /** Tasks belong to one principal, so a backend that takes offence at one of them refuses it to nobody else. */
  #followTasks(): void {
    const { call, filter } = this.#opening
    const opened = filter.tasks.flatMap((exposed) => {
      const task = this.#ports.taskIds.open(exposed, call)
      if (task === undefined) return []
      const own = { kind: 'backend', backend: task.backend } as const
      const tool = this.#ports.catalog.peek('tools', own, task.tool)?.entry
      const asked = tool ?? ({ kind: 'tools', backend: task.backend, key: task.tool } as const)
      const permitted = call.permit.rights?.sees(asked) ?? true
      return permitted ? [{ exposed, own: task.taskId, name: task.backend }] : []
    })
    const parts = [...Map.groupBy(opened, ({ name }) => name)].flatMap(([name, tasks]): readonly Part[] => {
      const backend = this.#backends.get(name)
      if (backend === undefined) return []
      const subscription = backend.subscribe(
        { lists: [], resources: [], tasks: [...new Set(tasks.map(({ own }) => own))] },
        {
          context: `tasks of ${call.principal.id}`,
          onChange: (change, notification) => this.#onTask({ name, tasks }, change, notification),
        },
      )
      return [{ backend, followed: [], tasks, subscription, honoured: undefined }]
    })
    this.#parts = [...this.#parts, ...parts]
  }

  /** Waits until every backend has said what it honours, or the deadline has passed. */
  async #agreed(signal: Signal): Promise<void> {
    const deadline = Promise.withResolvers<void>()
    const cancel = this.#ports.clock.after(this.#ports.listDeadline, deadline.resolve)
    const all = this.#parts.map(async (part) => {
      const honoured = await part.subscription.honoured
      part.honoured = honoured
      if (this.#acknowledged) this.#onLate(part, honoured)
    })
    try {
      await unlessAborted(Promise.race([Promise.all(all), deadline.promise]), signal)
    } finally {
      cancel()
    }
  }

  /** Everything of a backend that comes after the acknowledgement is news. */
  #onLate({ backend, followed }: Part, honoured: SubscriptionFilter): void {
    for (const list of this.#opening.filter.lists)
      if (this.#wants(backend.name, list)) this.#outbox.putList(list)
    for (const { own, exposed, owned } of followed) {
      if (owned && honoured.resources.includes(own)) this.#suspect(exposed)
    }
  }

  #suspect(uri: string): void {
    const change = { kind: 'resource', uri } as const
    this.#outbox.putUpdate(change, changeNotification(change))
  }

  #honoured(): SubscriptionFilter {
    const { filter, call } = this.#opening
    const offers = (list: string): boolean =>
      this.#parts.some(({ backend }) => {
        const { identity } = backend.status()
        return identity === undefined || Object.hasOwn(identity.capabilities, list)
      })
    const isOwn = (list: string): boolean => call.route.kind === 'aggregate' && list === 'tools'
    const exposed = new Set(this.#parts.flatMap(honouredResources))
    const tasks = new Set(this.#parts.flatMap(honouredTasks))
    return {
      lists: CHANGING_LISTS.filter((list) => filter.lists.includes(list) && (isOwn(list) || offers(list))),
      resources: filter.resources.filter((uri) => exposed.has(uri)),
      tasks: filter.tasks.filter((id) => tasks.has(id)),
    }
  }

  #onTask(
    { name, tasks }: { readonly name: string; readonly tasks: readonly FollowedTask[] },
    change: Change,
    notification: NotificationMessage,
  ): void {
    if (change.kind !== 'task') return
    const uris = this.#ports.catalog.uris()
    for (const { own, exposed: taskId } of tasks) {
      if (own !== change.taskId) continue
      const told = { task: { backend: name, taskId }, notification }
      this.#outbox.putUpdate({ kind: 'task', taskId }, exposeTaskStatus(uris, this.#opening.call, told))
    }
  }

  #onChange(
    { name, followed }: { readonly name: string; readonly followed: readonly Followed[] },
    change: Change,
    notification: NotificationMessage,
  ): void {
    if (change.kind === 'task') return
    if (change.kind === 'list') {
      if (this.#wants(name, change.list)) this.#outbox.putList(change.list)
      return
    }
    // What lies below a resource is not for everybody who may see it.
    if (!this.#mayRead(name, change.uri)) return
    for (const { own, exposed } of followed) {
      if (!isWithin(own, change.uri)) continue
      const uri = exposed + change.uri.slice(own.length)
      const told = uri === change.uri ? notification : withUri(notification, uri)
      return this.#outbox.putUpdate({ kind: 'resource', uri }, told)
    }
  }
}

function withUri(notification: NotificationMessage, uri: string): NotificationMessage {
  const { params } = notification
  if (params === undefined) return notification
  return edited(notification, editMembers(params, { uri: JSON.stringify(uri) }))
}
