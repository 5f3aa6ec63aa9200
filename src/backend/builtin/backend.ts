import { unlessAborted } from '../../pipeline/abort.ts'
import type { Reply } from '../../pipeline/call.ts'
import { toAbortSignal } from '../../pipeline/signal.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { member, valueOf } from '../../protocol/json.ts'
import { errorMessage, resultMessage } from '../../protocol/message.ts'
import type { ListKind } from '../../protocol/methods.ts'
import { NOTHING } from '../../protocol/subscription.ts'
import { MODERN_VERSION } from '../../protocol/versions.ts'
import type { Backend, BackendIdentity, BackendList, BackendRequest } from '../backend.ts'
import type { BuiltinTool, ToolOutput } from './tool.ts'

/** Name of the backend that is the gateway itself: no other can have it, and its tools are called `gateway_…`. */
export const BUILTIN = 'gateway'

/** Milliseconds for which its list is fresh: it changes with the process only. */
const LIST_LIFE = 3_600_000

const NO_LIST: BackendList = { entries: [], ttlMs: LIST_LIFE, cacheScope: 'public', offered: false }

/**
 * Makes a backend of tools that the gateway carries out itself, so that names, lists, permissions and everything else
 * treat them like those of any other backend.
 */
export function createBuiltinBackend(
  tools: readonly BuiltinTool[],
  { clock }: { readonly clock: Clock },
): Backend {
  const byName = new Map(tools.map((tool) => [tool.name, tool]))
  // A function is nothing in JSON: what is left is the definition.
  const entries = tools.map((tool) => JSON.stringify(tool))
  const since = clock.wallTime()
  const identity: BackendIdentity = {
    era: 'modern',
    version: MODERN_VERSION,
    serverInfo: undefined,
    capabilities: { tools: {} },
    instructions: undefined,
  }
  const status: ReturnType<Backend['status']> = {
    name: BUILTIN,
    transport: 'builtin',
    condition: { state: 'up' },
    since,
    health: { status: 'healthy', since },
    identity,
    eraSince: since,
    restarts: 0,
    sessions: 0,
    readyAfter: 0,
  }
  return {
    name: BUILTIN,
    send: (request) => carryOut(request, byName),
    resumes: () => false,
    identify: () => Promise.resolve(identity),
    list: (kind: ListKind) =>
      Promise.resolve(kind === 'tools' ? { ...NO_LIST, entries, offered: true } : NO_LIST),
    status: () => status,
    subscribe: () => ({ honoured: Promise.resolve(NOTHING), close: () => undefined }),
    close: () => Promise.resolve(),
  }
}

async function carryOut(request: BackendRequest, tools: ReadonlyMap<string, BuiltinTool>): Promise<Reply> {
  const { message, target, principal, signal } = request
  if (message.method !== 'tools/call')
    return errorMessage(-32601, `Method not found: ${message.method.slice(0, 64)}`)
  const tool = target.name === undefined ? undefined : tools.get(target.name)
  if (tool === undefined) return errorMessage(-32602, 'Unknown tool')
  const node = member(message.params, 'arguments')
  const args = node === undefined ? {} : valueOf(message.text, node)
  const output = await unlessAborted(
    Promise.resolve(tool.call(args, { principal, signal: toAbortSignal(signal) })),
    signal,
  )
  return resultMessage(JSON.stringify(toResult(output)))
}

function toResult({ structured, text, isError }: ToolOutput): object {
  const shown = text ?? JSON.stringify(structured ?? {})
  return {
    resultType: 'complete',
    content: [{ type: 'text', text: shown }],
    ...(structured === undefined ? {} : { structuredContent: structured }),
    ...(isError === true ? { isError } : {}),
  }
}
