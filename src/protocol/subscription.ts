import { member, stringOf, valueOf } from './json.ts'
import { type NotificationMessage, type RequestMessage, parseMessage } from './message.ts'
import { TASKS } from './meta.ts'
import type { ListKind } from './methods.ts'

/** A list whose changes are announced. Templates have no announcement of their own: they change with resources. */
export type ChangingList = 'tools' | 'prompts' | 'resources'

/** What a subscription is about (2026-07-28, basic/patterns/subscriptions "Notification Filter"). */
export interface SubscriptionFilter {
  readonly lists: readonly ChangingList[]
  /** URIs whose contents are followed; those of their sub-resources come with them. */
  readonly resources: readonly string[]
  /** Ids of tasks whose status is followed (ext-tasks, "Task Status Notifications"). */
  readonly tasks: readonly string[]
}

/** What can be said to have changed by its name alone. */
export type NamedChange =
  { readonly kind: 'list'; readonly list: ChangingList } | { readonly kind: 'resource'; readonly uri: string }

/** A task has another status, which the notification itself carries. */
export interface TaskChange {
  readonly kind: 'task'
  readonly taskId: string
}

/** What a notification of a subscription says. */
export type Change = NamedChange | TaskChange

/** Every list whose changes are announced. */
export const CHANGING_LISTS: readonly ChangingList[] = ['tools', 'prompts', 'resources']

/** The filter that asks for nothing. */
export const NOTHING: SubscriptionFilter = { lists: [], resources: [], tasks: [] }

/** The change notification of each list. */
const LIST_CHANGED: Readonly<Record<ChangingList, string>> = {
  tools: 'notifications/tools/list_changed',
  prompts: 'notifications/prompts/list_changed',
  resources: 'notifications/resources/list_changed',
}

/** Says that a resource that was subscribed to, or a sub-resource of it, changed. */
const RESOURCE_UPDATED = 'notifications/resources/updated'

/** Says what the status of a task is now. */
const TASK_STATUS = 'notifications/tasks'

/** The first message of every subscription. */
export const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged'

/** The kinds of lists that have to be asked for again when this one is said to have changed. */
export const KINDS_OF_CHANGE: Readonly<Record<ChangingList, readonly ListKind[]>> = {
  tools: ['tools'],
  prompts: ['prompts'],
  resources: ['resources', 'resourceTemplates'],
}

/** What the notification says to have changed; undefined where it says nothing of that kind. */
export function changeOf(notification: NotificationMessage): Change | undefined {
  const { method } = notification
  if (method === RESOURCE_UPDATED) {
    const uri = stringOf(notification.text, member(notification.params, 'uri'))
    return uri === undefined ? undefined : { kind: 'resource', uri }
  }
  if (method === TASK_STATUS) {
    const taskId = stringOf(notification.text, member(notification.params, 'taskId'))
    return taskId === undefined ? undefined : { kind: 'task', taskId }
  }
  const list = CHANGING_LISTS.find((name) => LIST_CHANGED[name] === method)
  return list === undefined ? undefined : { kind: 'list', list }
}

/**
 * The filter in `params.notifications` of a request or of an acknowledgement; undefined where it is none. Members
 * that are not known are left out: asking for them is the same as not asking.
 */
