/**
 * What a limit may tell callers apart by. Whoever has no `client` or `apiKey` is told apart by `principal`, and
 * anonymous callers by their address; whoever has no `tenant` belongs to one tenant without a name.
 */
export type KeyPart =
  'principal' | 'tenant' | 'client' | 'apiKey' | 'address' | 'route' | 'backend' | 'tool' | 'method'

/** How much a limit admits. Times in milliseconds; counts in calls, or their weights. */
export type Allowance =
  /** At most `count` within any span of `per`: an exact sliding window. */
  | { readonly kind: 'window'; readonly count: number; readonly per: number }
  /** On average `count` per `per`, and up to `burst` at once: the generic cell rate algorithm (ITU-T I.371). */
  | { readonly kind: 'gcra'; readonly count: number; readonly per: number; readonly burst: number }
  /** At most `count` within a calendar day or month (UTC). */
  | { readonly kind: 'quota'; readonly count: number; readonly period: QuotaPeriod }
  /** At most `count` at once. */
  | { readonly kind: 'concurrency'; readonly count: number }

/** Calls per span of milliseconds. */
export interface RateConfig {
  readonly count: number
  readonly per: number
}

/** The calendar period of a quota, in UTC. */
export type QuotaPeriod = 'day' | 'month'

/** Which calls a limit is for; patterns in which `*` stands for any characters. */
export interface LimitMatch {
  readonly backend: string | undefined
  /** The tool as its backend calls it. */
  readonly tool: string | undefined
}

/** Where calls wait that a limit does not admit yet. */
export interface LimitQueue {
  /** Calls that wait for one key at most. Default 100. */
  readonly size: number
  /** Milliseconds that a call waits at most. Default 10 s. */
  readonly wait: number
}

/** One limit on calls. */
export interface LimitConfig {
  /** Unique; clients see it. Default made of key and kind, such as `tenant-backend-rate`. */
  readonly name: string
  /** Calls that agree in all of these are counted together; none counts all calls together. Default `principal`. */
  readonly key: readonly KeyPart[]
  /** Methods that count; `*` is every method. Default `tools/call`. */
  readonly methods: readonly string[]
  readonly match: LimitMatch
  readonly allowance: Allowance
  /** What a call counts, by `<backend>/<tool>` with `*` for any characters; the first that fits. Default 1. */
  readonly weights: readonly (readonly [pattern: string, weight: number])[]
  /** Where calls wait; undefined refuses them at once. */
  readonly queue: LimitQueue | undefined
  /** Only reports what it would refuse. Default false. */
  readonly shadow: boolean
}
