import type { CallCounts, Cell, Subject } from './calls.ts'
import { ATTRIBUTE } from '../conventions.ts'
import { type Definition, METRICS, type MetricKey, OWN } from './definitions.ts'
import type { Durations } from './durations.ts'
import type { Distribution } from './histogram.ts'
import { type Labels, NO_LABELS, labelsOf } from './labels.ts'
import { type Levels, levelPoints } from './levels.ts'

/** One metric and everything that there is of it now. */
export interface Family {
  readonly definition: Definition
  /** Read one after the other: what takes long is not held up by what comes later. */
  readonly points: Iterable<Point>
}

/** One series. */
export type Point =
  | { readonly labels: Labels; readonly value: number }
  | { readonly labels: Labels; readonly distribution: Distribution }

/** What metrics are read from. */
export interface Sources {
  readonly calls: CallCounts
  readonly durations: Durations
  /** Undefined as long as there is no gateway to be looked at. */
  readonly levels: Levels | undefined
  readonly version: string
  /** Wall-clock milliseconds. */
  readonly startedAt: number
  /** Exports that the collector took, and that it did not; undefined where nothing is exported. */
  readonly exports: { readonly sent: number; readonly failed: number } | undefined
}

/** Every metric of which there is something, in the order of the table. */
export function* families(sources: Sources): Generator<Family> {
  const read = readers(sources)
  const levels = Map.groupBy(
    sources.levels === undefined ? [] : levelPoints(sources.levels),
    ({ metric }) => metric,
  )
  for (const [key, definition] of Object.entries(METRICS) as [MetricKey, Definition][]) {
    const points = read[key]?.() ?? levels.get(key)
    if (points !== undefined) yield { definition, points }
  }
}

type Readers = Partial<Record<MetricKey, () => Iterable<Point>>>

/** How what is counted is read. Everything else is a level. */
function readers({ calls, durations, exports, version, startedAt }: Sources): Readers {
  const { events } = calls
  return {
    serverOperation: () => spread(calls.server),
    clientOperation: () => spread(calls.client),
    serverSession: () => spread(durations.serverSessions),
    clientSession: () => spread(durations.clientSessions),
    calls: () => callTotals(calls.server),
    refusals: () => counted(calls.refusals, OWN.code),
    httpRefusals: () => counted(calls.refusedRequests, OWN.code),
    queue: () =>
      spread(
        [...calls.queued].map(([backend, histogram]) => ({ labels: backendLabels(backend), histogram })),
      ),
    retries: () => counted(events.retry, OWN.backend),
    hedges: () => counted(events.hedge, OWN.backend),
    circuitRefusals: () => counted(events['circuit-open'], OWN.backend),
    notifications: () => [{ labels: NO_LABELS, value: calls.notifications }],
    storeDuration: () => spread(durations.store),
    startTime: () => [{ labels: NO_LABELS, value: startedAt / 1000 }],
    buildInfo: () => [{ labels: labelsOf([[OWN.version, version]]), value: 1 }],
    ...(exports === undefined
      ? {}
      : {
          otlpExports: () => [
            { labels: labelsOf([[OWN.outcome, 'ok']]), value: exports.sent },
            { labels: labelsOf([[OWN.outcome, 'failed']]), value: exports.failed },
          ],
        }),
  }
}

function backendLabels(backend: string): Labels {
  return labelsOf([[OWN.backend, backend === '' ? undefined : backend]])
}

function* spread(cells: Iterable<Pick<Cell, 'labels' | 'histogram'>>): Generator<Point> {
  for (const { labels, histogram } of cells) yield { labels, distribution: histogram.read() }
}

function counted(counts: ReadonlyMap<string, number>, attribute: string): readonly Point[] {
  return [...counts].map(([name, value]) => ({
    labels: labelsOf([[attribute, name === '' ? undefined : name]]),
    value,
  }))
}

/** How often each subject ended in each way: nothing is counted twice for it. */
function* callTotals(cells: readonly Cell[]): Generator<Point> {
  const totals = new Map<Subject, Map<string, number>>()
  for (const { subject, ending, histogram } of cells) {
    const outcomes = totals.get(subject) ?? new Map<string, number>()
    totals.set(subject, outcomes)
    outcomes.set(ending.outcome, (outcomes.get(ending.outcome) ?? 0) + histogram.count)
  }
  for (const [subject, outcomes] of totals)
    for (const [outcome, value] of outcomes) yield { labels: totalLabels(subject, outcome), value }
}

function totalLabels({ backend, method, tool, prompt }: Subject, outcome: string): Labels {
  return labelsOf([
    [OWN.backend, backend],
    [ATTRIBUTE.method, method],
    [ATTRIBUTE.tool, tool],
    [ATTRIBUTE.prompt, prompt],
    [OWN.outcome, outcome],
  ])
}