export function readFilter(message: RequestMessage | NotificationMessage): SubscriptionFilter | undefined {
  const node = member(message.params, 'notifications')
  if (node?.kind !== 'object') return undefined
  const value = valueOf(message.text, node) as Readonly<Record<string, unknown>>
  const resources = value['resourceSubscriptions'] ?? []
  const tasks = value['taskIds'] ?? []
  if (!isStrings(resources) || !isStrings(tasks)) return undefined
  const flags = CHANGING_LISTS.map((list) => value[`${list}ListChanged`] ?? false)
  if (!flags.every((flag) => typeof flag === 'boolean')) return undefined
  return {
    lists: CHANGING_LISTS.filter((_, index) => flags[index]),
    resources: [...new Set(resources)],
    tasks: [...new Set(tasks)],
  }
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/** The JSON of a filter. What is not asked for is left out. */
export function filterText(filter: SubscriptionFilter): string {
  const members = filter.lists.map((list) => `"${list}ListChanged":true`)
  if (filter.resources.length > 0) members.push(`"resourceSubscriptions":${JSON.stringify(filter.resources)}`)
  if (filter.tasks.length > 0) members.push(`"taskIds":${JSON.stringify(filter.tasks)}`)
  return `{${members.join(',')}}`
}

/** A change notification of the gateway's own, for what it cannot know to be unchanged. */
export function changeNotification(change: NamedChange): NotificationMessage {
  const text =
    change.kind === 'list'
      ? `{"jsonrpc":"2.0","method":"${LIST_CHANGED[change.list]}","params":{}}`
      : `{"jsonrpc":"2.0","method":"${RESOURCE_UPDATED}","params":{"uri":${JSON.stringify(change.uri)}}}`
  const message = parseMessage(text)
  if (message.kind !== 'notification') throw new TypeError('Not a notification')
  return message
}

/** True where the filter asks for nothing. */
export function isEmptyFilter(filter: SubscriptionFilter): boolean {
  return filter.lists.length === 0 && filter.resources.length === 0 && filter.tasks.length === 0
}

/** What at least one of the filters asks for. */
export function unionOf(filters: Iterable<SubscriptionFilter>): SubscriptionFilter {
  const lists = new Set<ChangingList>()
  const resources = new Set<string>()
  const tasks = new Set<string>()
  for (const filter of filters) {
    filter.lists.forEach((list) => lists.add(list))
    filter.resources.forEach((uri) => resources.add(uri))
    filter.tasks.forEach((id) => tasks.add(id))
  }
  return {
    lists: CHANGING_LISTS.filter((list) => lists.has(list)),
    resources: [...resources],
    tasks: [...tasks],
  }
}

/** What both filters ask for, in the order of the first. */
export function intersectionOf(filter: SubscriptionFilter, other: SubscriptionFilter): SubscriptionFilter {
  const resources = new Set(other.resources)
  const tasks = new Set(other.tasks)
  return {
    lists: filter.lists.filter((list) => other.lists.includes(list)),
    resources: filter.resources.filter((uri) => resources.has(uri)),
    tasks: filter.tasks.filter((id) => tasks.has(id)),
  }
}

/** True where the filter asks for all that the other asks for. */
export function covers(filter: SubscriptionFilter, other: SubscriptionFilter): boolean {
  const common = intersectionOf(other, filter)
  return (['lists', 'resources', 'tasks'] as const).every(
    (part) => common[part].length === other[part].length,
  )
}

/** Whether a change was asked for. */
export function asksFor(filter: SubscriptionFilter, change: Change): boolean {
  if (change.kind === 'list') return filter.lists.includes(change.list)
  if (change.kind === 'task') return filter.tasks.includes(change.taskId)
  return filter.resources.some((uri) => isWithin(uri, change.uri))
}

/**
 * Whether a URI is that resource or a sub-resource of it (2026-07-28, schema `ResourceUpdatedNotificationParams`):
 * one that goes on where the resource ends, at a border of a path, query or fragment.
 */
export function isWithin(resource: string, uri: string): boolean {
  if (!uri.startsWith(resource)) return false
  if (uri.length === resource.length || resource.endsWith('/')) return true
  return '/?#'.includes(uri.charAt(resource.length))
}

/** The part of a filter that a server can honour by what it declares (2026-07-28, server capabilities). */
export function offeredOf(
  filter: SubscriptionFilter,
  capabilities: Readonly<Record<string, unknown>>,
): SubscriptionFilter {
  const memberOf = (feature: string, name: string): unknown => {
    const capability = capabilities[feature]
    if (typeof capability !== 'object' || capability === null || !Object.hasOwn(capability, name))
      return undefined
    return (capability as Readonly<Record<string, unknown>>)[name]
  }
  const declares = (feature: string, flag: string): boolean => memberOf(feature, flag) === true
  return {
    lists: filter.lists.filter((list) => declares(list, 'listChanged')),
    resources: declares('resources', 'subscribe') ? filter.resources : [],
    tasks: memberOf('extensions', TASKS) === undefined ? [] : filter.tasks,
  }
}
