/** The only file that knows how OpenTelemetry sends spans; loaded when there are some. */
import { type SpanContext, SpanKind, SpanStatusCode, type TraceState } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import type { OtlpConfig } from '../config/telemetry-types.ts'
import { SendError, type SpanSender } from './span-queue.ts'
import type { SpanData, SpanReference } from './spans.ts'

/** Who tells. */
export interface Teller {
  /** Attributes of the resource, such as `service.name`. */
  readonly resource: Readonly<Record<string, string>>
  readonly version: string
}

/** Creates what sends spans to a collector by OTLP over HTTP in protobuf. */
export function createOtlpSender(config: OtlpConfig, { resource, version }: Teller): SpanSender {
  const exporter = new OTLPTraceExporter({
    url: `${config.endpoint}/v1/traces`,
    headers: { ...config.headers },
    timeoutMillis: config.timeout,
  })
  const told = resourceFromAttributes(resource)
  const scope = { name: 'toolgate', version }
  return {
    send(spans) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const readable = spans.map((span) => ({
        ...readableOf(span),
        resource: told,
        instrumentationScope: scope,
      }))
      exporter.export(readable, ({ error }) => {
        if (error === undefined) resolve()
        else reject(new SendError(reasonOf(error)))
      })
      return promise
    },
    close: () => exporter.shutdown(),
  }
}

/** Never the message: it may be what the collector said. */
function reasonOf(error: Error): string {
  const { code } = error as { readonly code?: unknown }
  if (typeof code === 'number') return `the collector answered with HTTP status ${code}`
  if (typeof code === 'string' && /^[A-Z_]{1,40}$/.test(code))
    return `the collector cannot be reached: ${code}`
  return 'the collector did not answer as it should'
}

type Readable = Omit<ReadableSpan, 'resource' | 'instrumentationScope'>

function readableOf(span: SpanData): Readable {
  const { own, parent, failure } = span
  const context = contextOf(own, span.tracestate)
  return {
    name: span.name,
    kind: span.kind === 'server' ? SpanKind.SERVER : SpanKind.CLIENT,
    spanContext: () => context,
    ...(parent === undefined ? {} : { parentSpanContext: contextOf(parent) }),
    startTime: timeOf(span.start),
    endTime: timeOf(span.end),
    duration: timeOf(span.end - span.start),
    status:
      failure === undefined
        ? { code: SpanStatusCode.UNSET }
        : { code: SpanStatusCode.ERROR, message: failure },
    attributes: { ...span.attributes },
    links: span.links.map((link) => ({ context: contextOf(link) })),
    events: span.events.map(({ name, at, attributes }) => ({
      name,
      time: timeOf(at),
      attributes: { ...attributes },
      droppedAttributesCount: 0,
    })),
    ended: true,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  }
}

function contextOf({ traceId, spanId, flags, isRemote }: SpanReference, tracestate?: string): SpanContext {
  const context = { traceId, spanId, traceFlags: flags, isRemote }
  return tracestate === undefined ? context : { ...context, traceState: new Verbatim(tracestate) }
}

/** Milliseconds as seconds and nanoseconds. */
function timeOf(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.floor((ms - seconds * 1000) * 1e6)]
}

/** A `tracestate` that is passed on as it came. */
class Verbatim implements TraceState {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  serialize(): string {
    return this.#text
  }

  set(): TraceState {
    return this
  }

  unset(): TraceState {
    return this
  }

  get(): undefined {
    return undefined
  }
}
