import { GatewayError } from '../errors.ts'
import type { Call, Permitted, Reply } from '../pipeline/call.ts'
import type { Filter } from '../pipeline/handler.ts'
import type { OneTarget } from '../pipeline/target.ts'
import type { Edit } from '../protocol/edit.ts'
import { type JsonNode, member, scanJson, stringOf } from '../protocol/json.ts'
import {
  type ErrorMessage,
  type NotificationMessage,
  type ResultMessage,
  edited,
} from '../protocol/message.ts'
import { CACHEABLE_METHODS, isTaskMethod } from '../protocol/methods.ts'
import { subjectOf } from '../protocol/subject.ts'
import type { Catalog } from './catalog.ts'
import { uiNodesOf, uriEdits } from './entry.ts'
import { labelEdits } from './label.ts'
import type { TaskIds } from './tasks.ts'
import type { UriSpace } from './uris.ts'

/** What replies are translated with. */
export interface ExposePorts {
  readonly catalog: Pick<Catalog, 'uris'>
  readonly taskIds: TaskIds
}

/** Gives replies of one backend the URIs and task ids that clients know. Nearly all are left to the byte. */
export function expose(ports: ExposePorts): Filter<Permitted> {
  return (next) => (call, out) => {
    const { target } = call.permit
    const replied = next(call, out)
    return target.kind === 'one'
      ? replied.then((reply) => exposeReply(ports, call, { target, reply }))
      : replied
  }
}

/** A reply and who gave it. */
export interface Replied {
  readonly target: OneTarget
  readonly reply: Reply
}

/**
 * The reply as the client is to see it.
 *
 * @throws GatewayError BACKEND_PROTOCOL for a task without a usable id
 */
export function exposeReply(ports: ExposePorts, call: Permitted, { target, reply }: Replied): Reply {
  const toExposed = uriExposure(ports, call, target)
  if (reply.kind === 'error') return toExposed === undefined ? reply : exposeError(reply, toExposed)
  const { text, result: holder } = reply
  const ids = taskEdits(ports, call, { target, reply })
  const labels = labelEdits(call, target.backend, { text, holder })
  const scopes = scopeEdits(call, reply)
  const edits = labels.length + scopes.length === 0 ? ids : [...ids, ...labels, ...scopes]
  if (toExposed === undefined) return edits.length === 0 ? reply : edited(reply, edits)
  const nodes = uriNodes(reply)
  return edited(reply, [...edits, ...uriEdits(reply.text, nodes, toExposed)])
}

type UriExposure = (uri: string) => string

/** How URIs in the reply change; undefined where none does, so that nobody has to look. */
function uriExposure(ports: ExposePorts, call: Permitted, target: OneTarget): UriExposure | undefined {
  if (call.route.kind === 'backend') return undefined
  const { backend, name } = target
  const asked = call.method === 'resources/read' ? subjectOf(call.message) : undefined
  const uris = ports.catalog.uris()
  if (!uris.rewrites(backend) && (asked === undefined || asked === name)) return undefined
  return (uri) => (asked !== undefined && uri === name ? asked : uris.expose(backend, uri))
}

function exposeError(reply: ErrorMessage, toExposed: UriExposure): ErrorMessage {
  const error = member(scanJson(reply.text, DEEP), 'error')
  return edited(reply, uriEdits(reply.text, [member(member(error, 'data'), 'uri')], toExposed))
}

const NO_EDITS: readonly Edit[] = []

/** What not everybody may read must not be kept for everybody (2026-07-28, server/utilities/caching). */
function scopeEdits({ permit, method }: Permitted, { text, result }: ResultMessage): readonly Edit[] {
  if (permit.rights === undefined || !CACHEABLE_METHODS.has(method)) return NO_EDITS
  const scope = member(result, 'cacheScope')
  if (scope === undefined || stringOf(text, scope) === 'private') return NO_EDITS
  return [{ start: scope.start, end: scope.end, text: '"private"' }]
}

