import { unlessAborted } from '../../pipeline/abort.ts'
import type { Reply } from '../../pipeline/call.ts'
import { toAbortSignal } from '../../pipeline/signal.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { member, valueOf } from '../../protocol/json.ts'
import { errorMessage, resultMessage } from '../../protocol/message.ts'
import type { ListKind } from '../../protocol/methods.ts'
import {
  type SubscriptionFilter,
  NOTHING,
  changeNotification,
  intersectionOf,
} from '../../protocol/subscription.ts'
import { MODERN_VERSION } from '../../protocol/versions.ts'
import type {
  Backend,
  BackendIdentity,
  BackendList,
  BackendRequest,
  BackendSubscription,
  Subscriber,
} from '../backend.ts'
import type { BuiltinTool, ToolOutput, ToolSource } from './tool.ts'

/** Name of the backend that is the gateway itself: no other can have it, and its tools are called `gateway_…`. */
export const BUILTIN = 'gateway'

/** Milliseconds for which it surely has no other lists. */
const LIFE = 3_600_000

const NO_LIST: BackendList = { entries: [], ttlMs: LIFE, cacheScope: 'public', offered: false }

/**
 * Makes a backend of tools that the gateway carries out itself, so that names, lists, permissions and everything else
 * treat them like those of any other backend.
 */
export function createBuiltinBackend(tools: ToolSource, { clock }: { readonly clock: Clock }): Backend {
  const known = tablesOf(tools)
  const since = clock.wallTime()
  const identity: BackendIdentity = {
    era: 'modern',
    version: MODERN_VERSION,
    serverInfo: undefined,
    capabilities: { tools: { listChanged: true } },
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
    send: (request) => carryOut(request, known().byName),
    resumes: () => false,
    identify: () => Promise.resolve(identity),
    list: (kind: ListKind) =>
      Promise.resolve(
        kind === 'tools'
          ? { ...NO_LIST, entries: known().entries, ttlMs: tools.ttlMs, offered: true }
          : NO_LIST,
      ),
    status: () => status,
    subscribe: (filter, subscriber) => follow(tools, filter, subscriber),
    close: () => Promise.resolve(),
  }
}

interface Tables {
  readonly byName: ReadonlyMap<string, BuiltinTool>
  /** The definitions, as JSON. */
  readonly entries: readonly string[]
}

/** What tools are looked up in, made once for as long as they stay the same. */
function tablesOf(source: ToolSource): () => Tables {
  let known: (Tables & { readonly of: readonly BuiltinTool[] }) | undefined
  return () => {
    const tools = source.current()
    if (known?.of === tools) return known
    known = {
      of: tools,
      byName: new Map(tools.map((tool) => [tool.name, tool])),
      // A function is nothing in JSON: what is left is the definition.
      entries: tools.map((tool) => JSON.stringify({ ...tool, exact: undefined })),
    }
    return known
  }
}

function follow(tools: ToolSource, wanted: SubscriptionFilter, subscriber: Subscriber): BackendSubscription {
  const honoured = intersectionOf(wanted, { ...NOTHING, lists: ['tools'] })
  if (honoured.lists.length === 0) return { honoured: Promise.resolve(NOTHING), close: () => undefined }
  const change = { kind: 'list', list: 'tools' } as const
  const close = tools.onChange(() => subscriber.onChange(change, changeNotification(change)))
  return { honoured: Promise.resolve(honoured), close }
}

async function carryOut(request: BackendRequest, tools: ReadonlyMap<string, BuiltinTool>): Promise<Reply> {
  const { message, target, principal, downstream, within = 0, signal } = request
  if (message.method !== 'tools/call')
    return errorMessage(-32601, `Method not found: ${message.method.slice(0, 64)}`)
  const tool = target.name === undefined ? undefined : tools.get(target.name)
  if (tool === undefined) return errorMessage(-32602, 'Unknown tool')
  const node = member(message.params, 'arguments')
  const args = node === undefined ? {} : valueOf(message.text, node)
  const output = await unlessAborted(
    Promise.resolve(tool.call(args, { principal, downstream, within, signal: toAbortSignal(signal) })),
    signal,
  )
  return resultMessage(JSON.stringify(toResult(output)))
}

function toResult({ structured, text, isError, result }: ToolOutput): object {
  if (result !== undefined) return { resultType: 'complete', ...result }
  const shown = text ?? JSON.stringify(structured ?? {})
  return {
    resultType: 'complete',
    content: [{ type: 'text', text: shown }],
    ...(structured === undefined ? {} : { structuredContent: structured }),
    ...(isError === true ? { isError } : {}),
  }
}
