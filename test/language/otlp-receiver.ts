/** A collector on loopback that takes OTLP over HTTP and decodes it by the published definitions of the protocol. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { create, createFileRegistry, fromBinary, toJson } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { parseProto } from '../support/proto-file.ts'
import { type Journal, createJournal } from './journal.ts'
import type { Scope } from './scope.ts'

/** Values of attributes, by name. Whole numbers are bigints. */
export type Attributes = Readonly<Record<string, unknown>>

/** One point of a metric. Times are nanoseconds since 1970. */
export interface OtlpPoint {
  readonly attributes: Attributes
  readonly start: bigint
  readonly time: bigint
  /** Of a sum or gauge. */
  readonly value: number | undefined
  /** Of a histogram. */
  readonly histogram:
    | {
        readonly count: number
        readonly sum: number
        /** One more than bounds; the last counts what is above all of them. */
        readonly buckets: readonly number[]
        readonly bounds: readonly number[]
      }
    | undefined
}

/** One metric of one export. */
export interface OtlpMetric {
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly kind: 'gauge' | 'sum' | 'histogram'
  readonly monotonic: boolean
  readonly temporality: 'cumulative' | 'delta' | undefined
  readonly points: readonly OtlpPoint[]
}

/** One span of one export. Ids are hexadecimal, times nanoseconds since 1970. */
export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty for the first of a trace. */
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  /** `SERVER`, `CLIENT`, `INTERNAL` … */
  readonly kind: string
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Attributes
  readonly events: readonly {
    readonly name: string
    readonly time: bigint
    readonly attributes: Attributes
  }[]
  readonly links: readonly {
    readonly traceId: string
    readonly spanId: string
    readonly attributes: Attributes
  }[]
  readonly status: { readonly code: 'UNSET' | 'OK' | 'ERROR'; readonly message: string }
}

/** One request, decoded. */
export interface OtlpExport<Item> {
  readonly headers: IncomingHttpHeaders
  /** Of the resource that everything belongs to. */
  readonly resource: Attributes
  /** Name and version of what made it. */
  readonly scope: { readonly name: string; readonly version: string }
  readonly items: readonly Item[]
}

/** What is answered to a request. */
export interface OtlpAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
}

/** A running collector. */
export interface OtlpReceiver {
  /** As it is configured: without `/v1/…`. */
  readonly endpoint: string
  /** One entry per resource and scope of a request. */
  readonly metrics: Journal<OtlpExport<OtlpMetric>>
  readonly traces: Journal<OtlpExport<OtlpSpan>>
  /** Bodies as they came, by path. */
  readonly requests: Journal<{ readonly path: string; readonly bytes: Buffer }>
  /** Answers the next requests so, one after the other, and decodes them all the same. Undefined never answers. */
  answer(...answers: readonly (OtlpAnswer | undefined)[]): void
}

const IMPORTS = {
  common: 'opentelemetry/proto/common/v1/common.proto',
  resource: 'opentelemetry/proto/resource/v1/resource.proto',
  metrics: 'opentelemetry/proto/metrics/v1/metrics.proto',
  trace: 'opentelemetry/proto/trace/v1/trace.proto',
  metrics_service: 'opentelemetry/proto/collector/metrics/v1/metrics_service.proto',
  trace_service: 'opentelemetry/proto/collector/trace/v1/trace_service.proto',
} as const

const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: Object.entries(IMPORTS).map(([name, imported]) =>
      parseProto(imported, readFileSync(new URL(`../protos/${name}.proto`, import.meta.url), 'utf8')),
    ),
  }),
)

/** What the JSON form of protocol buffers gives: nothing of it is certain to be there. */
interface Json {
  readonly [key: string]: unknown
}

/**
 * Decodes a message by its full name into the JSON form of protocol buffers, with the members of the definition.
 *
 * @throws Error for bytes that are no such message
 */
function decode(name: string, bytes: Uint8Array): Json {
  const schema = registry.getMessage(name)
  if (schema === undefined) throw new Error(`no message ${name}`)
  return toJson(schema, fromBinary(schema, bytes)) as Json
}

