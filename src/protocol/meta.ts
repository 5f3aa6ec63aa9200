/** Reserved keys of `_meta` (2026-07-28, basic/index "_meta"), and the gateway's own. */
export const META = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  progressToken: 'progressToken',
  /** On what belongs to an experimental task (2025-11-25, basic/utilities/tasks). */
  relatedTask: 'io.modelcontextprotocol/related-task',
  /** On results: the backend's own serverInfo, beside the gateway's. */
  backend: 'io.toolgate/backend',
  /** On lists: backends that are away, with what is done about it. */
  backends: 'io.toolgate/backends',
  /** On the result of a tool whose backend failed: the code, and what else is known. */
  error: 'io.toolgate/error',
  /** On a listed tool whose exposed name had to be shortened: the full name. */
  fullName: 'io.toolgate/fullName',
} as const

/** The extension of tools that answer with a task (ext-tasks, "Extension Identifier"). */
export const TASKS = 'io.modelcontextprotocol/tasks'

/** Name and version of an implementation, as both sides report themselves. */
export interface Implementation {
  readonly name: string
  readonly version: string
  readonly title?: string
}
