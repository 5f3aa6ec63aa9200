import type { Downstream, Principal } from '../../pipeline/call.ts'

/** A tool that the gateway itself carries out. */
export interface BuiltinTool {
  /** Without the name of its backend in front, which the aggregate puts there unless the tool is {@link exact}. */
  readonly name: string
  /** True for one that the aggregate shows by exactly its name. Default false. */
  readonly exact?: boolean
  readonly title?: string
  readonly description: string
  /** JSON Schema (2020-12) of the arguments, of type object. */
  readonly inputSchema: JsonSchema
  /** JSON Schema of {@link ToolOutput.structured}; what has one always answers with it. */
  readonly outputSchema?: JsonSchema
  /** Hints for clients (2026-07-28, server/tools "Tool"). */
  readonly annotations?: Readonly<Record<string, unknown>>
  /**
   * Carries out one call. The arguments are as the client sent them: nothing has been checked against the schema.
   *
   * @throws GatewayError, which the client is told; anything else is a bug, and told to nobody
   */
  call(args: unknown, context: ToolContext): Promise<ToolOutput> | ToolOutput
}

/** A JSON Schema of an object. */
export interface JsonSchema {
  readonly type: 'object'
  readonly [keyword: string]: unknown
}

/** What a tool knows of its call. */
export interface ToolContext {
  readonly principal: Principal
  readonly downstream: Downstream
  /** How many calls of such tools it was made within, see `Call.within`. */
  readonly within: number
  /** Aborted when nobody wants the answer any more. */
  readonly signal: AbortSignal
}

/** Tools that can come and go. */
export interface ToolSource {
  /** Milliseconds for which clients that follow no changes may believe the list. */
  readonly ttlMs: number
  /** Those that there are; the same list for as long as it holds the same. */
  current(): readonly BuiltinTool[]
  /** Calls back after every change. Returns the way to stop. */
  onChange(listener: () => void): () => void
}

/**
 * What a tool answers: an object, a text, or both; or a whole result. A text alone is made of the object where there is
 * none.
 */
export interface ToolOutput {
  readonly structured?: Readonly<Record<string, unknown>>
  readonly text?: string
  /** A whole `CallToolResult`, such as another server gave; nothing else is looked at then. */
  readonly result?: Readonly<Record<string, unknown>>
  /** True for a failure that the model is to see. */
  readonly isError?: boolean
}
