/** What an HTTP request says of the trace that it belongs to, unchecked; what a message says itself stands in its `_meta`. */
export interface TraceHeaders {
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
  readonly baggage: string | undefined
}

/** What goes with a request to a backend: well-formed, and no more than the backend may know. */
export interface SentTrace {
  readonly traceparent: string
  readonly tracestate: string | undefined
  /** Undefined where there is none, or where the backend is not to know it. */
  readonly baggage: string | undefined
  /** The span that stands for the try; undefined where nobody records it. */
  readonly spanId: string | undefined
}

/** The trace that a call belongs to. */
export interface CallTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** The span that stands for the call: 16 hexadecimal digits. Where nobody records it, that of its caller. */
  readonly spanId: string
  readonly isSampled: boolean
  /** What goes with one try at a backend. */
  sentTo(backend: string): SentTrace
}
