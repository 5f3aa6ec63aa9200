import { editMembers, splice, withMeta } from './edit.ts'
import { type JsonNode, member, rawOf, scanJson, stringOf } from './json.ts'
import { META, TASKS } from './meta.ts'

/** The status of a task, the same in both eras. */
export type TaskStatus = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'

const STATUSES: readonly string[] = ['working', 'input_required', 'completed', 'failed', 'cancelled']
const OVER: readonly string[] = ['completed', 'failed', 'cancelled']

/** The status in a raw task of either era; undefined where it has none that is known. */
export function taskStatusOf(task: string): TaskStatus | undefined {
  const status = stringOf(task, member(scanJson(task, SHALLOW), 'status'))
  return status !== undefined && STATUSES.includes(status) ? (status as TaskStatus) : undefined
}

/** True for a status that never changes any more. */
export function isOver(status: TaskStatus | undefined): boolean {
  return status !== undefined && OVER.includes(status)
}

/** The raw JSON of a member of a raw object, if it is there. */
export function rawMember(object: string, name: string): string | undefined {
  const node = member(scanJson(object, SHALLOW), name)
  return node === undefined ? undefined : rawOf(object, node)
}

/**
 * An experimental task (2025-11-25, basic/utilities/tasks) as one of the tasks extension: `ttl` and `pollInterval` have
 * units in their names there, and what the task came to is a part of it.
 *
 * @param task raw JSON
 * @param more raw members to set, such as another id
 */
export function toModernTask(task: string, more: Readonly<Record<string, string | undefined>>): string {
  return changed(task, {
    ttl: undefined,
    pollInterval: undefined,
    ttlMs: rawMember(task, 'ttl') ?? 'null',
    pollIntervalMs: rawMember(task, 'pollInterval'),
    ...more,
  })
}

/** A task of the extension as an experimental one. */
export function toLegacyTask(task: string, more: Readonly<Record<string, string | undefined>>): string {
  const gone = { resultType: undefined, result: undefined, error: undefined, inputRequests: undefined }
  return changed(task, {
    ...gone,
    ttlMs: undefined,
    pollIntervalMs: undefined,
    ttl: rawMember(task, 'ttlMs') ?? 'null',
    pollInterval: rawMember(task, 'pollIntervalMs'),
    ...more,
  })
}

function changed(task: string, changes: Readonly<Record<string, string | undefined>>): string {
  const root = scanJson(task, SHALLOW)
  return root.kind === 'object' ? splice(task, editMembers(root, changes)) : task
}

/** `_meta` that says to which task something belongs (2025-11-25, basic/utilities/tasks "Related Task Metadata"). */
export function ofTask(object: string, taskId: string): string {
  return withMeta(object, META.relatedTask, JSON.stringify({ taskId }))
}

/** The id in {@link ofTask}. */
export function relatedTaskOf(text: string, params: JsonNode | undefined): string | undefined {
  const related = member(member(params, '_meta'), META.relatedTask)
  return related === undefined ? undefined : stringOf(text, member(rescan(text, related), 'taskId'))
}

/** `clientCapabilities` with the tasks extension declared. */
export function declaringTasks(capabilities: string): string {
  const root = scanJson(capabilities, { detail: 2, maxDepth: Infinity })
  if (root.kind !== 'object') return capabilities
  const extensions = member(root, 'extensions')
  const edits =
    extensions?.kind === 'object'
      ? editMembers(extensions, { [TASKS]: '{}' })
      : editMembers(root, { extensions: `{"${TASKS}":{}}` })
  return splice(capabilities, edits)
}

const SHALLOW = { detail: 1, maxDepth: Infinity } as const

/** The members of a node that the scan of its text may not have kept, where they are in that text. */
function rescan(text: string, node: JsonNode): JsonNode {
  if (node.kind !== 'object' || node.members !== undefined) return node
  const inner = scanJson(rawOf(text, node), SHALLOW)
  const members = inner.kind === 'object' ? inner.members : undefined
  return {
    ...node,
    members: members?.map((entry) => ({
      ...entry,
      value: {
        ...entry.value,
        start: entry.value.start + node.start,
        end: entry.value.end + node.start,
      },
    })),
  }
}
