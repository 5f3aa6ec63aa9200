/**
 * The configuration as a program writes it: the same settings as in `toolgate.yaml` (docs/configuration.md), with the
 * same defaults. Texts mean what they say: `${env:…}` is not replaced, because a program can read its environment itself.
 */

/** A time with its unit, such as `500ms`, `30s`, `2m` or `1h`. A bare number is refused: it can mean two things. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h'}`

/** A size with its unit, such as `4MiB`. */
export type Size = `${number}${'B' | 'kB' | 'KB' | 'MB' | 'GB' | 'KiB' | 'MiB' | 'GiB'}`

/** Settings that are checked when they are used and described in docs/configuration.md alone. */
export type Settings = Readonly<Record<string, unknown>>

/** What every backend can have. */
export interface CommonBackendInput {
  /** Default `auto`, which finds out. */
  readonly era?: 'auto' | 'modern' | 'legacy'
  /** Who shares a session or process of a legacy or stdio backend. Default `principal`. */
  readonly isolation?: 'shared' | 'principal' | 'session'
  /** Whether interactive calls of one session run side by side. Default `concurrent`. */
  readonly interactive?: 'concurrent' | 'serial'
  /** Sessions or processes at once. Default 100. */
  readonly maxSessions?: number
  /** Of one exchange. Default 30 s. */
  readonly timeout?:
    | Duration
    | {
        readonly connect?: Duration
        readonly firstByte?: Duration
        readonly idle?: Duration
        readonly total?: Duration
      }
  readonly retry?: 'off' | false | Settings
  readonly circuitBreaker?: 'off' | false | Settings
  readonly bulkhead?: 'off' | false | BulkheadInput
  /** Believe what the backend says about its tools. Default false. */
  readonly trustAnnotations?: boolean
  /** What is known about its tools, by name or pattern. */
  readonly tools?: Settings
  readonly integrity?: Settings
  readonly health?: 'off' | false | Settings
}

/** A backend over HTTP. */
export interface HttpBackendInput extends CommonBackendInput {
  readonly transport?: 'http'
  /** The MCP endpoint, or one for each endpoint. */
  readonly url: string | readonly string[]
  /** Sent with every request. Secret. */
  readonly headers?: Readonly<Record<string, string>>
  /** Connections at once, to each endpoint. Default 128. */
  readonly connections?: number
  readonly balance?: 'least-loaded' | 'weighted'
  readonly ejection?: 'off' | false | Settings
  readonly slowStart?: Duration
  readonly keepAlive?: Duration
  /** Connections kept open ahead of need, to each endpoint. */
  readonly warm?: number
  readonly signing?: Settings
}

/** A backend over HTTP whose endpoints have weights. */
export interface EndpointsBackendInput extends Omit<HttpBackendInput, 'url'> {
  readonly endpoints: readonly { readonly url: string; readonly weight?: number }[]
}

/** A service over plain HTTP, see docs/rest.md. */
export interface RestBackendInput extends Omit<
  HttpBackendInput,
  'transport' | 'url' | 'era' | 'isolation' | 'interactive' | 'maxSessions'
> {
  readonly transport?: 'rest'
  readonly rest: {
    /** `/tools/<tool>` and `/health` stand below it. */
    readonly url: string | readonly string[]
    /** By name. Without it, the service is asked. */
    readonly tools?: Readonly<Record<string, RestToolInput>>
    /** How long the tools that the service names are taken for current. Default 1 min. */
    readonly refresh?: Duration
  }
}

/** A tool of a service over plain HTTP. */
export interface RestToolInput {
  readonly title?: string
  readonly description?: string
  /** JSON Schema of the arguments, of type object. Default any object. */
  readonly inputSchema?: Settings
  readonly outputSchema?: Settings
  readonly annotations?: Readonly<Record<string, string | boolean>>
}

/** A backend that is a child process. */
export interface StdioBackendInput extends CommonBackendInput {
  readonly transport?: 'stdio'
  readonly command: string
  readonly args?: readonly string[]
  /** Added to a minimal environment. Secret. */
  readonly env?: Readonly<Record<string, string>>
  /** Default: the base folder of the gateway. */
  readonly cwd?: string
}

/** A backend: its URL, or its settings. */
export type BackendInput =
  string | HttpBackendInput | EndpointsBackendInput | StdioBackendInput | RestBackendInput

/** The settings of a backend with its name among them, as in the gateway pattern. */
export type NamedBackendInput = { readonly name: string } & Exclude<BackendInput, string>

