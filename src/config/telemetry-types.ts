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

/** What the gateway tells about itself and its calls. */
export interface TelemetryConfig {
  /** Attributes of the gateway as OpenTelemetry knows it, beside and above its own such as `service.name`. */
  readonly resource: Readonly<Record<string, string>>
  /** Undefined measures nothing. */
  readonly metrics: MetricsConfig | undefined
}
