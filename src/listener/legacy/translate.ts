import type { Reply } from '../../pipeline/call.ts'
import { type Edit, editMembers, splice } from '../../protocol/edit.ts'
import { member } from '../../protocol/json.ts'
import { type RequestMessage, edited } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { MODERN_VERSION } from '../../protocol/versions.ts'
import { type ShapeMemory, changesError, errorOf, legacyErrorText, projectResult } from './project.ts'

/** What a legacy client said once, at `initialize` or `logging/setLevel`, and a modern one says with every request. */
export interface SessionFacts {
  /** Raw JSON of the client's name and version; undefined where it gave none. */
  readonly clientInfo: string | undefined
  /** Raw JSON of its capabilities in the modern form. */
  readonly capabilities: string
  /** The level of `logging/setLevel`, if it was sent. */
  readonly logLevel: string | undefined
}

/** The request in the modern form: what the session knows is added to its `_meta`. */
export function toModernRequest(message: RequestMessage, facts: SessionFacts): RequestMessage {
  const reserved: Record<string, string> = {
    [META.protocolVersion]: JSON.stringify(MODERN_VERSION),
    [META.clientCapabilities]: facts.capabilities,
    ...(facts.clientInfo === undefined ? {} : { [META.clientInfo]: facts.clientInfo }),
    ...(facts.logLevel === undefined ? {} : { [META.logLevel]: JSON.stringify(facts.logLevel) }),
  }
  return edited(message, metaEdits(message, reserved))
}

function metaEdits(message: RequestMessage, reserved: Readonly<Record<string, string>>): readonly Edit[] {
  const meta = member(message.params, '_meta')
  if (meta?.kind === 'object') return editMembers(meta, reserved)
  const fresh = `{${Object.entries(reserved)
    .map(([key, value]) => `${JSON.stringify(key)}:${value}`)
    .join(',')}}`
  if (message.params !== undefined) return editMembers(message.params, { _meta: fresh })
  return editMembers(message.root, { params: `{"_meta":${fresh}}` })
}

/** What a reply answers. */
export interface Answered {
  readonly method: string
  /** The tool, where a tool was called. */
  readonly subject: string | undefined
  /** Raw JSON. */
  readonly id: string
  readonly memory: ShapeMemory
}

/** The reply as a legacy client gets it: in the shape of its revision, under its own id. */
export function legacyReplyText(reply: Reply, answered: Answered): string {
  const { method, id } = answered
  if (reply.kind === 'error') {
    if (changesError(method, reply)) return legacyErrorText(method, errorOf(reply), id)
    if (reply.id === undefined) return splice(reply.text, editMembers(reply.root, { id }))
    return splice(reply.text, [{ start: reply.id.start, end: reply.id.end, text: id }])
  }
  const edits: Edit[] = [{ start: reply.id.start, end: reply.id.end, text: id }]
  edits.push(...editMembers(reply.result, { resultType: undefined, ttlMs: undefined, cacheScope: undefined }))
  const meta = member(reply.result, '_meta')
  if (meta?.kind === 'object') edits.push(...editMembers(meta, { [META.serverInfo]: undefined }))
  edits.push(...projectResult(method, reply, answered))
  return splice(reply.text, edits)
}
