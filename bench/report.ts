import type { LoadResult } from './load.ts'
import { estimateMedian, median } from './stats.ts'

/** What was measured of one proxy in one round. */
export interface Window {
  /** Every proxy is offered the same number of calls per second: CPU and latency are compared here. */
  readonly paced: LoadResult
  /** As many calls as the connections allow: what the proxy can carry. */
  readonly full: LoadResult
}

/** The windows of every proxy by name; the n-th of each belong to the same round. */
export type Rounds = ReadonlyMap<string, readonly Window[]>

/** One line of the report. Values are medians over the rounds. */
export interface ProxyReport {
  readonly proxy: string
  /** Calls completed per second at full load. */
  readonly rps: number
  /** Latency at the same rate for all. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU time of the proxy's processes per completed call, at the same rate for all; `null` where no process stands in between. */
  readonly cpuUsPerRequest: number | null
  /** CPU per call divided by that of `bare` in the same round, or `null` if either is unknown. */
  readonly ratioToBare: number | null
  /** 95 % confidence interval of that median. */
  readonly ratioToBareCi: readonly [low: number, high: number] | null
  /** The same ratio at full load. */
  readonly ratioToBareFull: number | null
  readonly rounds: number
  /** Calls that were not answered rightly, over all rounds. */
  readonly errors: number
}

/** Most that Toolgate may cost, as `ratioToBare`. */
const TOOLGATE_BUDGET = 1.5

/** Most that the bare proxy may cost, as a multiple of nginx: beyond it, it is no honest yardstick. */
const BARE_BUDGET = 5

const cpuUsPerRequest = (window: LoadResult | undefined): number | undefined =>
  window?.cpuUs === undefined || window.completed === 0 ? undefined : window.cpuUs / window.completed

const isKnown = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value)

/**
 * The ratios of CPU per call of one proxy to another, round by round, so that a noisy minute hits both alike.
 *
 * @param load default `paced`
 */
export const cpuRatios = (
  rounds: Rounds,
  [proxy, yardstick]: readonly [string, string],
  load: keyof Window = 'paced',
): readonly number[] => {
  const base = rounds.get(yardstick) ?? []
  return (rounds.get(proxy) ?? [])
    .map((window, round) => {
      return (cpuUsPerRequest(window[load]) ?? NaN) / (cpuUsPerRequest(base[round]?.[load]) ?? NaN)
    })
    .filter(isKnown)
}

/** Sums up one proxy. */
export const reportProxy = (rounds: Rounds, proxy: string): ProxyReport => {
  const windows = rounds.get(proxy) ?? []
  const costs = windows.map(({ paced }) => cpuUsPerRequest(paced)).filter(isKnown)
  const ratios = cpuRatios(rounds, [proxy, 'bare'])
  const full = cpuRatios(rounds, [proxy, 'bare'], 'full')
  const ratio = ratios.length === 0 ? undefined : estimateMedian(ratios)
  return {
    proxy,
    rps: median(windows.map((window) => window.full.completed / window.full.seconds)),
    p50Ms: median(windows.map((window) => window.paced.p50Ms)),
    p99Ms: median(windows.map((window) => window.paced.p99Ms)),
    cpuUsPerRequest: costs.length === 0 ? null : median(costs),
    ratioToBare: ratio?.median ?? null,
    ratioToBareCi: ratio?.interval ?? null,
    ratioToBareFull: full.length === 0 ? null : median(full),
    rounds: windows.length,
    errors: windows.reduce((sum, window) => sum + window.paced.errors + window.full.errors, 0),
  }
}

/**
 * What the figures must not say: one message for each thing that makes the run fail.
 *
 * @param check whether Toolgate's own budget is enforced too
 */
export const problemsOf = (rounds: Rounds, check: boolean): readonly string[] => {
  const problems: string[] = []
  const bareToNginx = cpuRatios(rounds, ['bare', 'nginx'])
  if (bareToNginx.length > 0 && median(bareToNginx) > BARE_BUDGET) {
    const found = median(bareToNginx).toFixed(2)
    problems.push(
      `bare costs ${found} times nginx's CPU, more than ${BARE_BUDGET}: it is no honest yardstick`,
    )
  }
  if (!check) return problems
  const ratios = cpuRatios(rounds, ['toolgate', 'bare'])
  if (ratios.length === 0) return [...problems, '--check: toolgate was not measured against bare']
  if (median(ratios) > TOOLGATE_BUDGET) {
    const found = median(ratios).toFixed(2)
    problems.push(`--check: toolgate costs ${found} times bare's CPU, more than ${TOOLGATE_BUDGET}`)
  }
  const { errors } = reportProxy(rounds, 'toolgate')
  if (errors > 0) problems.push(`--check: toolgate answered ${errors} calls wrongly or not at all`)
  return problems
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits))

/** A report as one line of JSON. */
export const jsonLine = (report: ProxyReport): string =>
  JSON.stringify(report, (key, value: unknown) =>
    typeof value === 'number' ? rounded(value, key === 'rps' ? 0 : 3) : value,
  )

const COLUMNS = [
  'proxy',
  'req/s',
  'p50 ms',
  'p99 ms',
  'CPU µs/req',
  'ratio to bare',
  '95 % interval',
  'at full load',
  'errors',
] as const

/** The reports as a table for people. */
export const table = (reports: readonly ProxyReport[]): string => {
  const rows = reports.map((report) => [
    report.proxy,
    report.rps.toFixed(0),
    report.p50Ms.toFixed(2),
    report.p99Ms.toFixed(2),
    report.cpuUsPerRequest?.toFixed(1) ?? '-',
    report.ratioToBare?.toFixed(2) ?? '-',
    report.ratioToBareCi?.map((bound) => bound.toFixed(2)).join(' … ') ?? '-',
    report.ratioToBareFull?.toFixed(2) ?? '-',
    String(report.errors),
  ])
  const all = [COLUMNS, ...rows]
  const widths = COLUMNS.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
  return all.map(line).join('\n')
}
