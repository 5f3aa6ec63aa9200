/**
 * Names of the OpenTelemetry semantic conventions for MCP, as of the pages in open-telemetry/semantic-conventions-genai,
 * docs/gen-ai/mcp.md (status: Development). Names of our own begin with `toolgate.`.
 */

/** Attributes of the conventions. */
export const ATTRIBUTE = {
  method: 'mcp.method.name',
  errorType: 'error.type',
  tool: 'gen_ai.tool.name',
  prompt: 'gen_ai.prompt.name',
  operation: 'gen_ai.operation.name',
  statusCode: 'rpc.response.status_code',
  protocolVersion: 'mcp.protocol.version',
  protocolName: 'network.protocol.name',
  transport: 'network.transport',
  serverAddress: 'server.address',
  serverPort: 'server.port',
} as const

/** What stands for everything that has no value of its own. */
export const OTHER = '_OTHER'

/** `error.type` of a result with `isError: true`. */
export const TOOL_ERROR = 'tool_error'

/** `gen_ai.operation.name` of tool calls; other operations have none. */
export const EXECUTE_TOOL = 'execute_tool'

/** Bounds that the conventions want for every duration of MCP, in seconds. */
export const DURATION_BOUNDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300] as const

/** Requests of MCP that clients may send: those of the conventions, and those of 2026-07-28. Anything else is `_OTHER`. */
const METHODS: ReadonlySet<string> = new Set([
  'completion/complete',
  'initialize',
  'logging/setLevel',
  'ping',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/subscribe',
  'resources/templates/list',
  'resources/unsubscribe',
  'server/discover',
  'subscriptions/listen',
  'tasks/cancel',
  'tasks/get',
  'tasks/update',
  'tools/call',
  'tools/list',
])

/** The method as a value of `mcp.method.name`: clients write what they like. */
export function methodValue(method: string): string {
  return METHODS.has(method) ? method : OTHER
}

/** Codes that JSON-RPC 2.0 and MCP define, which backends may answer with. */
const CODES: ReadonlySet<number> = new Set([
  -32700, -32600, -32601, -32602, -32603, -32001, -32002, -32020, -32021, -32022, -32042,
])

/** The code of a backend's error as a value of `rpc.response.status_code`: backends write what they like. */
export function codeValue(code: number): string {
  return CODES.has(code) ? String(code) : OTHER
}
