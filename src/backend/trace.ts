import type { SentTrace } from '../pipeline/trace.ts'

/**
 * What a request says of its trace in `_meta`, under names without a prefix (SEP-414): raw JSON per member. What is not
 * passed on is taken out, for it would belong to another parent.
 */
export function traceMembers({ traceparent, tracestate, baggage }: SentTrace): {
  readonly [member: string]: string | undefined
} {
  return {
    traceparent: `"${traceparent}"`,
    tracestate: tracestate === undefined ? undefined : JSON.stringify(tracestate),
    baggage: baggage === undefined ? undefined : JSON.stringify(baggage),
  }
}

/** A `_meta` that says that, and nothing else. */
export function traceObject({ traceparent, tracestate, baggage }: SentTrace): string {
  return JSON.stringify({ traceparent, tracestate, baggage })
}

/** The same as HTTP headers (W3C Trace Context, W3C Baggage). */
export function traceHeaders({
  traceparent,
  tracestate,
  baggage,
}: SentTrace): Readonly<Record<string, string>> {
  return {
    traceparent,
    ...(tracestate === undefined ? {} : { tracestate }),
    ...(baggage === undefined ? {} : { baggage }),
  }
}
