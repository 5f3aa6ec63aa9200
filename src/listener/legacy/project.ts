import { type Edit, editMembers, splice } from '../../protocol/edit.ts'
import {
  type JsonArray,
  type JsonNode,
  type JsonObject,
  member,
  rawOf,
  scanJson,
  stringOf,
} from '../../protocol/json.ts'
import type { ErrorMessage, ResultMessage } from '../../protocol/message.ts'

/** What the session of a legacy client remembers to shape results by. */
export interface ShapeMemory {
  /** The revision of the client. */
  readonly version: string
  /** Exposed names of tools whose output schema was wrapped when they were listed. */
  readonly wrapped: Set<string>
}

/** The first revision with `structuredContent`, `outputSchema` and resource links. */
const STRUCTURED = '2025-06-18'
/** The first revision with audio. */
const AUDIO = '2025-03-26'

/**
 * The edits that make a modern result one of the client's revision. Members that it does not know are left where they
 * are, because clients ignore them; what they would refuse is rewritten.
 *
 * @param subject the tool, where the method is `tools/call`
 */
export function projectResult(
  method: string,
  reply: ResultMessage,
  { memory, subject }: { readonly memory: ShapeMemory; readonly subject: string | undefined },
): readonly Edit[] {
  const { text, result } = reply
  if (method === 'tools/list') return projectTools(text, result, memory)
  if (method !== 'tools/call') return []
  const wraps = subject !== undefined && memory.wrapped.has(subject)
  return [...projectStructured(text, result, { wraps }), ...projectContent(text, result, memory.version)]
}

/** Until 2025-11-25 structured content is an object: anything else is wrapped, as the official SDK does. */
function projectStructured(text: string, result: JsonObject, { wraps }: { wraps: boolean }): readonly Edit[] {
  const value = member(result, 'structuredContent')
  if (value === undefined || (value.kind === 'object' && !wraps)) return []
  return [{ start: value.start, end: value.end, text: `{"result":${rawOf(text, value)}}` }]
}

/** Content of a type that the revision does not know becomes what comes nearest: clients refuse unknown types. */
function projectContent(text: string, result: JsonObject, version: string): readonly Edit[] {
  const content = member(result, 'content')
  if (version >= STRUCTURED || content?.kind !== 'array') return []
  return itemsOf(text, content).flatMap((item): readonly Edit[] => {
    const replacement = olderBlock(item, version)
    if (replacement === undefined) return []
    const { start, end } = item.span
    return [{ start, end, text: JSON.stringify(replacement) }]
  })
}

interface Item {
  /** Where it stands in the message. */
  readonly span: JsonNode
  /** Its own text, and the object that it is there. */
  readonly text: string
  readonly object: JsonObject
}

/** The objects in an array whose items the scan of the message did not keep. */
function itemsOf(text: string, array: JsonArray): readonly Item[] {
  const raw = rawOf(text, array)
  const root = scanJson(raw, { maxDepth: Infinity, detail: 2 })
  if (root.kind !== 'array') return []
  return (root.items ?? []).flatMap((object): readonly Item[] => {
    if (object.kind !== 'object') return []
    const span = { ...object, start: object.start + array.start, end: object.end + array.start }
    return [{ span, text: raw, object }]
  })
}

function olderBlock({ text, object }: Item, version: string): object | undefined {
  const read = (name: string): string | undefined => stringOf(text, member(object, name))
  const type = read('type')
  if (type === 'resource_link') {
    const label = read('title') ?? read('name')
    return { type: 'text', text: [label, read('uri')].filter((part) => part !== undefined).join(': ') }
  }
  if (type === 'audio' && version < AUDIO) {
    return { type: 'text', text: `[audio, ${read('mimeType') ?? 'of unknown type'}]` }
  }
  return undefined
}

/** Until 2025-11-25 an output schema describes an object: any other is wrapped the way its values are. */
function projectTools(text: string, result: JsonObject, { wrapped }: ShapeMemory): readonly Edit[] {
  const tools = member(result, 'tools')
  // Nearly no tool has such a schema, and lists can be long: only where there is one they are scanned.
  if (tools?.kind !== 'array' || !rawOf(text, tools).includes('outputSchema')) return []
  return itemsOf(text, tools).flatMap((item): readonly Edit[] => {
    const schema = member(item.object, 'outputSchema')
    const name = stringOf(item.text, member(item.object, 'name'))
    if (schema?.kind !== 'object' || name === undefined) return []
    const raw = rawOf(item.text, schema)
    if (hasObjectRoot(raw)) {
      wrapped.delete(name)
      return []
    }
    wrapped.add(name)
    const offset = item.span.start - item.object.start
    return [{ start: schema.start + offset, end: schema.end + offset, text: wrappedSchema(raw) }]
  })
}

