import { type Edit, editMembers, splice } from '../protocol/edit.ts'
import {
  type JsonNode,
  type JsonObject,
  member,
  rawOf,
  scanJson,
  stringOf,
  valueOf,
} from '../protocol/json.ts'
import { META } from '../protocol/meta.ts'
import type { ListKind } from '../protocol/methods.ts'
import { type ParamHeader, readParamHeaders } from '../protocol/param-headers.ts'
import { type ToolHints, readToolHints } from '../protocol/tool-hints.ts'

/** One listed tool, prompt, resource or template of one backend, as that backend describes it. */
export interface Entry {
  readonly backend: string
  readonly kind: ListKind
  /** What identifies it at its backend: the name, or the URI (template) of resources. */
  readonly key: string
  /** Its definition, with the backend's own name. */
  readonly text: string
  /** As the backend wrote it, where characters that nobody sees had to be made visible in {@link Entry.text}. */
  readonly original?: string
  readonly paramHeaders: readonly ParamHeader[]
  /** URIs of the resources that show a tool (MCP Apps 2026-01-26, "Resource Discovery"). */
  readonly refersTo: readonly string[]
  /** What a tool says of itself. */
  readonly hints?: ToolHints | undefined
  /** Raw JSON of `execution`, which legacy clients alone know (2025-11-25, schema `ToolExecution`). */
  readonly execution?: string | undefined
}

/** An entry that cannot be listed, and why. */
export interface InvalidEntry {
  readonly invalid: string
}

/** Longest name or URI that is listed. */
const MAX_KEY = 2048

/** The member that identifies a definition at its backend. */
export const KEY: Readonly<Record<ListKind, string>> = {
  tools: 'name',
  prompts: 'name',
  resources: 'uri',
  resourceTemplates: 'uriTemplate',
}

/** Members whose wrong type would make clients refuse the whole list, not only this entry. */
const TYPES: Readonly<Record<ListKind, Readonly<Record<string, JsonNode['kind']>>>> = {
  tools: { inputSchema: 'object', outputSchema: 'object', annotations: 'object', icons: 'array' },
  prompts: { arguments: 'array', icons: 'array' },
  resources: { name: 'string', mimeType: 'string', annotations: 'object', icons: 'array' },
  resourceTemplates: { name: 'string', mimeType: 'string', annotations: 'object', icons: 'array' },
}
const COMMON: Readonly<Record<string, JsonNode['kind']>> = {
  title: 'string',
  description: 'string',
  _meta: 'object',
}
const REQUIRED: Readonly<Record<ListKind, readonly string[]>> = {
  tools: ['inputSchema'],
  prompts: [],
  resources: ['name'],
  resourceTemplates: ['name'],
}

/**
 * Reads one entry of a list. One malformed definition must not make a client refuse all others, so it is left
 * out; so is a tool with invalid header annotations (2026-07-28, basic/transports/streamable-http "Schema Extension").
 */
export function readEntry(backend: string, kind: ListKind, text: string): Entry | InvalidEntry {
  const root = scanJson(text, { detail: 2, maxDepth: Infinity })
  if (root.kind !== 'object') return { invalid: 'is no object' }
  const key = stringOf(text, member(root, KEY[kind]))
  if (key === undefined || key === '') return { invalid: `has no ${KEY[kind]}` }
  if (key.length > MAX_KEY) return { invalid: `has a ${KEY[kind]} of more than ${MAX_KEY} characters` }
  const wrong = wrongMember(root, kind)
  if (wrong !== undefined) return { invalid: `${key.slice(0, 100)}: ${wrong}` }
  if (kind !== 'tools') return { backend, kind, key, text, paramHeaders: [], refersTo: [] }
  return readTool(backend, key, { text, root })
}

function wrongMember(root: JsonObject, kind: ListKind): string | undefined {
  const types = { ...COMMON, ...TYPES[kind] }
  for (const name in types) {
    const node = member(root, name)
    if (node === undefined ? REQUIRED[kind].includes(name) : node.kind !== types[name])
      return `${name} must be of type ${types[name]}`
  }
  return undefined
}

