import type { BuiltinTool, JsonSchema, ToolOutput, ToolSource } from '../backend/builtin/tool.ts'
import { GatewayError } from '../errors.ts'
import type { Log } from '../pipeline/log.ts'
import type { Principal } from '../pipeline/call.ts'
import { MAX_NAME } from '../routing/names.ts'
import { type ArgumentSchemas, argumentReader, schemaOf } from './arguments.ts'
import { BackendError } from './backend-error.ts'
import type { CallRequest } from './call.ts'
import { type Caller, callerWithin } from './callers.ts'
import { ToolError, type ToolResult, outputOf } from './result.ts'

/** A tool of the gateway itself. */
export interface ToolDefinition {
  /** Exactly what clients see: 1 to 64 letters, digits, `_`, `-` and `.`. */
  readonly name: string
  readonly title?: string
  readonly description?: string
  /** Each argument by itself, as in the gateway pattern. Default none. */
  readonly schema?: ArgumentSchemas
  /** JSON Schema of all arguments, of type object; instead of {@link schema}. */
  readonly inputSchema?: JsonSchema
  /** JSON Schema of an object; handlers of a tool that has one return such objects. */
  readonly outputSchema?: JsonSchema
  /** Hints for clients, such as `{ readOnlyHint: true }`. */
  readonly annotations?: Readonly<Record<string, unknown>>
}

/** What a handler knows of its call. */
export interface ToolContext {
  /** Who calls. */
  readonly principal: Principal
  /** Aborted when nobody wants the answer any more. */
  readonly signal: AbortSignal
  /**
   * Calls another tool as whoever called this one, with their rights and limits. What aborts this call aborts it.
   *
   * @throws as `call` of the gateway
   */
  readonly call: (request: Omit<CallRequest, 'client' | 'principal'>) => Promise<ToolResult>
}

/** The arguments of a handler: those of its schema where TypeScript knows it. */
export type ToolHandler<Arguments> = (args: Arguments, context: ToolContext) => unknown

/** What own tools need. */
export interface ToolPorts {
  readonly log: Log
  /** Characters of an answer. */
  readonly longest: number
  readonly callAs: (request: CallRequest, caller: Caller) => Promise<ToolResult>
}

/** The tools of an embedder. */
export interface OwnTools extends ToolSource {
  /** @throws TypeError for a definition that cannot be taken, such as one whose name is taken */
  add(definition: ToolDefinition, handler: ToolHandler<Readonly<Record<string, unknown>>>): void
  /** @returns whether there was one */
  remove(name: string): boolean
}

/** Tools of the gateway itself at most. */
const MOST_TOOLS = 1000

/** Milliseconds for which clients that follow no changes may believe the list: programs add most tools at their start. */
const LIFE = 10_000

const NAME = new RegExp(`^[A-Za-z0-9_.-]{1,${MAX_NAME}}$`)

/** Characters of a title or description. */
const MAX_TEXT = 16_384

/** Creates the tools: none. */
export function createOwnTools(ports: ToolPorts): OwnTools {
  let tools: readonly BuiltinTool[] = []
  const listeners = new Set<() => void>()
  const change = (next: readonly BuiltinTool[]): void => {
    tools = next
    for (const listener of listeners) listener()
  }
  return {
    ttlMs: LIFE,
    current: () => tools,
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    add(definition, handler) {
      const { name } = definition
      if (typeof name !== 'string' || !NAME.test(name))
        throw new TypeError(`A tool needs a name of 1 to ${MAX_NAME} letters, digits, _, - and .`)
      if (tools.some((tool) => tool.name === name)) throw new TypeError(`There is a tool ${name} already`)
      if (tools.length >= MOST_TOOLS) throw new TypeError(`There are ${MOST_TOOLS} tools already`)
      change([...tools, builtinOf(ports, definition, handler)])
    },
    remove(name) {
      const left = tools.filter((tool) => tool.name !== name)
      if (left.length === tools.length) return false
      change(left)
      return true
    },
  }
}

function builtinOf(
  ports: ToolPorts,
  definition: ToolDefinition,
  handler: ToolHandler<Readonly<Record<string, unknown>>>,
): BuiltinTool {
  const { name, title, description = '', schema, inputSchema, outputSchema, annotations } = definition
  if (schema !== undefined && inputSchema !== undefined)
    throw new TypeError(`${name} has either schema or inputSchema, not both`)
  if ([title, description].some((text) => (text?.length ?? 0) > MAX_TEXT))
    throw new TypeError(`The title and description of ${name} have at most ${MAX_TEXT} characters`)
  const input = inputSchema ?? schemaOf(schema ?? {})
  const read = argumentReader(name, input)
  const carryOut = carrierOf(ports, name, outputSchema !== undefined)
  // A copy: what is changed in the original later changes nothing here.
  const shown = structuredClone({ title, description, inputSchema: input, outputSchema, annotations })
  return {
    name,
    exact: true,
    description: shown.description,
    inputSchema: shown.inputSchema,
    ...(shown.title === undefined ? {} : { title: shown.title }),
    ...(shown.outputSchema === undefined ? {} : { outputSchema: shown.outputSchema }),
    ...(shown.annotations === undefined ? {} : { annotations: shown.annotations }),
    call(args, { principal, downstream, within, signal }) {
      const checked = read(args)
      const caller = { principal, downstream, within }
      return carryOut(async () => {
        const context: ToolContext = {
          principal,
          signal,
          call: async (request) => {
            const both = request.signal === undefined ? signal : AbortSignal.any([signal, request.signal])
            return ports.callAs({ ...request, signal: both }, callerWithin(caller))
          },
        }
        return handler(checked, context)
      })
    },
  }
}

/** Runs a handler, and makes what became of it an answer. */
function carrierOf(
  { log, longest }: ToolPorts,
  tool: string,
  isStructured: boolean,
): (run: () => Promise<unknown>) => Promise<ToolOutput> {
  return async (run) => {
    try {
      const output = outputOf(await run(), longest)
      const hasStructure = output.structured ?? output.result
      if (isStructured && hasStructure === undefined)
        throw new TypeError('it has an outputSchema, and returned no object')
      return output
    } catch (error) {
      // A refusal of the gateway, for instance of a call that it made: the client is told what it would be told.
      if (error instanceof GatewayError) throw error
      if (error instanceof ToolError || error instanceof BackendError) return failure(error.message)
      // Whatever else: its message may hold what callers must not know.
      log('error', 'a tool of the gateway failed', {
        tool,
        reason: error instanceof Error ? error.message : String(error),
      })
      return failure(`${tool} failed; the reason is in the log of the gateway`)
    }
  }
}

function failure(text: string): ToolOutput {
  return { text, isError: true }
}
