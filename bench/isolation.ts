/** `npm run bench -- isolation`: what a failing backend does to the others. README.md says how to read it. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { LoadResult } from './load.ts'
import { type LoadProcess, startLoadProcess } from './load-process.ts'
import { log } from './prepare.ts'
import { launchUntilReady } from './processes.ts'
import type { Window } from './report.ts'
import { runScenario, setUp } from './rounds.ts'
import { estimateMedian, median } from './stats.ts'
import { launchToolgate } from './toolgate.ts'

const USAGE = 'usage: npm run bench -- isolation [--json] [--rounds N] [--seconds S]'
const FLAKY = fileURLToPath(new URL('./servers/flaky.ts', import.meta.url))

/** Calls in flight to the backend that is measured, and to its neighbour. */
const CONNECTIONS = 16
/** Calls per second to the one that is measured, for its latency; it gets as many as it can take for its throughput. */
const RATE = 500
/** Calls per second to the neighbour, whether it fails at once, late or not at all. */
const NEIGHBOUR_RATE = 500
const WARM_UP_SECONDS = 3

/** How the neighbour is: well in the undisturbed run, which everything is compared with. */
const NEIGHBOURS = ['well', 'hang', 'error', 'reset', 'refuse', 'mixed'] as const
type Neighbour = (typeof NEIGHBOURS)[number]

/** Nothing listens there. */
const NOWHERE = 'http://127.0.0.1:9/mcp'

/** Measures one backend with a neighbour of each kind, round by round, and prints how much differs. */
export const measureIsolation = async (args: readonly string[]): Promise<number> =>
  runScenario(async (cleanup, stop) => {
    const { json, rounds, seconds } = parseOptions(args)
    const bench = await setUp(CONNECTIONS, cleanup)
    const disturber = await startLoadProcess()
    cleanup.push(disturber.stop)
    const backends: Record<string, unknown> = { measured: { url: bench.backendUrl } }
    for (const neighbour of NEIGHBOURS) {
      const mode = neighbour === 'well' ? 'none' : neighbour
      if (neighbour === 'refuse') backends[neighbour] = { url: NOWHERE, era: 'modern' }
      else {
        const server = await launchUntilReady('load', [process.execPath, FLAKY, mode, '7'], bench.root)
        cleanup.push(server.stop)
        backends[neighbour] = { url: server.url, timeout: '1s' }
      }
    }
    const workdir = join(bench.root, 'gateway')
    await mkdir(workdir)
    const gateway = await launchToolgate(workdir, backends)
    cleanup.push(gateway.stop)
    const window = async (neighbour: Neighbour, length: number): Promise<Window> =>
      measure(bench.load, disturber, { gateway: gateway.url, neighbour, seconds: length })
    for (const neighbour of NEIGHBOURS) await window(neighbour, WARM_UP_SECONDS / NEIGHBOURS.length)
    const windows = new Map<Neighbour, Window[]>(NEIGHBOURS.map((neighbour) => [neighbour, []]))
    for (let round = 0; round < rounds; round++) {
      for (const neighbour of NEIGHBOURS) {
        stop.throwIfAborted()
        windows.get(neighbour)?.push(await window(neighbour, seconds))
      }
    }
    for (const report of NEIGHBOURS.map((neighbour) => reportOf(neighbour, windows)))
      process.stdout.write(`${json ? JSON.stringify(report) : line(report)}\n`)
    const errors = [...windows.values()].flat().reduce((sum, one) => sum + errorsOf(one), 0)
    return errors === 0 ? [] : [`${errors} calls of the measured backend failed`]
  })

async function measure(
  load: LoadProcess,
  disturber: LoadProcess,
  { gateway, neighbour, seconds }: { gateway: string; neighbour: Neighbour; seconds: number },
): Promise<Window> {
  const order = { seconds, connections: CONNECTIONS, strict: false }
  const run = async (how: { readonly rate?: number }): Promise<LoadResult> => {
    const [result] = await Promise.all([
      load.run({ ...order, ...how, url: `${gateway}/measured` }),
      disturber.run({ ...order, url: `${gateway}/${neighbour}`, rate: NEIGHBOUR_RATE }),
    ])
    return result
  }
  return { paced: await run({ rate: RATE }), full: await run({}) }
}

const errorsOf = ({ paced, full }: Window): number => paced.errors + full.errors

interface Report {
  readonly neighbour: Neighbour
  readonly rps: number
  readonly p99Ms: number
  /** Beside the undisturbed window of the same round: median and 95 % confidence interval. */
  readonly throughputRatio: number
  readonly throughputCi: readonly [number, number]
  readonly p99Ratio: number
  readonly p99Ci: readonly [number, number]
  readonly errors: number
}

function reportOf(neighbour: Neighbour, windows: ReadonlyMap<Neighbour, readonly Window[]>): Report {
  const own = windows.get(neighbour) ?? []
  const undisturbed = windows.get('well') ?? []
  const ratios = (of: (window: Window) => number): readonly number[] =>
    own.map((window, round) => of(window) / of(undisturbed[round] ?? window))
  const rps = ({ full }: Window): number => full.completed / full.seconds
  const p99Ms = ({ paced }: Window): number => paced.p99Ms
  const throughput = estimateMedian(ratios(rps))
  const p99 = estimateMedian(ratios(p99Ms))
  return {
    neighbour,
    rps: median(own.map(rps)),
    p99Ms: median(own.map(p99Ms)),
    throughputRatio: throughput.median,
    throughputCi: throughput.interval,
    p99Ratio: p99.median,
    p99Ci: p99.interval,
    errors: own.reduce((sum, window) => sum + errorsOf(window), 0),
  }
}

const interval = ([low, high]: readonly [number, number]): string =>
  `(${low.toFixed(2)} … ${high.toFixed(2)})`

const line = (report: Report): string =>
  `${report.neighbour.padEnd(8)}${report.rps.toFixed(0).padStart(6)} calls/s  p99 ${report.p99Ms.toFixed(2)} ms  ` +
  `throughput ${report.throughputRatio.toFixed(2)} ${interval(report.throughputCi)}  ` +
  `p99 ${report.p99Ratio.toFixed(2)} ${interval(report.p99Ci)}  errors ${report.errors}`

const parseOptions = (args: readonly string[]): { json: boolean; rounds: number; seconds: number } => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '10' },
      seconds: { type: 'string', default: '1.5' },
    },
  })
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)]
  if (!(rounds >= 1) || !(seconds > 0)) throw new Error(USAGE)
  if (!values.json) log(`${rounds} rounds of ${NEIGHBOURS.length} windows of ${seconds} s`)
  return { json: values.json, rounds, seconds }
}
