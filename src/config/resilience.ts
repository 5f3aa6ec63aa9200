/** How long the parts of one exchange with a backend may take beside the whole, in milliseconds. */
export interface PartTimeouts {
  /** From the last byte of the request to the first of the answer; undefined waits as long as the whole may take. */
  readonly firstByte: number | undefined
  /** Between two signs of life once the answer has begun; undefined waits as long as the whole may take. */
  readonly idle: number | undefined
}

/** Whether and how often a call is tried again. */
export interface RetryConfig {
  /** Tries in all, the first one included. Default 3. */
  readonly tries: number
  /** Longest pause before the second try in milliseconds; doubled for each further one. Default 50 ms. */
  readonly backoff: number
  /** Longest pause of all. Default 1 s. */
  readonly maxBackoff: number
  /** Share of calls that may be tried again. Default 0.2. */
  readonly budget: number
  /** Retries in ten seconds that are allowed however few calls there are. Default 10. */
  readonly minimum: number
}

/** When a backend is left alone for a while. */
export interface CircuitBreakerConfig {
  /** Milliseconds over which calls are counted. Default 30 s. */
  readonly window: number
  /** Calls in the window below which the ratio means nothing. Default 20. */
  readonly minimumCalls: number
  /** Share of failures in the window that opens the circuit. Default 0.5. */
  readonly failureRatio: number
  /** Failures in a row, within the window, that open the circuit. Default 10. */
  readonly consecutiveFailures: number
  /** Milliseconds for which the circuit stays open. Default 5 s. */
  readonly openFor: number
  /** Calls at once that try a half-open circuit, and successes that close it. Default 3. */
  readonly probes: number
  /** What one circuit is for. Default `backend`. */
  readonly per: 'backend' | 'tool'
}

/** How many calls are carried out at once, and how many wait. */
export interface BulkheadConfig {
  readonly calls: number
  /** Calls that may wait. */
  readonly queue: number
  /** Milliseconds that a call waits at most. */
  readonly wait: number
}

/** A second try beside the first where that takes long. */
export interface HedgeConfig {
  /** Milliseconds after which the second try starts. */
  readonly after: number
}

/** What the operator knows about tools of a backend. */
export interface ToolPolicyConfig {
  /** The name as the backend calls it; `*` stands for any text. */
  readonly pattern: string
  /** Whether calls may run twice; undefined says nothing about it. */
  readonly idempotent: boolean | undefined
  /** Milliseconds for one exchange; undefined means that of the backend. */
  readonly total: number | undefined
  readonly firstByte: number | undefined
  readonly idle: number | undefined
  readonly hedge: HedgeConfig | undefined
}

/** How failures of one backend are met. Undefined switches a part off. */
export interface ResilienceConfig extends PartTimeouts {
  /** Milliseconds for opening a connection. Default 10 s. */
  readonly connect: number
  readonly retry: RetryConfig | undefined
  readonly circuitBreaker: CircuitBreakerConfig | undefined
  readonly bulkhead: BulkheadConfig | undefined
  /** Whether `readOnlyHint` and `idempotentHint` of the backend's tools are believed. Default false. */
  readonly trustAnnotations: boolean
  /** In the order of the file: the first pattern that fits decides. */
  readonly tools: readonly ToolPolicyConfig[]
}