/** How many calls at once, and how many wait how long. */
export interface BulkheadInput {
  readonly calls?: number
  readonly queue?: number
  readonly wait?: Duration
}

/** Bounds on what one peer can make the gateway do. */
export interface PeerLimitsInput {
  readonly body?: Size
  readonly headers?: Size
  readonly depth?: number
  readonly reply?: Size
  readonly bodyTimeout?: Duration
  readonly calls?: number
  readonly sessions?: number
  readonly sessionsPerPrincipal?: number
  readonly queue?: number
  readonly listEntries?: number
  readonly parked?: number
  readonly parkedTotal?: number
  readonly parkTime?: Duration
  readonly streams?: number
  readonly streamAge?: Duration
  readonly silence?: Duration
  readonly connections?: number
  readonly headerTimeout?: Duration
  readonly replyTimeout?: Duration
  readonly requestsPerAddress?: string
}

/** The gateway itself. */
export interface GatewaySettingsInput {
  /** Name that clients see. Default `toolgate`. */
  readonly name?: string
  /** Where `listen` listens unless it is told, as `host:port`. Default `127.0.0.1:8080`. */
  readonly listen?: string
  readonly allowUnauthenticatedNetworkAccess?: 'i-understand-that-anyone-who-connects-can-call-every-tool'
  /** Where clients reach the gateway, without `/mcp`. Needed where it is mounted in a server that others can reach. */
  readonly publicUrl?: string
  /** Default `prefix`: `<backend>_<name>`. Tools of the gateway itself have exactly their own names. */
  readonly names?: 'prefix' | 'conflict' | 'bare'
  readonly pageSize?: number
  readonly listDeadline?: Duration
  readonly staleFor?: Duration
  /** How long calls in flight may take when the gateway is closed, or their backend is removed. Default 10 s. */
  readonly drain?: Duration
  readonly sessionIdle?: Duration
  readonly sse?: boolean
  readonly allowedOrigins?: readonly string[]
  readonly allowedHosts?: readonly string[]
  readonly trustedProxies?: readonly string[]
  readonly forwardedHeader?: 'x-forwarded-for' | 'forwarded'
  /** Folder for what outlives the gateway: API keys, the sealing key. Without it nothing does. */
  readonly stateDir?: string
  readonly sealing?: { readonly keys: readonly string[] }
  readonly limits?: PeerLimitsInput
  readonly overload?: 'off' | false | { readonly delay?: Duration; readonly memory?: `${number}%` }
  /** The built-in tools `gateway_health` and others. */
  readonly tools?: Readonly<Record<string, boolean>>
  readonly bulkhead?: 'off' | false | BulkheadInput
}

/** One limit on calls, see docs/limits.md. */
export interface LimitInput {
  readonly name?: string
  /** What callers are told apart by. Default `['principal']`. */
  readonly key?: readonly (
    'principal' | 'tenant' | 'client' | 'apiKey' | 'address' | 'route' | 'backend' | 'tool' | 'method'
  )[]
  readonly methods?: readonly string[]
  readonly match?: { readonly backend?: string; readonly tool?: string }
  /** Such as `60/1m`. */
  readonly rate?: string
  readonly burst?: number
  readonly concurrency?: number
  /** Such as `100000/month`. */
  readonly quota?: string
  readonly weights?: Readonly<Record<string, number>>
  readonly onExceed?: 'reject' | 'queue'
  readonly queue?: { readonly size?: number; readonly wait?: Duration }
  readonly shadow?: boolean
}

/** A configuration; every part has its defaults. */
export interface GatewayInput {
  readonly gateway?: GatewaySettingsInput
  /** By name. More can be registered later. Default none. */
  readonly backends?: Readonly<Record<string, BackendInput>>
  /** Who may call, see docs/auth.md. Default: nobody has to say who they are. */
  readonly auth?: Settings
  /** Who may do what, see docs/authorization.md. Default: everybody may do everything. */
  readonly authorization?: Settings
  /** Default: 60 `tools/call` per minute and client. */
  readonly limits?: 'off' | readonly LimitInput[]
  readonly store?: {
    readonly url?: string
    readonly onStoreFailure?: 'local' | 'allow' | 'deny'
    readonly timeout?: Duration
    readonly prefix?: string
  }
  /** See docs/integrity.md. */
  readonly integrity?: Settings
  /** Metrics, traces and the access log, see docs/observability.md. Default: calls are counted, nothing is sent. */
  readonly telemetry?: Settings
}