function hasObjectRoot(schema: string): boolean {
  const root = scanJson(schema, { maxDepth: Infinity, detail: 1 })
  return stringOf(schema, member(root, 'type')) === 'object'
}

/** Values that hold data and no schemas. */
const DATA: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples'])
/** Members that hold schemas by names of the author's choice. */
const NAMED: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
])

/** The schema of `{"result": …}`; references into the document follow it to its new place. */
function wrappedSchema(raw: string): string {
  const root = scanJson(raw, { maxDepth: Infinity, detail: Infinity })
  const dialect = member(root, '$schema')
  const schema = member(root, '$id') === undefined ? splice(raw, referenceEdits(raw, root, false)) : raw
  const head = dialect === undefined ? '' : `"$schema":${rawOf(raw, dialect)},`
  return `{${head}"type":"object","properties":{"result":${schema}},"required":["result"]}`
}

function referenceEdits(raw: string, node: JsonNode, named: boolean): readonly Edit[] {
  if (node.kind === 'array') return (node.items ?? []).flatMap((item) => referenceEdits(raw, item, false))
  if (node.kind !== 'object') return []
  return (node.members ?? []).flatMap(({ key, value }): readonly Edit[] => {
    if (named) return referenceEdits(raw, value, false)
    if (DATA.has(key)) return []
    const target = key === '$ref' || key === '$dynamicRef' ? stringOf(raw, value) : undefined
    if (target === '#' || target?.startsWith('#/') === true) {
      const text = JSON.stringify(`#/properties/result${target.slice(1)}`)
      return [{ start: value.start, end: value.end, text }]
    }
    return referenceEdits(raw, value, NAMED.has(key))
  })
}

/** Codes with a meaning of the modern era only (2026-07-28, basic/index "Error Codes"). */
const MODERN_CODES: ReadonlySet<number> = new Set([-32020, -32021, -32022])
const MISSING_CAPABILITY = -32021
const INVALID_PARAMS = -32602
const INTERNAL_ERROR = -32603
/** 2025-11-25, server/resources "Error Handling". */
const RESOURCE_NOT_FOUND = -32002

/** The error as a legacy client knows it: the text of the whole response, under that raw id. */
export function legacyErrorText(
  method: string,
  error: { readonly code: number; readonly message: string; readonly raw: string },
  id: string,
): string {
  if (error.code === MISSING_CAPABILITY && method === 'tools/call') {
    // A model can read this, and the code would mean nothing to its client.
    const result = { content: [{ type: 'text', text: error.message }], isError: true }
    return `{"jsonrpc":"2.0","id":${id},"result":${JSON.stringify(result)}}`
  }
  const code = legacyCode(method, error)
  return `{"jsonrpc":"2.0","id":${id},"error":${code === error.code ? error.raw : withCode(error.raw, code)}}`
}

function legacyCode(method: string, error: { readonly code: number; readonly raw: string }): number {
  if (MODERN_CODES.has(error.code)) return INTERNAL_ERROR
  if (error.code !== INVALID_PARAMS || method !== 'resources/read') return error.code
  const root = scanJson(error.raw, { maxDepth: Infinity })
  // Parameters that are wrong in another way name no resource.
  return member(member(root, 'data'), 'uri') === undefined ? error.code : RESOURCE_NOT_FOUND
}

function withCode(raw: string, code: number): string {
  const root = scanJson(raw, { maxDepth: Infinity })
  return root.kind === 'object' ? splice(raw, editMembers(root, { code: String(code) })) : raw
}

/** Whether the error of a backend means something else, or nothing, to a legacy client. */
export function changesError(method: string, reply: ErrorMessage): boolean {
  return legacyCode(method, errorOf(reply)) !== reply.code
}

/** The error of a backend, as {@link legacyErrorText} takes it. */
export function errorOf(reply: ErrorMessage): { code: number; message: string; raw: string } {
  return { code: reply.code, message: reply.message, raw: rawOf(reply.text, reply.error) }
}
