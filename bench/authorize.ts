/** `npm run bench -- authorize`: what rules cost a call. README.md says how to read it. */
import { parseArgs } from 'node:util'
import { createKey, readKey, storedHash } from '../src/auth/api-key.ts'
import { TOOL_NAME } from './message.ts'
import { type Measured, prepare } from './prepare.ts'
import type { Proxy } from './proxy.ts'
import { type Rounds, cpuRatios, reportProxy } from './report.ts'
import { type Round, runRound, runScenario, setUp } from './rounds.ts'
import { estimateMedian } from './stats.ts'
import { WIDE_LIMITS, launchToolgate } from './toolgate.ts'

const USAGE = 'usage: npm run bench -- authorize [--json] [--check] [--rounds N] [--seconds S] [--rate N]'

/** The gateway that asks nobody for anything. */
const YARDSTICK = 'open'

/** Most that a call with credentials may cost with a hundred rules, as a ratio to one without both. */
const BUDGET = 1.15

/** What callers show, and what the gateway has to know of it. */
interface Credentials {
  readonly auth: object
  readonly headers: Readonly<Record<string, string>>
}

/** The one place that knows what callers authenticate with. */
function credentials(): Credentials {
  const key = createKey()
  const parts = readKey(key)
  if (parts === undefined) throw new Error('a new key cannot be read')
  const entry = { name: 'bench', hash: storedHash(parts), scopes: ['bench:use'], groups: ['team-1'] }
  return { auth: { apiKeys: { keys: [entry] } }, headers: { authorization: `Bearer ${key}` } }
}

/** So many rules, half of them about the tool that is called: only the last is true of the call. */
function rules(count: number): readonly object[] {
  const others = Array.from({ length: count - 1 }, (_, index) =>
    index % 2 === 0
      ? { effect: 'deny', tools: `bench/other_${index}*` }
      : { effect: 'allow', tools: 'bench/*', groups: `other-${index}` },
  )
  return [...others, { effect: 'allow', tools: `bench/${TOOL_NAME}`, scopes: 'bench:use' }]
}

/** A gateway with these sections in its configuration. */
function variant(name: string, sections: object, headers?: Credentials['headers']): Proxy {
  return {
    name,
    async start(backendUrl, workdir) {
      const settings = { limits: WIDE_LIMITS, ...sections }
      const gateway = await launchToolgate(workdir, { bench: { url: backendUrl } }, settings)
      return { kind: 'running', ...gateway, url: new URL('/mcp/bench', gateway.url).href, headers }
    },
  }
}

function variants(): readonly Proxy[] {
  const { auth, headers } = credentials()
  const ruled = (name: string, list: readonly object[]): Proxy =>
    variant(name, { auth, authorization: { rules: list } }, headers)
  const when = 'args.limit <= 100 && !args.query.contains("secret")'
  return [
    variant(YARDSTICK, {}),
    variant('key', { auth }, headers),
    ruled('rules-1', rules(1)),
    ruled('rules-100', rules(100)),
    ruled('rules-1000', rules(1000)),
    ruled('expression', [{ effect: 'allow', tools: 'bench/*', when }]),
  ]
}

/** One line of the report: what a call costs, and the ratio to one that nobody asks anything. */
function lineOf(rounds: Rounds, name: string): Readonly<Record<string, unknown>> {
  const { cpuUsPerRequest, p50Ms, p99Ms, errors } = reportProxy(rounds, name)
  const ratios = cpuRatios(rounds, [name, YARDSTICK])
  const ratio = ratios.length === 0 ? undefined : estimateMedian(ratios)
  const full = cpuRatios(rounds, [name, YARDSTICK], 'full')
  return {
    variant: name,
    cpuUsPerRequest: rounded(cpuUsPerRequest),
    ratioToOpen: rounded(ratio?.median),
    ratioToOpenCi: ratio?.interval.map(rounded) ?? null,
    ratioToOpenFull: full.length === 0 ? null : rounded(estimateMedian(full).median),
    p50Ms: rounded(p50Ms),
    p99Ms: rounded(p99Ms),
    errors,
  }
}

function rounded(value: number | null | undefined): number | null {
  return value === null || value === undefined ? null : Number(value.toFixed(3))
}

/** Measures what authentication and rules add to a call, each variant in turn, round by round. */
export const measureRules = async (args: readonly string[]): Promise<number> =>
  runScenario(async (cleanup, stop) => {
    const { json, check, rounds, ...round } = parseOptions(args)
    const bench = await setUp(32, cleanup)
    const measured: Measured[] = []
    for (const each of variants()) {
      const ready = await prepare(each, bench)
      if (ready !== undefined) measured.push(ready)
    }
    for (let number = 0; number < rounds; number++) {
      stop.throwIfAborted()
      await runRound(measured, bench, round)
    }
    const windows = new Map(measured.map((one) => [one.name, one.windows]))
    const lines = measured.map(({ name }) => lineOf(windows, name))
    if (json) for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`)
    else console.table(lines)
    return check ? overBudget(windows) : []
  })

function overBudget(windows: Rounds): readonly string[] {
  const { median } = estimateMedian(cpuRatios(windows, ['rules-100', YARDSTICK]))
  if (median <= BUDGET) return []
  return [`--check: 100 rules cost ${median.toFixed(3)} times ${YARDSTICK}, more than ${BUDGET}`]
}

function parseOptions(
  args: readonly string[],
): Round & { readonly json: boolean; readonly check: boolean; readonly rounds: number } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '15' },
      seconds: { type: 'string', default: '1.5' },
      rate: { type: 'string', default: '4000' },
    },
  })
  const [rounds, seconds, rate] = [Number(values.rounds), Number(values.seconds), Number(values.rate)]
  if (!(rounds >= 1) || !(seconds > 0) || !(rate > 0)) throw new Error(USAGE)
  return { json: values.json, check: values.check, rounds, seconds, rate }
}
