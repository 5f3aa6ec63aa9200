import type { ToolFigures } from '../../backend/builtin/metrics.ts'
import type { CallCounts, Cell } from './calls.ts'
import { Distribution } from './histogram.ts'
import { OUTCOMES, type OutcomeName } from './outcome.ts'

/** How calls went. Those that the gateway refused are no calls of a backend, and counted apart. */
export interface CallFigures {
  readonly calls: number
  /** The backend gave no answer, or a JSON-RPC error. */
  readonly errors: number
  /** The tool answered that it failed (`isError`). */
  readonly toolErrors: number
  readonly cancelled: number
  readonly refused: number
  /** Milliseconds; undefined where there was no call. Without subscriptions, which last as long as their clients. */
  readonly latencyMs:
    { readonly mean: number; readonly p50: number; readonly p90: number; readonly p99: number } | undefined
}

/** How calls went during the last while, and how many there were each second. */
export interface RecentFigures extends CallFigures {
  /** Milliseconds of the while: at most a minute, less just after the start. */
  readonly window: number
  readonly perSecond: number
}

/** All figures at one moment. */
export interface MetricsSnapshot {
  /** Wall-clock milliseconds of the start. */
  readonly since: number
  readonly total: CallFigures
  readonly recent: RecentFigures
  /** Of those that were called since the start, by name. */
  readonly backends: ReadonlyMap<string, { readonly total: CallFigures; readonly recent: RecentFigures }>
  readonly tools: readonly ToolFigures[]
  /** Codes with which the gateway itself answered, and how often; without those that never occurred. */
  readonly refusals: Readonly<Record<string, number>>
}

/** What a number of cells come to. */
interface Tally {
  readonly counts: Record<OutcomeName, number>
  readonly distribution: Distribution
}

function createTally(): Tally {
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<OutcomeName, number>
  return { counts, distribution: new Distribution() }
}

function add(tally: Tally, { subject, ending, histogram }: Cell): void {
  tally.counts[ending.outcome] += histogram.count
  if (ending.outcome !== 'refused' && subject.method !== 'subscriptions/listen')
    histogram.addTo(tally.distribution)
}

function since({ counts, distribution }: Tally, before: Tally | undefined): Tally {
  if (before === undefined) return { counts, distribution }
  const change = OUTCOMES.map((outcome) => [outcome, counts[outcome] - before.counts[outcome]] as const)
  return {
    counts: Object.fromEntries(change) as Record<OutcomeName, number>,
    distribution: distribution.since(before.distribution),
  }
}

function figuresOf({ counts, distribution }: Tally): CallFigures {
  const { mean } = distribution
  const at = (part: number): number => rounded(distribution.quantile(part) ?? 0)
  return {
    calls: counts.ok + counts.tool_error + counts.backend_error + counts.failed + counts.cancelled,
    errors: counts.backend_error + counts.failed,
    toolErrors: counts.tool_error,
    cancelled: counts.cancelled,
    refused: counts.refused,
    latencyMs:
      mean === undefined ? undefined : { mean: rounded(mean), p50: at(0.5), p90: at(0.9), p99: at(0.99) },
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}

/** Everything at one moment, to be compared with later ones. */
export interface Sample {
  /** On the clock of the gateway. */
  readonly at: number
  readonly total: Tally
  readonly backends: ReadonlyMap<string, Tally>
}

/** Puts the cells together as they are now. */
export function sampleOf({ server }: CallCounts, at: number): Sample {
  const total = createTally()
  const backends = new Map<string, Tally>()
  for (const cell of server) {
    add(total, cell)
    const { backend } = cell.subject
    if (backend === undefined) continue
    const own = backends.get(backend) ?? createTally()
    backends.set(backend, own)
    add(own, cell)
  }
  return { at, total, backends }
}

/** What {@link snapshotOf} is made of. */
export interface SnapshotSources {
  readonly calls: CallCounts
  readonly since: number
  /** On the clock of the gateway. */
  readonly now: number
  /** Where the last while begins. */
  readonly before: Sample
}

/** The figures as they are now. */
export function snapshotOf({ calls, since: start, now, before }: SnapshotSources): MetricsSnapshot {
  const { total, backends } = sampleOf(calls, now)
  const window = now - before.at
  const recentOf = (tally: Tally, earlier: Tally | undefined): RecentFigures => {
    const figures = figuresOf(since(tally, earlier))
    const all = figures.calls + figures.refused
    return { ...figures, window, perSecond: window <= 0 ? 0 : Math.round((all * 100_000) / window) / 100 }
  }
  return {
    since: start,
    total: figuresOf(total),
    recent: recentOf(total, before.total),
    backends: new Map(
      [...backends].map(([name, tally]) => [
        name,
        { total: figuresOf(tally), recent: recentOf(tally, before.backends.get(name)) },
      ]),
    ),
    tools: toolFigures(calls),
    refusals: Object.fromEntries([...calls.refusals].filter(([, count]) => count > 0)),
  }
}

/** How the calls of each tool went since the start; tools beyond the bound are `_OTHER` together. */
export function toolFigures({ server }: CallCounts): readonly ToolFigures[] {
  const tools = new Map<string, { readonly backend: string; readonly tool: string; readonly tally: Tally }>()
  for (const cell of server) {
    const { backend, tool } = cell.subject
    if (backend === undefined || tool === undefined) continue
    const key = `${backend}.${tool}`
    const kept = tools.get(key) ?? { backend, tool, tally: createTally() }
    tools.set(key, kept)
    add(kept.tally, cell)
  }
  return [...tools.values()].flatMap(({ backend, tool, tally }) => {
    const { calls, errors, toolErrors, latencyMs } = figuresOf(tally)
    return calls === 0 ? [] : [{ backend, tool, calls, errors, toolErrors, latencyMs }]
  })
}
