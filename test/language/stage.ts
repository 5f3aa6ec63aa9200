import { type Journal, PATIENCE, createJournal } from './journal.ts'

/**
 * What a scripted tool does. `echo`: answers its arguments. `fail`: answers with a tool error. `progress`: reports
 * `steps` steps, then answers. `wait`: reports step 1, then ends when it is released or cancelled. `ask`: asks the
 * user of the client by a form, and answers what was answered; `patience` says how many milliseconds it waits.
 */
export type Behaviour = 'echo' | 'fail' | 'progress' | 'wait' | 'ask'

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

/** The behaviours under their own names, with the one that needs a client to ask. */
export const INTERACTIVE: readonly ToolScript[] = [...EVERY_BEHAVIOUR, { name: 'ask', does: 'ask' }]

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
  /** A call of `wait` or `ask` that was under way was cancelled. */
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
  /**
   * Asks the user by a form with one text, `name`. A modern server cannot wait: its answer is then the result that
   * asks, and the call comes again with the input. A legacy one gives up after `patience` milliseconds.
   */
  ask(message: string, patience: number): Promise<Asked>
}

/** What became of a question. */
export type Asked =
  | { readonly kind: 'later'; readonly answer: StagedAnswer }
  | { readonly kind: 'input'; readonly action: string; readonly content: Arguments }

/** The form of every question. */
export const FORM = { type: 'object', properties: { name: { type: 'string' } } } as const

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
  const watched = async (call: StagedCall, work: Promise<unknown>): Promise<void> => {
    const { name: tool, args, signal } = call
    const cancelled = Promise.withResolvers<void>()
    const onAbort = (): void => {
      journal.record({ kind: 'cancelled', tool, args })
      cancelled.resolve()
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
    await Promise.race([work, cancelled.promise])
    signal.removeEventListener('abort', onAbort)
  }
  const wait = async (call: StagedCall): Promise<StagedAnswer> => {
    await watched(
      call,
      call.progress({ progress: 1, total: 2 }).then(() => gate.promise),
    )
    return answer(call.signal.aborted ? 'cancelled' : 'released')
  }
  const ask = async (call: StagedCall): Promise<StagedAnswer> => {
    const who = String(call.args['who'])
    const asking = call.ask(`who is ${who}?`, Number(call.args['patience'] ?? PATIENCE))
    const failed = asking.then(
      () => undefined,
      (error: unknown) => `nobody could be asked: ${String(error)}`,
    )
    await watched(call, failed)
    if (call.signal.aborted) return answer('cancelled')
    const why = await failed
    if (why !== undefined) return { ...answer(why), isError: true }
    const asked = await asking
    if (asked.kind === 'later') return asked.answer
    return answer(`${who}: ${asked.action} ${JSON.stringify(asked.content)}`)
  }
  const perform = async (does: Behaviour, call: StagedCall): Promise<StagedAnswer> => {
    switch (does) {
      case 'echo':
        return answer(JSON.stringify(call.args))
      case 'fail':
        return { ...answer('this tool always fails'), isError: true }
      case 'wait':
        return wait(call)
      case 'ask':
        return ask(call)
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
      // A result that asks ends the request, not the call.
      if (result['resultType'] !== 'input_required') journal.record({ kind: 'answered', tool, args })
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
