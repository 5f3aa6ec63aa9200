/** Scenarios that compare settings of a backend: the same call through gateways that differ in nothing else. */
import { parseOptions } from './options.ts'
import { type Measured, prepare } from './prepare.ts'
import type { Proxy } from './proxy.ts'
import { cpuRatios, reportProxy } from './report.ts'
import { runRound, runScenario, setUp } from './rounds.ts'
import { estimateMedian } from './stats.ts'
import { launchToolgate } from './toolgate.ts'

/** What is compared. */
export interface Comparison {
  /** Settings of the backend by the name of each variant. */
  readonly settings: Readonly<Record<string, object>>
  /** The variant that the others are compared to. */
  readonly yardstick: string
  /** What a variant is called in the report. */
  readonly kind: string
}

/** Measures each variant in turn, round by round, and prints CPU per call and its ratio to the yardstick. */
export const compareSettings = async (
  { settings, yardstick, kind }: Comparison,
  args: readonly string[],
): Promise<number> =>
  runScenario(async (cleanup, stop) => {
    const { json, rounds, seconds, connections, rate } = parseOptions(['small-call', ...args])
    const bench = await setUp(connections, cleanup)
    const measured: Measured[] = []
    for (const [name, own] of Object.entries(settings)) {
      const ready = await prepare(toolgateWith(name, own), bench)
      if (ready !== undefined) measured.push(ready)
    }
    for (let round = 0; round < rounds; round++) {
      stop.throwIfAborted()
      await runRound(measured, bench, { seconds, rate })
    }
    const windows = new Map(measured.map((one) => [one.name, one.windows]))
    for (const { name } of measured) {
      const { cpuUsPerRequest, p50Ms, errors } = reportProxy(windows, name)
      const { median: ratio, interval } = estimateMedian(cpuRatios(windows, [name, yardstick]))
      const report = {
        [kind]: name,
        cpuUsPerRequest,
        p50Ms,
        ratioToOff: ratio,
        ratioToOffCi: interval,
        errors,
      }
      process.stdout.write(
        `${json ? JSON.stringify(report) : line({ name, cpuUsPerRequest, ratio, interval, errors })}\n`,
      )
    }
    return []
  })

interface Report {
  readonly name: string
  readonly cpuUsPerRequest: number | null
  readonly ratio: number
  readonly interval: readonly [number, number]
  readonly errors: number
}

const line = ({ name, cpuUsPerRequest, ratio, interval: [low, high], errors }: Report): string =>
  `${name.padEnd(18)}${(cpuUsPerRequest ?? 0).toFixed(1).padStart(8)} µs/call  ratio ${ratio.toFixed(3)}  ` +
  `(${low.toFixed(3)} … ${high.toFixed(3)})  errors ${errors}`

const toolgateWith = (name: string, settings: object): Proxy => ({
  name,
  start: async (backendUrl, workdir) => {
    const gateway = await launchToolgate(workdir, { bench: { url: backendUrl, ...settings } })
    return { kind: 'running', ...gateway, url: new URL('/mcp/bench', gateway.url).href }
  },
})
