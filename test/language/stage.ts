import { type Journal, createJournal } from './journal.ts'

/**
 * What a scripted tool does. `echo`: answers its arguments. `fail`: answers with a tool error. `progress`: reports
 * `steps` steps, then answers. `wait`: reports step 1, then ends when it is released or cancelled.
 */
export type Behaviour = 'echo' | 'fail' | 'progress' | 'wait'

/** One tool of a scripted backend. Plain data, so that it can be sent to a process. */
export interface ToolScript {
  readonly name: string
  readonly does: Behaviour
  readonly description?: string
  /** Properties of the input schema; default none are described, so that every argument is allowed. */
  readonly properties?: Readonly<Record<string, object>>
}

/** What a scripted backend is like. */
export interface Script {
  /** Stands in front of every answer, so that a test sees who answered. */
  readonly label: string
  readonly tools: readonly ToolScript[]
  /** Tools per page; default one page. */
  readonly pageSize?: number
  /** Cache hints of its lists (modern only). */
  readonly ttlMs?: number
  readonly cacheScope?: 'public' | 'private'
}

/** The four behaviours under their own names. */
export const EVERY_BEHAVIOUR: readonly ToolScript[] = [
  { name: 'echo', does: 'echo' },
  { name: 'fail', does: 'fail' },
  { name: 'progress', does: 'progress' },
  { name: 'wait', does: 'wait' },
]

/** What a backend saw. */
export type Sighting =
  /** A request over HTTP, before anybody looked at it. `method` is that of JSON-RPC, where the body has one. */
  | {
      readonly kind: 'request'
      readonly verb: string
      readonly method: string | undefined
      readonly headers: Readonly<Record<string, string>>
    }
  | { readonly kind: 'list'; readonly cursor: string | undefined }
  | { readonly kind: 'call'; readonly tool: string; readonly args: Arguments; readonly meta: Arguments }
  /** A call of `wait` that was under way was cancelled. */
  | { readonly kind: 'cancelled'; readonly tool: string; readonly args: Arguments }
  | { readonly kind: 'answered'; readonly tool: string; readonly args: Arguments }

/** Arguments of a call, or any other JSON object. */
export type Arguments = Readonly<Record<string, unknown>>

/** A tool call as every SDK generation can describe it. */
export interface StagedCall {
  readonly name: string
  readonly args: Arguments
  readonly meta: Arguments
  readonly signal: AbortSignal
  /** Reports progress under the token of the call. */
  progress(step: { readonly progress: number; readonly total: number }): Promise<void>
}

/** The answer of a tool, in the form that both eras share. */
export interface StagedAnswer {
  [member: string]: unknown
  content: { type: 'text'; text: string }[]
  isError?: boolean
}

/** A page of the list of tools. */
export interface StagedPage {
  [member: string]: unknown
  tools: { name: string; description?: string; inputSchema: { type: 'object' } }[]
  nextCursor?: string
}

/** The inside of a scripted backend: what it does and what it saw, whatever it is served by. */
export interface Stage {
  readonly script: () => Script
  readonly journal: Journal<Sighting>
  list(cursor: string | undefined): Promise<StagedPage>
  call(call: StagedCall): Promise<StagedAnswer>
  /** Follows other directions from now on. Announcing is up to whoever serves the stage. */
  change(script: Partial<Script>): void
  /** Lets everything that waits go on: calls of `wait`, and lists that are held. */
  release(): void
  /** Makes lists wait for {@link Stage.release}. */
  holdLists(): void
}

/** Sets a stage; `journal` takes what it sees. */
export function createStage(first: Script, journal: Journal<Sighting> = createJournal(first.label)): Stage {
  let script = first
  let gate = Promise.withResolvers<void>()
  let holdsLists = false

  const answer = (text: string): StagedAnswer => ({
    content: [{ type: 'text', text: `${script.label}: ${text}` }],
  })
  const wait = async (call: StagedCall): Promise<StagedAnswer> => {
    const { name: tool, args, signal } = call
    const cancelled = Promise.withResolvers<void>()
    const onAbort = (): void => {
      journal.record({ kind: 'cancelled', tool, args })
      cancelled.resolve()
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    await call.progress({ progress: 1, total: 2 })
    await Promise.race([gate.promise, cancelled.promise])
    signal.removeEventListener('abort', onAbort)
    return answer(signal.aborted ? 'cancelled' : 'released')
  }
  const perform = async (does: Behaviour, call: StagedCall): Promise<StagedAnswer> => {
    switch (does) {
      case 'echo':
        return answer(JSON.stringify(call.args))
      case 'fail':
        return { ...answer('this tool always fails'), isError: true }
      case 'wait':
        return wait(call)
      case 'progress': {
        const total = Number(call.args['steps'] ?? 3)
        for (let progress = 1; progress <= total; progress++) await call.progress({ progress, total })
        return answer(`${total} steps`)
      }
    }
  }

  return {
    script: () => script,
    journal,
    async list(cursor) {
      journal.record({ kind: 'list', cursor })
      if (holdsLists) await gate.promise
      return pageOf(script, cursor)
    },
    async call(call) {
      const { name: tool, args, meta } = call
      journal.record({ kind: 'call', tool, args, meta })
      const found = script.tools.find(({ name }) => name === tool)
      if (found === undefined) return { ...answer(`no tool ${tool}`), isError: true }
      const result = await perform(found.does, call)
      journal.record({ kind: 'answered', tool, args })
      return result
    },
    change(changes) {
      script = { ...script, ...changes }
    },
    release() {
      holdsLists = false
      gate.resolve()
      gate = Promise.withResolvers()
    },
    holdLists() {
      holdsLists = true
    },
  }
}

function pageOf(script: Script, cursor: string | undefined): StagedPage {
  const { tools, pageSize, ttlMs, cacheScope } = script
  const from = cursor === undefined ? 0 : Number(cursor)
  const next = from + (pageSize ?? tools.length)
  return {
    tools: tools.slice(from, next).map(({ name, description, properties }) => ({
      name,
      ...(description === undefined ? {} : { description }),
      inputSchema: { type: 'object', ...(properties === undefined ? {} : { properties }) },
    })),
    ...(next < tools.length ? { nextCursor: String(next) } : {}),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(cacheScope === undefined ? {} : { cacheScope }),
  }
}
