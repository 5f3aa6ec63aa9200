import type { AuthConfig } from './auth-types.ts'
import type { AuthorizationConfig } from './authorization-types.ts'
import type { LogLevel } from '../pipeline/log.ts'
import type { LimitConfig, RateConfig } from './limits-types.ts'
import type { SealingConfig } from './sealing-schema.ts'
import type { SigningConfig } from './signing-schema.ts'
import type { BulkheadConfig, ResilienceConfig } from './resilience.ts'
import type { StoreConfig } from './store-types.ts'
import type { TelemetryConfig } from './telemetry-types.ts'

export type * from './limits-types.ts'
export type * from './store-types.ts'
export type * from './telemetry-types.ts'

/** How tools and prompts of the aggregate are named. */
export type NamePolicy = 'prefix' | 'conflict' | 'bare'

/** Which era a backend speaks; `auto` finds out as the specification says. */
export type EraSetting = 'auto' | 'modern' | 'legacy'

/**
 * Who shares a session (legacy) or process (stdio) of a backend: everybody, one principal, or one client session.
 * Anonymous clients are told apart by their session, where they have one.
 */
export type Isolation = 'shared' | 'principal' | 'session'

/** Whether interactive calls of one session of a backend run side by side, or one at a time. */
export type Interactive = 'concurrent' | 'serial'

/** Sizes and counts that bound what one peer can make the gateway do. */
export interface LimitsConfig {
  /** Largest request body in bytes. Default 4 MiB. */
  readonly body: number
  /** Largest head of a request (its first line and headers) in bytes. Default 32 KiB. */
  readonly headers: number
  /** Deepest nesting of JSON. Default 64. */
  readonly depth: number
  /** Largest reply or single message of a backend in bytes. Default 32 MiB. */
  readonly reply: number
  /** Milliseconds within which a request body must have arrived. Default 10 s. */
  readonly bodyTimeout: number
  /** Calls in flight at once, over all clients. Default 10,000. */
  readonly calls: number
  /** Legacy client sessions at once. Default 10,000. */
  readonly sessions: number
  /** Legacy sessions of one principal at once. Default 1,000. */
  readonly sessionsPerPrincipal: number
  /** Notifications that may wait for a client that does not read. Default 256. */
  readonly queue: number
  /** Entries that one backend may list per kind. Default 10,000. */
  readonly listEntries: number
  /** Calls that may wait for input of their clients, per principal; anonymous ones per session or address. Default 100. */
  readonly parked: number
  /** Calls that may wait for input of their clients, over all. Default 2,000. */
  readonly parkedTotal: number
  /** Milliseconds that a call waits for input of its client. Default 10 min. */
  readonly parkTime: number
  /** Open subscriptions and legacy streams per principal. Default 100. */
  readonly streams: number
  /** Milliseconds after which a subscription or legacy stream is ended in good order. Default 24 h. */
  readonly streamAge: number
  /** Milliseconds for which an event stream of a backend may be silent, comments included. Default 15 min. */
  readonly silence: number
  /** Connections of clients at once; undefined does not bound them. Default 10,000. */
  readonly connections?: number
  /** Milliseconds within which the headers of a request must have arrived. Default 10 s. */
  readonly headerTimeout?: number
  /** Milliseconds within which a client must have taken what was written to it; undefined waits for ever. Default 60 s. */
  readonly replyTimeout?: number
  /** HTTP requests of one client address, counted before anything else is done; undefined counts none. */
  readonly requestsPerAddress: RateConfig | undefined
}

/** When calls are refused because the gateway itself is too busy. */
export interface OverloadConfig {
  /** Milliseconds of event-loop delay from which calls are refused, at first a few of them. Default 500. */
  readonly delay: number
  /** Part of the memory in use from which calls are refused, at first a few of them. Default 0.85. */
  readonly memory: number
}

/** Tools of the gateway's own on the aggregate. */
export interface OwnToolsConfig {
  /** `gateway_health`. Default true. */
  readonly health: boolean
  /** `gateway_metrics`; needs `telemetry.metrics`. Default true. */
  readonly metrics: boolean
}

/** The header in which proxies say for whom they speak, in lower case. */
export type ForwardedHeader = 'x-forwarded-for' | 'forwarded'

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

