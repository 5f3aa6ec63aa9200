/** `npm run bench -- resilience`: what the filters against failing backends cost a call. README.md says how to read it. */
import { parseOptions } from './options.ts'
import { type Measured, prepare } from './prepare.ts'
import type { Proxy } from './proxy.ts'
import { cpuRatios, reportProxy } from './report.ts'
import { runRound, runScenario, setUp } from './rounds.ts'
import { estimateMedian } from './stats.ts'
import { launchToolgate } from './toolgate.ts'

/** The settings of the backend that are compared; the first is the yardstick. */
const SETTINGS: Readonly<Record<string, object>> = {
  off: { retry: false, circuitBreaker: false, bulkhead: false },
  retry: { circuitBreaker: false, bulkhead: false },
  'circuit breaker': { retry: false, bulkhead: false },
  bulkhead: { retry: false, circuitBreaker: false },
  default: {},
  everything: {
    timeout: { total: '30s', firstByte: '10s', idle: '10s' },
    tools: { '*': { idempotent: true, hedge: { after: '10s' } } },
  },
}

const YARDSTICK = 'off'

/** Measures each setting in turn, round by round, and prints CPU per call and its ratio to all of them off. */
export const measureResilience = async (args: readonly string[]): Promise<number> =>
  runScenario(async (cleanup, stop) => {
    const { json, rounds, seconds, connections, rate } = parseOptions(['small-call', ...args])
    const bench = await setUp(connections, cleanup)
    const measured: Measured[] = []
    for (const [name, settings] of Object.entries(SETTINGS)) {
      const ready = await prepare(toolgateWith(name, settings), bench)
      if (ready !== undefined) measured.push(ready)
    }
    for (let round = 0; round < rounds; round++) {
      stop.throwIfAborted()
      await runRound(measured, bench, { seconds, rate })
    }
    const windows = new Map(measured.map((one) => [one.name, one.windows]))
    for (const { name } of measured) {
      const { cpuUsPerRequest, p50Ms, errors } = reportProxy(windows, name)
      const { median, interval } = estimateMedian(cpuRatios(windows, [name, YARDSTICK]))
      const report = {
        filters: name,
        cpuUsPerRequest,
        p50Ms,
        ratioToOff: median,
        ratioToOffCi: interval,
        errors,
      }
      process.stdout.write(`${json ? JSON.stringify(report) : line(report)}\n`)
    }
    return []
  })

interface Report {
  readonly filters: string
  readonly cpuUsPerRequest: number | null
  readonly ratioToOff: number
  readonly ratioToOffCi: readonly [number, number]
  readonly errors: number
}

const line = ({ filters, cpuUsPerRequest, ratioToOff, ratioToOffCi: [low, high], errors }: Report): string =>
  `${filters.padEnd(18)}${(cpuUsPerRequest ?? 0).toFixed(1).padStart(8)} µs/call  ratio ${ratioToOff.toFixed(3)}  ` +
  `(${low.toFixed(3)} … ${high.toFixed(3)})  errors ${errors}`

const toolgateWith = (name: string, settings: object): Proxy => ({
  name,
  start: async (backendUrl, workdir) => {
    const gateway = await launchToolgate(workdir, { bench: { url: backendUrl, ...settings } })
    return { kind: 'running', ...gateway, url: new URL('/mcp/bench', gateway.url).href }
  },
})
