import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { DURATION_BOUNDS } from '../conventions.ts'
import type { Definition } from './definitions.ts'
import type { Family, Point } from './families.ts'
import type { Attribute } from './labels.ts'

/** What stands above every metric of an export. Times are wall-clock milliseconds. */
export interface ExportFrame {
  readonly resource: readonly Attribute[]
  /** Of the gateway, as the scope of the metrics. */
  readonly version: string
  readonly startedAt: number
  readonly now: number
}

/** Points of some metrics, as many as one request takes. */
export type Batch = readonly { readonly definition: Definition; readonly points: readonly Point[] }[]

/** The metrics in batches of at most so many points each, so that encoding one does not hold up others for long. */
export function* batches(families: Iterable<Family>, most: number): Generator<Batch> {
  let batch: { definition: Definition; points: Point[] }[] = []
  let size = 0
  for (const { definition, points } of families) {
    let own: Point[] = []
    for (const point of points) {
      if (own.length === 0) batch.push({ definition, points: own })
      own.push(point)
      if (++size < most) continue
      yield batch
      batch = []
      own = []
      size = 0
    }
  }
  if (size > 0) yield batch
}

/** `AggregationTemporality`: everything since the start, so that an export that is lost is made good by the next. */
const CUMULATIVE = 2

/**
 * An `ExportMetricsServiceRequest` (opentelemetry-proto 1.x, collector/metrics/v1 and metrics/v1). The numbers are those of
 * the fields.
 */
export function encodeBatch(batch: Batch, frame: ExportFrame): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter()
  const start = BigInt(Math.round(frame.startedAt)) * 1_000_000n
  const time = BigInt(Math.round(frame.now)) * 1_000_000n
  nested(writer, 1, () => {
    nested(writer, 1, () => attributes(writer, 1, frame.resource))
    nested(writer, 2, () => {
      nested(writer, 1, () => {
        text(writer, 1, 'toolgate')
        text(writer, 2, frame.version)
      })
      for (const { definition, points } of batch)
        nested(writer, 2, () => metric(writer, definition, { points, start, time }))
    })
  })
  return writer.finish()
}

interface Timed {
  readonly points: readonly Point[]
  readonly start: bigint
  readonly time: bigint
}

function metric(writer: BinaryWriter, definition: Definition, { points, start, time }: Timed): void {
  const { name, description, unit, kind } = definition
  text(writer, 1, name)
  text(writer, 2, description)
  text(writer, 3, unit)
  const field = { gauge: 5, counter: 7, histogram: 9 }[kind]
  nested(writer, field, () => {
    for (const point of points) {
      nested(writer, 1, () => {
        writer.tag(2, WireType.Bit64).fixed64(kind === 'gauge' ? 0n : start)
        writer.tag(3, WireType.Bit64).fixed64(time)
        if ('distribution' in point) histogramPoint(writer, point)
        else numberPoint(writer, point, unit)
      })
    }
    if (kind !== 'gauge') writer.tag(2, WireType.Varint).int32(CUMULATIVE)
    if (kind === 'counter') writer.tag(3, WireType.Varint).bool(true)
  })
}

/** What is counted is whole; what is measured need not be. */
function numberPoint(
  writer: BinaryWriter,
  { labels, value }: Extract<Point, { value: number }>,
  unit: string,
): void {
  attributes(writer, 7, labels.attributes)
  if (unit === 's') writer.tag(4, WireType.Bit64).double(value)
  else writer.tag(6, WireType.Bit64).sfixed64(BigInt(Math.round(value)))
}

function histogramPoint(writer: BinaryWriter, point: Exclude<Point, { value: number }>): void {
  const { buckets, sum, count } = point.distribution
  attributes(writer, 9, point.labels.attributes)
  writer.tag(4, WireType.Bit64).fixed64(BigInt(count))
  writer.tag(5, WireType.Bit64).double(sum)
  nested(writer, 6, () => buckets.forEach((bucket) => writer.fixed64(BigInt(bucket))))
  nested(writer, 7, () => DURATION_BOUNDS.forEach((bound) => writer.double(bound)))
}

function attributes(writer: BinaryWriter, field: number, all: readonly Attribute[]): void {
  for (const [key, value] of all) {
    nested(writer, field, () => {
      text(writer, 1, key)
      nested(writer, 2, () => {
        if (typeof value === 'string') writer.tag(1, WireType.LengthDelimited).string(value)
        else writer.tag(3, WireType.Varint).int64(value)
      })
    })
  }
}

function nested(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork()
  write()
  writer.join()
}

function text(writer: BinaryWriter, field: number, value: string): void {
  if (value !== '') writer.tag(field, WireType.LengthDelimited).string(value)
}
