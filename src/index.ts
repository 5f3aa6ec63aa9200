/**
 * Toolgate as a library: a configuration becomes a gateway.
 *
 * @module
 */
export { type Gateway, type GatewayPorts, createGateway } from './gateway.ts'
export type { BackendReport } from './admin/backend-report.ts'
export {
  type ConfigResult,
  type ConfigPorts,
  type LoadOptions,
  loadConfig,
  parseConfig,
} from './config/load.ts'
export type * from './config/types.ts'
export type * from './config/auth-types.ts'
export { type ErrorCode, type ErrorSource, GatewayError } from './errors.ts'
export type { HostProcess, ChildLedger } from './backend/stdio/ports.ts'
export { type Clock, systemClock } from './pipeline/clock.ts'
export type { Log, LogFields, LogLevel } from './pipeline/log.ts'
export type { Audit, AuditEvent } from './pipeline/audit.ts'
export { LockError } from './routing/integrity/lock.ts'
