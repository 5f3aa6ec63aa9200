import { glob } from '../config/glob.ts'
import type { BackendConfig, TracesConfig } from '../config/types.ts'
import type { CallObserver } from '../filters/observe.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { Redactor } from './redact.ts'
import { type SpanSender, createSpanQueue } from './span-queue.ts'
import { type BackendPlace, type SpanPorts, spansOf } from './spans.ts'
import { type TracePolicy, isRecorded, traceOf } from './trace.ts'

/** What tracing needs. */
export interface TracingPorts {
  readonly clock: Clock
  readonly log: Log
  /** A number in [0, 1). */
  readonly random: () => number
  /** Those of the moment: another list is looked at anew. */
  readonly backends: () => readonly BackendConfig[]
  readonly redactor: Redactor
  /** Attributes of the gateway, such as `service.name`. */
  readonly resource: Readonly<Record<string, string>>
  readonly version: string
  /** What sends spans; default is loaded when there are some. */
  readonly open?: () => Promise<SpanSender>
}

/** Follows calls, and sends spans of those that are recorded. */
export interface Tracing extends CallObserver {
  close(): Promise<void>
}

/** Creates tracing. Whether a call is recorded is decided when it begins; its spans are made once it has ended. */
export function createTracing(config: TracesConfig, ports: TracingPorts): Tracing {
  const policy: TracePolicy = {
    sample: config.sample,
    follows: config.parent === 'follow',
    baggage: config.baggage.map(glob),
    random: ports.random,
  }
  const spans: SpanPorts = {
    placeOf: placesOf(ports.backends),
    redactor: ports.redactor,
    arguments: config.arguments,
    results: config.results,
  }
  const { clock, log, resource, version } = ports
  const open = async (): Promise<SpanSender> => {
    const { createOtlpSender } = await import('./otlp-traces.ts')
    return createOtlpSender(config.otlp, { resource, version })
  }
  const { timeout: patience, interval } = config.otlp
  const queue = createSpanQueue({
    clock,
    log,
    open: ports.open ?? open,
    capacity: config.queue,
    interval,
    patience,
  })
  return {
    begun(record) {
      record.trace = traceOf(record.call, policy)
    },
    ended(record, outcome) {
      const { trace } = record
      if (isRecorded(trace)) queue.add(spansOf(record, { outcome, trace }, spans))
    },
    close: () => queue.close(),
  }
}

/** Where the requests of each backend go: known from the configuration, and read once for each. */
function placesOf(backends: () => readonly BackendConfig[]): SpanPorts['placeOf'] {
  let known: readonly BackendConfig[] = []
  const places = new Map<string, BackendPlace>()
  return (backend, endpoint) => {
    const current = backends()
    if (current !== known) {
      known = current
      places.clear()
      for (const each of current) places.set(each.name, placeOf(each))
    }
    // An origin is a URL too.
    return endpoint === undefined ? places.get(backend) : placeAt(endpoint)
  }
}

function placeOf(backend: BackendConfig): BackendPlace {
  return backend.transport === 'stdio'
    ? { transport: 'pipe', address: undefined, port: undefined }
    : placeAt(backend.url)
}

function placeAt(address: string): BackendPlace {
  const { hostname, port, protocol } = new URL(address)
  const usual = protocol === 'https:' ? 443 : 80
  const known = hostname.replace(/^\[|\]$/g, '')
  return { transport: 'tcp', address: known, port: port === '' ? usual : Number(port) }
}
