/**
 * Toolgate as a library: a gateway in front of MCP servers, in your own process. See docs/embedding.md.
 *
 * @module
 */
export {
  type BackendHealth,
  type Gateway,
  type GatewayOptions,
  type Listener,
  createGateway,
} from './embed/gateway.ts'
export type * from './embed/input.ts'
export type { ArgumentSchema, ArgumentSchemas, ArgumentsOf } from './embed/arguments.ts'
export { BackendError } from './embed/backend-error.ts'
export type { CallRequest, InputHandler, InputRequest, Progress } from './embed/call.ts'
export type { CallerInput } from './embed/callers.ts'
export { ConfigError } from './embed/config-error.ts'
export type { GatewayMetrics } from './embed/metrics.ts'
export { type ContentBlock, ToolError, type ToolResult } from './embed/result.ts'
export type { ToolContext, ToolDefinition, ToolHandler } from './embed/tools.ts'
export type { JsonSchema } from './backend/builtin/tool.ts'
export type { ConfigProblem } from './config/problem.ts'
export { type ErrorCode, type ErrorSource, GatewayError } from './errors.ts'
export type { FetchContext, FetchHandler } from './listener/http/fetch.ts'
export type { NodeHandler } from './listener/http/mount.ts'
export type { Audit, AuditEvent } from './pipeline/audit.ts'
export type { AnonymousPrincipal, AuthenticatedPrincipal, Principal } from './pipeline/call.ts'
export type { Clock } from './pipeline/clock.ts'
export type { Log, LogFields, LogLevel } from './pipeline/log.ts'
export { LockError } from './routing/integrity/lock.ts'
