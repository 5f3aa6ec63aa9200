import type { Refusal } from '../filters/rescue.ts'
import type { Reply } from '../pipeline/call.ts'
import { type Edit, editMembers, prepended, splice } from '../protocol/edit.ts'
import { member, rawOf } from '../protocol/json.ts'
import { errorText } from '../protocol/message.ts'
import { type Implementation, META } from '../protocol/meta.ts'

/** Writes replies as a modern client gets them. */
export interface ModernWriter {
  /** The text of a reply under the client's own id (raw JSON). */
  replyText(reply: Reply, id: string): string
  refusalText(refusal: Refusal, id: string | undefined): string
}

/**
 * The server that a client talks to is the gateway: its `serverInfo` stands in every result, and that of the
 * backend beside it (2026-07-28, basic/index "Per-response protocol fields").
 */
export function modernWriter(serverInfo: Implementation): ModernWriter {
  const stamp = JSON.stringify(serverInfo)
  const fresh = `{${JSON.stringify(META.serverInfo)}:${stamp}}`
  const freshMember = `"_meta":${fresh}`
  const stampEdits = (reply: Extract<Reply, { kind: 'result' }>): readonly Edit[] => {
    const meta = member(reply.result, '_meta')
    const hasType = member(reply.result, 'resultType') !== undefined
    // As most backends answer: what is put in was written once for all of them.
    if (meta === undefined && hasType) return [prepended(reply.result, freshMember)]
    const type = hasType ? {} : { resultType: '"complete"' }
    if (meta?.kind !== 'object') return editMembers(reply.result, { ...type, _meta: fresh })
    const own = member(meta, META.serverInfo)
    const changes = {
      [META.serverInfo]: stamp,
      ...(own === undefined ? {} : { [META.backend]: rawOf(reply.text, own) }),
    }
    return [...editMembers(reply.result, type), ...editMembers(meta, changes)]
  }
  return {
    replyText(reply, id) {
      if (reply.id === undefined) return errorWithId(reply, id)
      const edits: Edit[] = [{ start: reply.id.start, end: reply.id.end, text: id }]
      if (reply.kind === 'result') edits.push(...stampEdits(reply))
      return splice(reply.text, edits)
    },
    refusalText: (refusal, id) => errorText(id, refusal.error),
  }
}

/** A backend that could not read the id answers without one; the client still gets its own. */
function errorWithId(reply: Reply, id: string): string {
  return splice(reply.text, editMembers(reply.root, { id }))
}

/** HTTP status of a reply: the backend's own errors are answers, except where the specification says otherwise. */
export function statusOf(reply: Reply): number {
  // 2026-07-28, basic/index: a missing client capability MUST be answered with 400.
  return reply.kind === 'error' && reply.code === -32021 ? 400 : 200
}
