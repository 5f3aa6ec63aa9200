/** `npm run bench -- limits`: what limits on calls cost, counted in memory and by a server. README.md says how to read it. */
import { SYSTEM_PROGRAMS, findProgram, howToInstall } from '../scripts/system-packages.ts'
import { freePort, isOpen } from '../test/support/ports.ts'
import { parseRounds } from './options.ts'
import { type Bench, type Measured, log, prepare } from './prepare.ts'
import { launch } from './processes.ts'
import type { Proxy } from './proxy.ts'
import { cpuRatios, reportProxy } from './report.ts'
import { runRound, runScenario, setUp } from './rounds.ts'
import { estimateMedian } from './stats.ts'
import { WIDE_LIMITS, launchToolgate } from './toolgate.ts'

const USAGE = 'usage: npm run bench -- limits [--json] [--rounds N] [--seconds S] [--rate N]'

/** The same window, and beside it a bucket and a bound on how many calls run at once: one of each kind. */
const SEVERAL = [
  ...WIDE_LIMITS,
  { name: 'bucket', key: ['tenant', 'backend'], rate: '1000000/1m', burst: 1_000_000 },
  { name: 'at-once', key: ['principal', 'tool'], concurrency: 1000, onExceed: 'queue' },
]

const YARDSTICK = 'off'

/** Measures each setting in turn, round by round, and prints CPU per call and its ratio to no limits at all. */
export const measureLimits = async (args: readonly string[]): Promise<number> =>
  runScenario(async (cleanup, stop) => {
    const { json, rounds, ...round } = parseRounds(args, USAGE)
    const bench = await setUp(32, cleanup)
    const measured: Measured[] = []
    for (const [name, settings] of Object.entries(await settingsOf(bench))) {
      const ready = await prepare(toolgateWith(name, settings), bench)
      if (ready !== undefined) measured.push(ready)
    }
    for (let number = 0; number < rounds; number++) {
      stop.throwIfAborted()
      await runRound(measured, bench, round)
    }
    const windows = new Map(measured.map((one) => [one.name, one.windows]))
    for (const { name } of measured) {
      const { cpuUsPerRequest, p50Ms, p99Ms, errors } = reportProxy(windows, name)
      const { median, interval } = estimateMedian(cpuRatios(windows, [name, YARDSTICK]))
      const report = {
        limits: name,
        cpuUsPerRequest,
        p50Ms,
        p99Ms,
        ratioToOff: median,
        ratioToOffCi: interval,
        errors,
      }
      process.stdout.write(`${json ? JSON.stringify(report) : line(report)}\n`)
    }
    return []
  })

/** The settings that are compared; those with a server only where one is installed. */
const settingsOf = async (bench: Bench): Promise<Readonly<Record<string, object>>> => {
  const inMemory = {
    off: { limits: 'off' },
    memory: { limits: WIDE_LIMITS },
    'memory, three': { limits: SEVERAL },
  }
  const url = await startServer(bench)
  if (url === undefined) return inMemory
  const store = { url }
  return { ...inMemory, server: { limits: WIDE_LIMITS, store }, 'server, three': { limits: SEVERAL, store } }
}

const startServer = async ({ root, cleanup }: Bench): Promise<string | undefined> => {
  const program = findProgram(SYSTEM_PROGRAMS.redis)
  if (program === undefined) {
    log(howToInstall(SYSTEM_PROGRAMS.redis))
    return undefined
  }
  const port = await freePort()
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
  const server = await launch('load', [program, ...settings], root)
  cleanup.push(server.stop)
  for (let tries = 0; !(await isOpen(port)); tries++) {
    if (tries === 100) throw new Error(`${program} does not answer: ${server.stderr()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return `redis://127.0.0.1:${port}`
}

const toolgateWith = (name: string, settings: object): Proxy => ({
  name,
  start: async (backendUrl, workdir) => {
    const gateway = await launchToolgate(workdir, { bench: { url: backendUrl } }, { ...settings })
    return { kind: 'running', ...gateway, url: new URL('/mcp/bench', gateway.url).href }
  },
})

interface Report {
  readonly limits: string
  readonly cpuUsPerRequest: number | null
  readonly p50Ms: number
  readonly p99Ms: number
  readonly ratioToOff: number
  readonly ratioToOffCi: readonly [number, number]
  readonly errors: number
}

const line = (report: Report): string => {
  const {
    limits,
    cpuUsPerRequest,
    p50Ms,
    p99Ms,
    ratioToOff,
    ratioToOffCi: [low, high],
    errors,
  } = report
  const cpu = `${(cpuUsPerRequest ?? 0).toFixed(1).padStart(7)} µs/call`
  const latency = `p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms`
  const ratio = `ratio ${ratioToOff.toFixed(3)} (${low.toFixed(3)} … ${high.toFixed(3)})`
  return `${limits.padEnd(14)}${cpu}  ${latency}  ${ratio}  errors ${errors}`
}
