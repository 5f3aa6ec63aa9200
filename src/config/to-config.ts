import { toAuth } from './auth-schema.ts'
import { type HttpBackendInput, backendOfUrl } from './backend-schema.ts'
import { endpointsOf } from './endpoints-schema.ts'
import type { ConfigPath } from './problem.ts'
import { type ResilienceInput, toResilience } from './resilience-schema.ts'
import type { FileSettings } from './schema.ts'
import type { BackendConfig, Config, HttpBackendConfig, TelemetryConfig } from './types.ts'

/** Makes a path absolute, by where it was written. */
export type ResolvePath = (path: ConfigPath, written: string, otherwise?: ConfigPath) => string

/** What the settings of the files mean: every room is configured by it. */
export function toConfig(settings: FileSettings, absolute: ResolvePath): Config {
  const { gateway, backends, auth, authorization, admin, log, limits, store, integrity, telemetry } = settings
  const { allowUnauthenticatedNetworkAccess: _, pageSize, stateDir, publicUrl, ...rest } = gateway
  return {
    gateway: {
      ...rest,
      pageSize,
      publicUrl: publicUrl?.replace(/\/$/, ''),
      stateDir: stateDir === undefined ? undefined : absolute(['gateway', 'stateDir'], stateDir),
    },
    ...(auth === undefined
      ? {}
      : { auth: toAuth(auth, (file) => absolute(['auth', 'apiKeys', 'file'], file)) }),
    ...(authorization === undefined ? {} : { authorization }),
    admin: admin === false ? undefined : admin,
    log,
    limits,
    store,
    telemetry: withLogFile(telemetry, absolute),
    integrity: { ...integrity, lock: absolute(['integrity', 'lock'], integrity.lock) },
    backends: Object.entries(backends).map(([name, backend]) => toBackend(name, backend, absolute)),
  }
}

/** The names of the standard streams are no files. */
function withLogFile(telemetry: TelemetryConfig, absolute: ResolvePath): TelemetryConfig {
  const { accessLog } = telemetry
  if (accessLog === undefined || accessLog.to === 'stdout' || accessLog.to === 'stderr') return telemetry
  const to = absolute(['telemetry', 'accessLog', 'to'], accessLog.to)
  return { ...telemetry, accessLog: { ...accessLog, to } }
}

function toBackend(
  name: string,
  written: FileSettings['backends'][string],
  absolute: ResolvePath,
): BackendConfig {
  const backend = typeof written === 'string' ? backendOfUrl(written) : written
  if (backend.transport === 'stdio')
    return {
      name,
      ...withResilience(backend),
      cwd: absolute(['backends', name, 'cwd'], backend.cwd, ['backends', name, 'command']),
    }
  if (backend.transport === 'http') return overHttp(name, backend)
  const { rest, ...settings } = backend
  const http = overHttp(name, { ...settings, ...WITHOUT_SESSIONS, transport: 'http', url: rest.url })
  if (rest.tools === undefined) return { ...http, transport: 'rest', tools: undefined, refresh: rest.refresh }
  const tools = Object.entries(rest.tools).map(([tool, about]) => ({ name: tool, ...about }))
  // What the operator says of a tool is no hint of a stranger.
  const resilience = { ...http.resilience, trustAnnotations: true }
  return { ...http, transport: 'rest', tools, refresh: rest.refresh, resilience }
}

/** What eras and sessions would need to know of a backend that has none. */
const WITHOUT_SESSIONS = {
  era: 'modern',
  isolation: 'shared',
  interactive: 'concurrent',
  maxSessions: 1,
} as const

function overHttp(name: string, backend: HttpBackendInput): HttpBackendConfig {
  const { url: _, endpoints: __, balance, ejection, slowStart, ...rest } = withResilience(backend)
  const list = endpointsOf(backend)
  const [first] = list
  if (first === undefined) throw new TypeError('validation lets no backend without an endpoint pass')
  const single = { name, ...rest, url: first.url }
  return list.length === 1 ? single : { ...single, endpoints: { list, balance, ejection, slowStart } }
}

type Resilient<T> = Omit<T, keyof ResilienceInput> & Pick<BackendConfig, 'timeout' | 'resilience'>

/** The settings that say how failures are met stand beside the others in the file, and together from here on. */
function withResilience<T extends ResilienceInput>(written: T): Resilient<T> {
  const { timeout, retry, circuitBreaker, bulkhead, trustAnnotations, tools, ...rest } = written
  const resilience = toResilience({ timeout, retry, circuitBreaker, bulkhead, trustAnnotations, tools })
  return { ...rest, timeout: timeout.total, resilience }
}
