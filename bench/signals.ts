/** `npm run bench -- signals`: what metrics, access log and traces cost. README.md says how to read it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseConfig } from '../src/config/load.ts'
import { parseRounds } from './options.ts'
import { type Bench, type Measured, log, prepare } from './prepare.ts'
import type { Proxy } from './proxy.ts'
import { cpuRatios, reportProxy } from './report.ts'
import { runRound, runScenario, setUp } from './rounds.ts'
import { estimateMedian } from './stats.ts'
import { WIDE_LIMITS, launchToolgate } from './toolgate.ts'

const USAGE = 'usage: npm run bench -- signals [--json] [--rounds N] [--seconds S] [--rate N]'

/** A setting of `telemetry`, and the one that it is compared with. */
interface Variant {
  readonly name: string
  readonly against: string
  readonly telemetry: (place: Place) => Readonly<Record<string, unknown>>
}

interface Place {
  /** A folder of the variant's own. */
  readonly workdir: string
  /** Takes whatever is exported. */
  readonly collector: string
}

const accessLog = ({ workdir }: Place): object => ({ to: join(workdir, 'access.log') })
const traces = ({ collector }: Place, sample: string): object => ({ otlp: { endpoint: collector }, sample })

/** Each adds one signal to the one before; the first is nothing at all. */
const VARIANTS: readonly Variant[] = [
  { name: 'off', against: 'off', telemetry: () => ({ metrics: 'off' }) },
  { name: 'metrics', against: 'off', telemetry: () => ({}) },
  { name: 'metrics, log', against: 'off', telemetry: (place) => ({ accessLog: accessLog(place) }) },
  {
    name: 'and traces 1 %',
    against: 'metrics, log',
    telemetry: (place) => ({ accessLog: accessLog(place), traces: traces(place, '1%') }),
  },
  {
    name: 'and traces all',
    against: 'metrics, log',
    telemetry: (place) => ({ accessLog: accessLog(place), traces: traces(place, '100%') }),
  },
]

/** Measures each variant in turn, round by round, and prints CPU per call and its ratio to what it is compared with. */
export const measureSignals = async (args: readonly string[]): Promise<number> =>
  runScenario(async (cleanup, stop) => {
    const { json, rounds, ...round } = parseRounds(args, USAGE)
    const bench = await setUp(32, cleanup)
    const collector = await startCollector(bench)
    const measured: Measured[] = []
    for (const variant of VARIANTS) {
      const ready = isKnown(variant) ? await prepare(toolgateWith(variant, collector), bench) : undefined
      if (ready === undefined) log(`${variant.name}: not in this version, skipped`)
      else measured.push(ready)
    }
    for (let number = 0; number < rounds; number++) {
      stop.throwIfAborted()
      await runRound(measured, bench, round)
    }
    const windows = new Map(measured.map((one) => [one.name, one.windows]))
    for (const { name, against } of VARIANTS.filter((one) => windows.has(one.name))) {
      const { cpuUsPerRequest, p50Ms, p99Ms, errors } = reportProxy(windows, name)
      const { median, interval } = estimateMedian(cpuRatios(windows, [name, against]))
      const figures = { cpuUsPerRequest, p50Ms, p99Ms, against, ratio: median, ratioCi: interval, errors }
      const report = { signals: name, ...figures }
      process.stdout.write(`${json ? JSON.stringify(report) : line(report)}\n`)
    }
    return []
  })

/** Whether the configuration knows what a variant sets. */
const isKnown = ({ telemetry }: Variant): boolean => {
  const settings = telemetry({ workdir: '/tmp', collector: 'http://127.0.0.1:4318' })
  const text = JSON.stringify({ backends: { a: 'http://a' }, telemetry: settings })
  return parseConfig({ name: 'bench', text, dir: '/tmp' }, {}).ok
}

/** Takes everything at once, so that exporting does not wait. */
const startCollector = async ({ cleanup }: Bench): Promise<string> => {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanup.push(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    return closed
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const toolgateWith = ({ name, telemetry }: Variant, collector: string): Proxy => ({
  name,
  start: async (backendUrl, workdir) => {
    const settings = { limits: WIDE_LIMITS, telemetry: telemetry({ workdir, collector }) }
    const gateway = await launchToolgate(workdir, { bench: { url: backendUrl } }, settings)
    return { kind: 'running', ...gateway, url: new URL('/mcp/bench', gateway.url).href }
  },
})

interface Report {
  readonly signals: string
  readonly cpuUsPerRequest: number | null
  readonly p50Ms: number
  readonly p99Ms: number
  readonly against: string
  readonly ratio: number
  readonly ratioCi: readonly [number, number]
  readonly errors: number
}

const line = (report: Report): string => {
  const { signals, cpuUsPerRequest, p50Ms, p99Ms, against, ratio, ratioCi, errors } = report
  const [low, high] = ratioCi
  const cpu = `${(cpuUsPerRequest ?? 0).toFixed(1).padStart(7)} µs/call`
  const latency = `p50 ${p50Ms.toFixed(2)} ms  p99 ${p99Ms.toFixed(2)} ms`
  const compared = `ratio to ${against} ${ratio.toFixed(3)} (${low.toFixed(3)} … ${high.toFixed(3)})`
  return `${signals.padEnd(15)}${cpu}  ${latency}  ${compared}  errors ${errors}`
}