/** Starts a collector that ends with the scope. */
export async function otlpReceiver(scope: Scope): Promise<OtlpReceiver> {
  const metrics = createJournal<OtlpExport<OtlpMetric>>('the collector of metrics')
  const traces = createJournal<OtlpExport<OtlpSpan>>('the collector of traces')
  const requests = createJournal<{ readonly path: string; readonly bytes: Buffer }>('the collector')
  const answers: (OtlpAnswer | undefined)[] = []
  const take = async (request: IncomingMessage): Promise<void> => {
    const bytes = await bodyOf(request)
    const path = request.url ?? ''
    if (path.endsWith('/v1/metrics')) record(metrics, exportsIn(METRICS, bytes, request.headers))
    if (path.endsWith('/v1/traces')) record(traces, exportsIn(TRACES, bytes, request.headers))
    requests.record({ path, bytes })
  }
  const answerTo = async (request: IncomingMessage): Promise<OtlpAnswer | undefined> => {
    try {
      await take(request)
    } catch (error) {
      requests.record({ path: `undecodable: ${String(error)}`, bytes: Buffer.alloc(0) })
      return { status: 400 }
    }
    return answers.length === 0 ? { status: 200 } : answers.shift()
  }
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const next = await answerTo(request)
    const plain = { 'content-type': 'application/x-protobuf' }
    if (next !== undefined) response.writeHead(next.status, { ...plain, ...next.headers }).end()
  }
  const server = createServer((request, response) => void serve(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.after(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    metrics,
    traces,
    requests,
    answer: (...next) => void answers.push(...next),
  }
}

function record<Entry>(journal: Journal<Entry>, entries: readonly Entry[]): void {
  for (const entry of entries) journal.record(entry)
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const type = request.headers['content-type']
  if (request.method !== 'POST' || type !== 'application/x-protobuf')
    throw new Error(`${request.method} ${type}`)
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
}

/** What differs between the signals. */
interface Signal<Item> {
  readonly message: string
  readonly resources: string
  readonly scopes: string
  readonly items: string
  readonly read: (item: Json) => Item
}

const METRICS: Signal<OtlpMetric> = {
  message: 'opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest',
  resources: 'resourceMetrics',
  scopes: 'scopeMetrics',
  items: 'metrics',
  read: metricOf,
}

const TRACES: Signal<OtlpSpan> = {
  message: 'opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest',
  resources: 'resourceSpans',
  scopes: 'scopeSpans',
  items: 'spans',
  read: spanOf,
}

function exportsIn<Item>(
  signal: Signal<Item>,
  bytes: Buffer,
  headers: IncomingHttpHeaders,
): readonly OtlpExport<Item>[] {
  const request = decode(signal.message, bytes)
  return list(request[signal.resources]).flatMap((one) =>
    list(one[signal.scopes]).map((inner) => ({
      headers,
      resource: attributesOf(object(one['resource'])['attributes']),
      scope: { name: text(object(inner['scope'])['name']), version: text(object(inner['scope'])['version']) },
      items: list(inner[signal.items]).map(signal.read),
    })),
  )
}

function metricOf(metric: Json): OtlpMetric {
  const kind = (['gauge', 'sum', 'histogram'] as const).find((one) => one in metric)
  if (kind === undefined) throw new Error(`a metric of no kind: ${JSON.stringify(metric)}`)
  const data = object(metric[kind])
  const temporality = text(data['aggregationTemporality'])
    .replace('AGGREGATION_TEMPORALITY_', '')
    .toLowerCase()
  return {
    name: text(metric['name']),
    description: text(metric['description']),
    unit: text(metric['unit']),
    kind,
    monotonic: data['isMonotonic'] === true,
    temporality: temporality === 'cumulative' || temporality === 'delta' ? temporality : undefined,
    points: list(data['dataPoints']).map((point) => pointOf(point, kind)),
  }
}

function pointOf(point: Json, kind: OtlpMetric['kind']): OtlpPoint {
  return {
    attributes: attributesOf(point['attributes']),
    start: BigInt(text(point['startTimeUnixNano']) || 0),
    time: BigInt(text(point['timeUnixNano']) || 0),
    value: kind === 'histogram' ? undefined : Number(point['asDouble'] ?? point['asInt']),
    histogram:
      kind === 'histogram'
        ? {
            count: Number(point['count'] ?? 0),
            sum: Number(point['sum']),
            buckets: numbers(point['bucketCounts']),
            bounds: numbers(point['explicitBounds']),
          }
        : undefined,
  }
}

function spanOf(span: Json): OtlpSpan {
  const status = object(span['status'])
  const code = text(status['code']).replace('STATUS_CODE_', '')
  return {
    traceId: hex(span['traceId']),
    spanId: hex(span['spanId']),
    parentSpanId: hex(span['parentSpanId']),
    traceState: text(span['traceState']),
    name: text(span['name']),
    kind: text(span['kind']).replace('SPAN_KIND_', ''),
    start: BigInt(text(span['startTimeUnixNano']) || 0),
    end: BigInt(text(span['endTimeUnixNano']) || 0),
    attributes: attributesOf(span['attributes']),
    events: list(span['events']).map((event) => ({
      name: text(event['name']),
      time: BigInt(text(event['timeUnixNano']) || 0),
      attributes: attributesOf(event['attributes']),
    })),
    links: list(span['links']).map((link) => ({
      traceId: hex(link['traceId']),
      spanId: hex(link['spanId']),
      attributes: attributesOf(link['attributes']),
    })),
    status: { code: code === 'OK' || code === 'ERROR' ? code : 'UNSET', message: text(status['message']) },
  }
}

function attributesOf(found: unknown): Attributes {
  return Object.fromEntries(list(found).map((one) => [text(one['key']), valueOf(object(one['value']))]))
}

/** The value of an `AnyValue`. */
function valueOf(value: Json): unknown {
  if ('intValue' in value) return BigInt(text(value['intValue']))
  if ('arrayValue' in value) return list(object(value['arrayValue'])['values']).map(valueOf)
  if ('kvlistValue' in value) return attributesOf(object(value['kvlistValue'])['values'])
  return value['stringValue'] ?? value['boolValue'] ?? value['doubleValue'] ?? value['bytesValue']
}

function list(found: unknown): readonly Json[] {
  return Array.isArray(found) ? found.map(object) : []
}

function numbers(found: unknown): readonly number[] {
  return Array.isArray(found) ? found.map(Number) : []
}

function object(found: unknown): Json {
  return typeof found === 'object' && found !== null ? (found as Json) : {}
}

function text(found: unknown): string {
  return typeof found === 'string' ? found : ''
}

function hex(found: unknown): string {
  return Buffer.from(text(found), 'base64').toString('hex')
}
