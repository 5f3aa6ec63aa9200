/** Where something is sent by OTLP over HTTP. */
export interface OtlpConfig {
  /** Of the collector, without the path of a signal (`/v1/metrics`, `/v1/traces`), which is appended. */
  readonly endpoint: string
  /** Sent with every request, such as a key for the collector. Secret. */
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds that one request may take. Default 10 s. */
  readonly timeout: number
}

/** What is sent to a collector, and how often. */
export interface OtlpMetricsConfig extends OtlpConfig {
  /** Milliseconds between two exports. Default 60 s. */
  readonly interval: number
}

/** What is counted and measured, and who may read it. */
export interface MetricsConfig {
  /** Tools and prompts that have series of their own; calls of further ones are counted as `_OTHER`. Default 2,000. */
  readonly maxTools: number
  /** Bearer token that opens `/metrics` and nothing else; undefined leaves the admin token alone. Secret. */
  readonly token: string | undefined
  /** Whether `/metrics` needs no token. Default false. */
  readonly open: boolean
  /** Undefined sends nothing: metrics are read from `/metrics`. */
  readonly otlp: OtlpMetricsConfig | undefined
}

/** Where spans are sent, and how often. */
export interface OtlpTracesConfig extends OtlpConfig {
  /** Milliseconds between two exports. Default 5 s. */
  readonly interval: number
}

/** Which calls are traced, and what is told of them. */
export interface TracesConfig {
  readonly otlp: OtlpTracesConfig
  /** Part of the traces that begin here and are recorded, from 0 to 1. Default 1. */
  readonly sample: number
  /** Whether the decision of a caller that is in a trace already is followed, or made anew. Default `follow`. */
  readonly parent: 'follow' | 'ignore'
  /** Backends, with `*` for any characters, that are told the baggage of callers. Default none. */
  readonly baggage: readonly string[]
  /** Spans that may wait to be sent. Default 4,096. */
  readonly queue: number
  /** Whether arguments of tools stand in spans. Default false. */
  readonly arguments: boolean
  /** Whether results of tools stand in spans. Default false. */
  readonly results: boolean
}

/** How urgent a line of the access log is. */
export type AccessLevel = 'info' | 'warn' | 'error'

/** One line per call, and where it goes. */
export interface AccessLogConfig {
  /** `stdout`, `stderr` or the absolute path of a file. Default `stdout`. */
  readonly to: string
  /** Default `auto`: pretty on a terminal, JSON lines elsewhere. */
  readonly format: 'auto' | 'pretty' | 'json'
  /** The least urgent lines to write. Default `info`. */
  readonly level: AccessLevel
  /** Part of the calls that went well and are written, from 0 to 1; all others are always written. Default 1. */
  readonly sample: number
  /** Milliseconds from which on a call is slow, and always written. Default 1 s. */
  readonly slow: number
  /** Whether arguments stand in the lines. Default false. */
  readonly arguments: boolean
  /** Whether results stand in the lines. Default false. */
  readonly results: boolean
}

/** What the gateway tells about itself and its calls. */
export interface TelemetryConfig {
  /** Attributes of the gateway as OpenTelemetry knows it, beside and above its own such as `service.name`. */
  readonly resource: Readonly<Record<string, string>>
  /** Undefined measures nothing. */
  readonly metrics: MetricsConfig | undefined
  /** Undefined traces nothing. */
  readonly traces?: TracesConfig | undefined
  /** Undefined writes nothing. */
  readonly accessLog?: AccessLogConfig | undefined
  /**
   * Paths in arguments and results whose values are hidden wherever these are told, such as `arguments.card.number`.
   * What is named like a secret or looks like one is hidden in any case. Default none.
   */
  readonly redact?: readonly string[] | undefined
}
