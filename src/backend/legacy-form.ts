import type { Reply } from '../pipeline/call.ts'
import { type Edit, editMembers } from '../protocol/edit.ts'
import { type JsonObject, member, stringOf, valueOf } from '../protocol/json.ts'
import { type ErrorMessage, type ResultMessage, edited } from '../protocol/message.ts'
import { META, TASKS } from '../protocol/meta.ts'
import { CACHEABLE_METHODS } from '../protocol/methods.ts'
import type { BackendIdentity, BackendRequest } from './backend.ts'
import { retarget } from './speaker.ts'
import { traceMembers, traceObject } from './trace.ts'

/** Members of `_meta` and of the parameters that only the modern era knows. */
const MODERN_PARAMS = ['inputResponses', 'requestState'] as const
const MODERN_META = [META.protocolVersion, META.clientInfo, META.clientCapabilities, META.logLevel] as const

/** The edits that make the modern request of a client one of the legacy era, under the gateway's own id. */
export function legacyEdits(
  request: BackendRequest,
  id: string,
  clientToken: string | undefined,
): readonly Edit[] {
  const { params, method } = request.message
  const edits = [...retarget(request, id)]
  // The modern form has them always, and so it has `_meta`.
  if (params === undefined) return edits
  const trace = request.record?.trace
  const changes: Record<string, string | undefined> = {}
  for (const key of MODERN_PARAMS) changes[key] = undefined
  // A member of that name is a wish of the legacy era, and the adapter's alone to make.
  if (method === 'tools/call') changes['task'] = request.task
  const meta = member(params, '_meta')
  if (meta?.kind !== 'object') return [...edits, ...editMembers(params, changes)]
  const modern = new Set<string>(MODERN_META)
  const onlyModern = (meta.members ?? []).every((entry) => modern.has(entry.key))
  if (onlyModern) {
    const left = trace === undefined ? undefined : traceObject(trace)
    return [...edits, ...editMembers(params, { ...changes, _meta: left })]
  }
  const metaChanges: Record<string, string | undefined> = { ...(trace && traceMembers(trace)) }
  for (const key of MODERN_META) metaChanges[key] = undefined
  if (clientToken !== undefined) metaChanges[META.progressToken] = id
  return [...edits, ...editMembers(params, changes), ...editMembers(meta, metaChanges)]
}

/** The answer in the modern form: result type and cache hints are added, codes of the old era are mapped. */
export function toModernReply(reply: Reply, method: string): Reply {
  if (reply.kind === 'error') return toModernError(reply, method)
  return edited(reply, editMembers(reply.result, modernMembers(reply, method)))
}

function modernMembers(reply: ResultMessage, method: string): Readonly<Record<string, string>> {
  const additions: Record<string, string> = {}
  if (stringOf(reply.text, member(reply.result, 'resultType')) !== 'complete')
    additions['resultType'] = '"complete"'
  if (!CACHEABLE_METHODS.has(method)) return additions
  return { ...additions, ttlMs: '0', cacheScope: '"private"' }
}

/**
 * −32002 is −32602 now, and −32020…−32099 have a meaning that a legacy server cannot have meant
 * (2026-07-28, basic/index "Error Codes").
 */
function toModernError(reply: ErrorMessage, method: string): ErrorMessage {
  if (reply.code === -32002 && method === 'resources/read') return withCode(reply, -32602)
  if (reply.code <= -32020 && reply.code >= -32099) return withCode(reply, -32603)
  return reply
}

function withCode(reply: ErrorMessage, code: number): ErrorMessage {
  return edited(reply, editMembers(reply.error, { code: String(code) }))
}

/** The identity that an `initialize` result describes. */
export function identityOf(result: JsonObject, text: string): BackendIdentity | undefined {
  const version = stringOf(text, member(result, 'protocolVersion'))
  if (version === undefined) return undefined
  const value = valueOf(text, result)
  if (!isRecord(value)) return undefined
  const { serverInfo, capabilities, instructions } = value
  return {
    era: 'legacy',
    version,
    serverInfo: isImplementation(serverInfo) ? serverInfo : undefined,
    capabilities: isRecord(capabilities) ? withTasks(capabilities) : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  }
}

/** Experimental tasks of tools (2025-11-25, basic/utilities/tasks "Server Capabilities") are carried as the extension. */
function withTasks(capabilities: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { tasks, extensions } = capabilities
  const others = Object.entries(isRecord(extensions) ? extensions : {}).filter(([name]) => name !== TASKS)
  const requests = isRecord(tasks) ? tasks['requests'] : undefined
  const tools = isRecord(requests) ? requests['tools'] : undefined
  const hasTasks = isRecord(tools) && isRecord(tools['call'])
  if (!hasTasks && !isRecord(extensions)) return capabilities
  return { ...capabilities, extensions: Object.fromEntries([...others, ...(hasTasks ? [[TASKS, {}]] : [])]) }
}

/** Whether capabilities, as {@link identityOf} yields them, hold the tasks extension. */
export function offersTasks({ extensions }: Readonly<Record<string, unknown>>): boolean {
  return isRecord(extensions) && Object.hasOwn(extensions, TASKS)
}

/** True for an object that is no array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** True for a well-formed name and version. */
export function isImplementation(
  value: unknown,
): value is { readonly name: string; readonly version: string } {
  return isRecord(value) && typeof value['name'] === 'string' && typeof value['version'] === 'string'
}
