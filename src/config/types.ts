import type { LogLevel } from '../pipeline/log.ts'

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
  /** Notifications that may wait for a client that does not read. Default 256. */
  readonly queue: number
  /** Entries that one backend may list per kind. Default 10,000. */
  readonly listEntries: number
  /** Calls that may wait for input of their clients, per principal. Default 100. */
  readonly parked: number
  /** Milliseconds that a call waits for input of its client. Default 10 min. */
  readonly parkTime: number
  /** Open subscriptions and legacy streams per principal. Default 100. */
  readonly streams: number
}

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
  /** Folder for the admin token and the list of child processes; undefined means the user's state folder. */
  readonly stateDir: string | undefined
  readonly limits: LimitsConfig
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
}

/** A backend reached over Streamable HTTP. */
export interface HttpBackendConfig extends BackendCommon {
  readonly transport: 'http'
  readonly url: string
  /** Headers sent with every request, such as a key for the backend. Secret. */
  readonly headers: Readonly<Record<string, string>>
  /** Connections at once. Default 128. */
  readonly connections: number
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

/** A configured backend. */
export type BackendConfig = HttpBackendConfig | StdioBackendConfig

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
  readonly gateway: GatewaySettings
  readonly admin: AdminConfig | undefined
  readonly log: LogConfig
  readonly integrity: IntegrityConfig
  /** In the order of the file. */
  readonly backends: readonly BackendConfig[]
}
