import type { Call } from '../pipeline/call.ts'
import type { Edit } from '../protocol/edit.ts'
import { type JsonObject, member, rawOf, scanJson, stringOf } from '../protocol/json.ts'

/** The map of requests, its entries, their parameters. */
const DETAIL = 3
const NONE: readonly Edit[] = []

/**
 * Says in front of each question to the user which backend asks. Clients show which server a question comes from
 * (2026-07-28, client/elicitation "Security Considerations"), but to a client of the aggregate that is the gateway: any
 * backend could ask in the name of another. Whoever knows a backend by its own route needs no telling.
 *
 * @param holder the result, or the task, that holds `inputRequests`
 */
export function labelEdits(
  call: Pick<Call, 'route'>,
  backend: string,
  { text, holder }: { readonly text: string; readonly holder: JsonObject },
): readonly Edit[] {
  if (call.route.kind === 'backend') return NONE
  const requests = member(holder, 'inputRequests')
  if (requests === undefined) return NONE
  const raw = rawOf(text, requests)
  const root = scanJson(raw, { detail: DETAIL, maxDepth: Infinity })
  if (root.kind !== 'object') return []
  return (root.members ?? []).flatMap(({ value }) => {
    if (stringOf(raw, member(value, 'method')) !== 'elicitation/create') return []
    const message = member(member(value, 'params'), 'message')
    if (message?.kind !== 'string') return []
    // The name of a backend needs no escapes.
    const at = requests.start + message.start + 1
    return [{ start: at, end: at, text: `[${backend}] ` }]
  })
}