/** The gateway itself. */
export interface GatewaySettings {
  /** Name in `serverInfo`. Default `toolgate`. */
  readonly name: string
  /** Where clients connect. Default 127.0.0.1:8080. */
  readonly listen: ListenAddress
  /** Where clients reach the gateway, without `/mcp`; undefined means the address that it listens on. */
  readonly publicUrl: string | undefined
  /** Naming of the aggregate's tools and prompts. Default `prefix`. */
  readonly names: NamePolicy
  /** Entries per page of a list; undefined means one full page. */
  readonly pageSize: number | undefined
  /** Milliseconds a list waits for slow backends before it answers with what it knows. Default 2 s. */
  readonly listDeadline: number
  /** Milliseconds for which the last known definitions of a dead backend stay listed. Default 10 min. */
  readonly staleFor: number
  /** Milliseconds that calls in flight get to finish at shutdown. Default 10 s. */
  readonly drain: number
  /** Milliseconds of silence after which an idle legacy client session expires. Default 30 min. */
  readonly sessionIdle: number
  /** Browser origins that may call; loopback origins always may while the gateway listens on loopback. */
  readonly allowedOrigins: readonly string[]
  /** Whether clients of the HTTP+SSE transport of 2024-11-05 are served too, at `/sse`. Default false. */
  readonly sse: boolean
  /** Further values of `Host` that are accepted. */
  readonly allowedHosts: readonly string[]
  /** Addresses and networks of proxies that are believed when they say for whom they speak. Default none. */
  readonly trustedProxies: readonly string[]
  /** Where they say it. Default `x-forwarded-for`. */
  readonly forwardedHeader: ForwardedHeader
  /** Folder for what outlives the gateway or is found by the command line; undefined means the user's state folder. */
  readonly stateDir: string | undefined
  /** Undefined: a key is made and kept in the state folder. */
  readonly sealing?: SealingConfig | undefined
  readonly limits: LimitsConfig
  /** Undefined never refuses for being busy. */
  readonly overload?: OverloadConfig | undefined
  /** Undefined has none. */
  readonly tools?: OwnToolsConfig | undefined
  /** Calls of one principal at once; undefined does not bound them. Default 1000, and as many that wait for 5 s. */
  readonly bulkhead?: BulkheadConfig | undefined
}

/** How a backend is asked how it is. */
export interface HealthConfig {
  /** Path that is asked with GET; undefined asks in the backend's own language (`server/discover` or `ping`). */
  readonly path?: string | undefined
  /** Milliseconds between two checks. Default 30 s. */
  readonly interval: number
  /** Milliseconds that a check waits for its answer. Default 5 s. */
  readonly timeout: number
  /** Failed checks in a row after which a backend is unhealthy. Default 3. */
  readonly unhealthy: number
  /** Good checks in a row after which it is healthy again. Default 2. */
  readonly healthy: number
}

/** When an endpoint that fails is taken out of rotation. */
export interface EjectionConfig {
  /** Failed calls in a row after which an endpoint is ejected. Default 5. */
  readonly failures: number
  /** How many times slower than the others an endpoint must be to be ejected; undefined never ejects for that. */
  readonly slowness?: number | undefined
  /** Milliseconds of the first ejection; each further one lasts longer. Default 30 s. */
  readonly time: number
  /** Milliseconds of an ejection at most. Default 5 min. */
  readonly maxTime: number
  /** Share of the endpoints that may be ejected at once; always at least one, and never all. Default 0.5. */
  readonly share: number
}

/** One address of a backend that has several. */
export interface EndpointConfig {
  readonly url: string
  /** Its part of the calls beside the weights of the others. Default 1. */
  readonly weight: number
}

/** The endpoints of a backend that has several, and how calls are spread over them. */
export interface EndpointsConfig {
  /** At least two. */
  readonly list: readonly EndpointConfig[]
  /** The less loaded of two chosen at random, or at random by weight. Default `least-loaded`. */
  readonly balance: 'least-loaded' | 'weighted'
  /** Undefined ejects nobody. */
  readonly ejection: EjectionConfig | undefined
  /** Milliseconds until an endpoint that comes back gets its full part of the calls. Default 10 s. */
  readonly slowStart: number
}

/** What happens to a definition that is not as it should be: not listed and not callable, listed and reported, or nothing. */
export type DriftPolicy = 'quarantine' | 'warn' | 'allow'

/** How far the definitions that a backend lists are believed. */
export interface IntegrityPolicy {
  /** A definition that is not the approved one. Default `quarantine`. */
  readonly onChange: DriftPolicy
  /** A definition that was not there when the backend was approved. Default `quarantine`. */
  readonly onNew: DriftPolicy
  /** A tool that is named or described to pass for that of another backend. Default `warn`. */
  readonly onShadow: DriftPolicy
  /** Texts with invisible characters: shown as `\\u202e`, or the definition is left out. Default `escape`. */
  readonly onInvisible: 'escape' | 'exclude'
}

