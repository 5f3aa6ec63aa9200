import { type JsonNode, type JsonObject, member, scanJson, stringOf } from './json.ts'
import type { RequestMessage } from './message.ts'
import { nameParamOf } from './methods.ts'

/**
 * The part of a request that says what it is for: `params.name`, `params.uri` or `params.taskId` where HTTP mirrors
 * it in `Mcp-Name`, and `params.ref.name` or `params.ref.uri` of `completion/complete` (2026-07-28,
 * server/utilities/completion). Undefined for methods without one, and where it is missing.
 */
export function subjectNodeOf(message: RequestMessage): JsonNode | undefined {
  const param = nameParamOf(message.method)
  if (param !== undefined) return member(message.params, param)
  return message.method === 'completion/complete' ? referenceOf(message)?.node : undefined
}

/** The decoded {@link subjectNodeOf}; undefined where there is none or it is no string. */
export function subjectOf(message: RequestMessage): string | undefined {
  return stringOf(message.text, subjectNodeOf(message))
}

/** What a completion is asked for. */
export interface CompletionReference {
  readonly type: 'prompt' | 'resource'
  /** The name of the prompt or the URI (template) of the resource. */
  readonly node: JsonNode
}

/** The reference of a completion; undefined where it is malformed. */
export function referenceOf(message: RequestMessage): CompletionReference | undefined {
  const ref = member(message.params, 'ref')
  if (ref?.kind !== 'object') return undefined
  const members = membersOf(message.text, ref)
  const type = stringOf(message.text, members('type'))
  if (type !== 'ref/prompt' && type !== 'ref/resource') return undefined
  const node = members(type === 'ref/prompt' ? 'name' : 'uri')
  return node === undefined ? undefined : { type: type === 'ref/prompt' ? 'prompt' : 'resource', node }
}

/** Looks members up in an object that the scan of the message did not descend into. */
function membersOf(text: string, object: JsonObject): (key: string) => JsonNode | undefined {
  if (object.members !== undefined) return (key) => member(object, key)
  const { start } = object
  const inner = scanJson(text.slice(start, object.end), { detail: 1, maxDepth: Infinity })
  return (key) => {
    const node = member(inner, key)
    if (node === undefined) return undefined
    return node.kind === 'string' ? { ...node, start: node.start + start, end: node.end + start } : node
  }
}