function taskEdits(
  { taskIds }: ExposePorts,
  call: Permitted,
  { target, reply }: { readonly target: OneTarget; readonly reply: ResultMessage },
): readonly Edit[] {
  const ofTask = isTaskMethod(call.method)
  if (!ofTask && call.method !== 'tools/call') return []
  const { text, result } = reply
  const type = member(result, 'resultType')
  const isTask = stringOf(text, type) === 'task'
  const id = member(result, 'taskId')
  if (!ofTask) return isTask ? [newTaskId(taskIds, call, { target, id, text })] : []
  const edits: Edit[] = []
  // The client keeps the id that it has: a sealed one is another one every time.
  const asked = subjectOf(call.message)
  if (id !== undefined && asked !== undefined)
    edits.push({ start: id.start, end: id.end, text: JSON.stringify(asked) })
  if (isTask && type !== undefined) edits.push({ start: type.start, end: type.end, text: '"complete"' })
  return edits
}

function newTaskId(
  taskIds: TaskIds,
  call: Permitted,
  found: { readonly target: OneTarget; readonly id: JsonNode | undefined; readonly text: string },
): Edit {
  const { backend, name: tool = '' } = found.target
  const taskId = stringOf(found.text, found.id)
  if (found.id === undefined || taskId === undefined) {
    throw new GatewayError('BACKEND_PROTOCOL', `Backend ${backend} answered with a task without an id`, {
      backend,
    })
  }
  const sealed = taskIds.seal({ backend, taskId, tool }, call)
  return { start: found.id.start, end: found.id.end, text: JSON.stringify(sealed) }
}

/** A task as its client is told of it. */
export interface ToldTask {
  readonly backend: string
  /** The id that the client has. */
  readonly taskId: string
}

/** The status of a task (`notifications/tasks`) as the client is to see it: the same as its `tasks/get` would. */
export function exposeTaskStatus(
  uris: UriSpace,
  call: Pick<Call, 'route'>,
  told: { readonly task: ToldTask; readonly notification: NotificationMessage },
): NotificationMessage {
  const { notification, task } = told
  const { text } = notification
  const id = member(notification.params, 'taskId')
  const ids = id === undefined ? [] : [{ start: id.start, end: id.end, text: JSON.stringify(task.taskId) }]
  const holder = notification.params
  const labels = holder?.kind === 'object' ? labelEdits(call, task.backend, { text, holder }) : []
  const edits = [...ids, ...labels]
  if (call.route.kind === 'backend' || !uris.rewrites(task.backend)) return edited(notification, edits)
  const result = member(member(scanJson(text, DEEP), 'params'), 'result')
  const toExposed: UriExposure = (uri) => uris.expose(task.backend, uri)
  return edited(notification, [...edits, ...uriEdits(text, nodesOfResult(text, result), toExposed)])
}

/** The reply was accepted, however deep it is. */
const DEEP = { detail: Number.POSITIVE_INFINITY, maxDepth: Number.POSITIVE_INFINITY }

/** Every URI in a result that belongs to a resource of its backend (2026-07-28, schema; MCP Apps 2026-01-26). */
function uriNodes({ text }: ResultMessage): readonly (JsonNode | undefined)[] {
  const result = member(scanJson(text, DEEP), 'result')
  // A completed task holds the result of its tool.
  return [result, member(result, 'result')].flatMap((part) => nodesOfResult(text, part))
}

function nodesOfResult(text: string, result: JsonNode | undefined): readonly (JsonNode | undefined)[] {
  if (result?.kind !== 'object') return []
  const messages = itemsOf(member(result, 'messages')).map((message) => member(message, 'content'))
  return [
    ...itemsOf(member(result, 'contents')).map((content) => member(content, 'uri')),
    ...[member(result, 'content'), ...messages].flatMap((content) => nodesOfContent(text, content)),
    ...uiNodesOf(text, result),
  ]
}

/** Content is one block or several. */
function nodesOfContent(text: string, content: JsonNode | undefined): readonly (JsonNode | undefined)[] {
  const blocks = content?.kind === 'array' ? itemsOf(content) : [content]
  return blocks.map((block) => {
    const type = stringOf(text, member(block, 'type'))
    if (type === 'resource_link') return member(block, 'uri')
    return type === 'resource' ? member(member(block, 'resource'), 'uri') : undefined
  })
}

function itemsOf(node: JsonNode | undefined): readonly JsonNode[] {
  return node?.kind === 'array' ? (node.items ?? []) : []
}