/** The general policy, and where the approved definitions are. */
export interface IntegrityConfig extends IntegrityPolicy {
  /** Absolute path of the file with the approved definitions; while there is none, nothing is held against anything. */
  readonly lock: string
}

/** What every backend has. */
export interface BackendCommon {
  readonly name: string
  readonly era: EraSetting
  /** Milliseconds for one exchange, from sending to the end of the answer. Default 30 s. */
  readonly timeout: number
  /** Default `principal`. */
  readonly isolation: Isolation
  /** Default `concurrent`. */
  readonly interactive: Interactive
  /** Sessions or processes of this backend at once. Default 100. */
  readonly maxSessions: number
  /** What differs from {@link Config.integrity}; undefined means nothing. */
  readonly integrity?: Partial<IntegrityPolicy> | undefined
  /** Undefined never asks. */
  readonly health?: HealthConfig | undefined
  /** How its failures are met. */
  readonly resilience: ResilienceConfig
}

/** A backend reached over Streamable HTTP. */
export interface HttpBackendConfig extends BackendCommon {
  readonly transport: 'http'
  /** Of the first endpoint, where there are several. */
  readonly url: string
  /** Undefined for the backend of one endpoint that most are. */
  readonly endpoints?: EndpointsConfig | undefined
  /** Milliseconds that an idle connection is kept where the server does not say how long it keeps it. Default 3 s. */
  readonly keepAlive?: number
  /** Headers sent with every request, such as a key for the backend. Secret. */
  readonly headers: Readonly<Record<string, string>>
  /** Connections at once, to each endpoint. Default 128. */
  readonly connections: number
  /** Connections kept open ahead of need, to each endpoint. Default 1 for https, and 0 for http. */
  readonly warm?: number | undefined
  /** Undefined signs nothing. */
  readonly signing?: SigningConfig | undefined
}

/** A backend that is a child process speaking on its standard streams. */
export interface StdioBackendConfig extends BackendCommon {
  readonly transport: 'stdio'
  readonly command: string
  readonly args: readonly string[]
  /** Added to the minimal environment. Secret. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute working directory; the folder of the configuration file unless set. */
  readonly cwd: string
}

/** A tool that a REST service has, as MCP describes tools (2026-07-28, schema `Tool`). */
export interface RestToolConfig {
  readonly name: string
  readonly title?: string | undefined
  readonly description?: string | undefined
  readonly inputSchema: Readonly<Record<string, unknown>>
  readonly outputSchema?: Readonly<Record<string, unknown>> | undefined
  readonly annotations?: Readonly<Record<string, string | boolean | undefined>> | undefined
}

/** A service over plain HTTP whose tools are POSTs. It knows neither eras nor sessions. */
export interface RestBackendConfig extends Omit<HttpBackendConfig, 'transport'> {
  readonly transport: 'rest'
  /** Undefined asks the service. */
  readonly tools: readonly RestToolConfig[] | undefined
  /** Milliseconds for which the tools that the service names are taken for current. Default 1 min. */
  readonly refresh: number
}

/** A backend that is an MCP server. */
export type McpBackendConfig = HttpBackendConfig | StdioBackendConfig

/** A configured backend. */
export type BackendConfig = McpBackendConfig | RestBackendConfig

/** The admin listener; undefined in {@link Config} when it is switched off. */
export interface AdminConfig {
  /** Default 127.0.0.1:9901. */
  readonly listen: ListenAddress
}

/** The log of the gateway for its operator. */
export interface LogConfig {
  /** Default `info`. */
  readonly level: LogLevel
  /** Default `auto`: pretty on a terminal, JSON lines elsewhere. */
  readonly format: 'auto' | 'pretty' | 'json'
}

/** A validated configuration with every default filled in; durations are milliseconds, sizes are bytes. */
export interface Config {
  /** The environment that was chosen; undefined for a configuration without environments. */
  readonly environment?: string | undefined
  readonly gateway: GatewaySettings
  /** Undefined: nobody has to say who they are. */
  readonly auth?: AuthConfig | undefined
  /** Undefined lets everybody do everything. So does a section without a rule or scope. */
  readonly authorization?: AuthorizationConfig | undefined
  readonly admin: AdminConfig | undefined
  readonly log: LogConfig
  readonly integrity: IntegrityConfig
  /** Limits on calls; none when they are off. */
  readonly limits: readonly LimitConfig[]
  readonly store: StoreConfig
  /** Undefined tells nothing. */
  readonly telemetry?: TelemetryConfig | undefined
  /** In the order of the file. */
  readonly backends: readonly BackendConfig[]
}