function readTool(
  backend: string,
  key: string,
  source: { readonly text: string; readonly root: JsonObject },
): Entry | InvalidEntry {
  const { text, root } = source
  const schema = member(root, 'inputSchema')
  if (schema === undefined || stringOf(text, member(schema, 'type')) !== 'object') {
    return { invalid: `${key.slice(0, 100)}: inputSchema must have type "object"` }
  }
  const raw = rawOf(text, schema)
  const params = raw.includes('x-mcp-header')
    ? readParamHeaders(valueOf(text, schema))
    : { ok: true as const, headers: [] }
  if (!params.ok) return { invalid: `${key.slice(0, 100)}: ${params.reason}` }
  // The experimental tasks of 2025-11-25 are announced in `execution`; modern clients do not know it.
  const clean = splice(text, editMembers(root, { execution: undefined }))
  const refersTo = uiNodesOf(text, root).flatMap((node) => stringOf(text, node) ?? [])
  const hints = readToolHints(member(root, 'annotations'))
  const node = member(root, 'execution')
  const execution = node?.kind === 'object' ? rawOf(text, node) : undefined
  return {
    backend,
    kind: 'tools',
    key,
    text: clean,
    paramHeaders: params.headers,
    refersTo,
    hints,
    execution,
  }
}

/** What `execution` says about experimental tasks. */
export function taskSupportOf({ execution }: Pick<Entry, 'execution'>): 'required' | 'optional' | undefined {
  if (execution === undefined) return undefined
  const root = scanJson(execution, { detail: 1, maxDepth: Infinity })
  const support = stringOf(execution, member(root, 'taskSupport'))
  return support === 'required' || support === 'optional' ? support : undefined
}

/** The definition as it is listed, with what only legacy clients know. */
export function withExecution(text: string, execution: string): string {
  const root = scanJson(text, { detail: 1, maxDepth: Infinity })
  return root.kind === 'object' ? splice(text, editMembers(root, { execution })) : text
}

/** Where a definition or a result refers to a `ui://` resource: `_meta.ui.resourceUri` and its deprecated flat form. */
export function uiNodesOf(text: string, object: JsonObject): readonly JsonNode[] {
  const meta = member(object, '_meta')
  if (meta === undefined) return []
  const ui = member(meta, 'ui')
  const nested = ui?.kind === 'object' ? memberOfInner(text, ui, 'resourceUri') : undefined
  return [nested, member(meta, 'ui/resourceUri')].filter((node) => node !== undefined)
}

/** A member of an object below the depth of the scan. */
function memberOfInner(text: string, object: JsonObject, key: string): JsonNode | undefined {
  const found = member(scanJson(rawOf(text, object), { detail: 1, maxDepth: Infinity }), key)
  return found?.kind === 'string'
    ? { ...found, start: found.start + object.start, end: found.end + object.start }
    : undefined
}

/** The definition with other URIs of the resources that show it. */
export function withUiUris(text: string, expose: (uri: string) => string): string {
  const root = scanJson(text, { detail: 2 })
  return root.kind === 'object' ? splice(text, uriEdits(text, uiNodesOf(text, root), expose)) : text
}

/** The edits that give these strings their exposed form; those that keep theirs keep their bytes. */
export function uriEdits(
  text: string,
  nodes: readonly (JsonNode | undefined)[],
  expose: (uri: string) => string,
): readonly Edit[] {
  return nodes.flatMap((node): readonly Edit[] => {
    const uri = stringOf(text, node)
    if (node === undefined || uri === undefined) return []
    const exposed = expose(uri)
    return exposed === uri ? [] : [{ start: node.start, end: node.end, text: JSON.stringify(exposed) }]
  })
}

/** The definition of a resource or template under another URI. */
export function withUri(entry: Entry, exposed: string): string {
  if (exposed === entry.key) return entry.text
  const root = scanJson(entry.text, { detail: 1 })
  return splice(
    entry.text,
    uriEdits(entry.text, [member(root, KEY[entry.kind])], () => exposed),
  )
}

/** The definition under another name; the full name is kept where the exposed one had to be shortened. */
export function renameEntry(entry: Entry, exposed: string, full: string | undefined): string {
  if (exposed === entry.key) return entry.text
  const root = scanJson(entry.text, { detail: 2, maxDepth: Infinity })
  if (root.kind !== 'object') return entry.text
  if (full === undefined) return splice(entry.text, editMembers(root, { name: JSON.stringify(exposed) }))
  const meta = member(root, '_meta')
  const fullName = { [META.fullName]: JSON.stringify(full) }
  const title = member(root, 'title') === undefined ? { title: JSON.stringify(full) } : {}
  const edits: Edit[] = [
    ...editMembers(root, {
      name: JSON.stringify(exposed),
      ...title,
      ...(meta?.kind === 'object'
        ? {}
        : { _meta: `{${JSON.stringify(META.fullName)}:${JSON.stringify(full)}}` }),
    }),
    ...(meta?.kind === 'object' ? editMembers(meta, fullName) : []),
  ]
  return splice(entry.text, edits)
}
