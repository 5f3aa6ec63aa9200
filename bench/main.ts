/**
 * `npm run bench -- small-call`: what one more hop costs. README.md says how to read it.
 */
import { measureRules } from './authorize.ts'
import { measureIsolation } from './isolation.ts'
import { measureLimits } from './limits.ts'
import { measureMemory } from './memory.ts'
import { type Options, parseOptions } from './options.ts'
import { type Bench, loadProxies, log, type Measured, prepare } from './prepare.ts'
import { jsonLine, problemsOf, reportProxy, table } from './report.ts'
import { measureResilience } from './resilience.ts'
import { messageOf, runRound, runScenario, setUp } from './rounds.ts'
import { measureSignals } from './signals.ts'
import { measureSigning } from './signing.ts'
import { soak } from './soak.ts'

/** Runs everything and prints the figures; yields what makes the run fail. */
const measureAll = async (bench: Bench, options: Options, stop: AbortSignal): Promise<readonly string[]> => {
  const problems: string[] = []
  const measured: Measured[] = []
  for (const proxy of await loadProxies()) {
    stop.throwIfAborted()
    if (options.only !== undefined && !options.only.includes(proxy.name)) continue
    try {
      const ready = await prepare(proxy, bench)
      if (ready !== undefined) measured.push(ready)
    } catch (error) {
      // The others are still worth measuring, but the run as a whole has failed.
      problems.push(`${proxy.name}: ${messageOf(error)}`)
    }
  }
  for (let round = 1; round <= options.rounds; round += 1) {
    stop.throwIfAborted()
    if (process.stderr.isTTY) process.stderr.write(`\rround ${round} of ${options.rounds} `)
    await runRound(measured, bench, options)
  }
  if (process.stderr.isTTY) log('')
  const rounds = new Map(measured.map(({ name, windows }) => [name, windows]))
  const reports = measured.map(({ name }) => reportProxy(rounds, name))
  process.stdout.write(`${options.json ? reports.map(jsonLine).join('\n') : table(reports)}\n`)
  return [...problems, ...problemsOf(rounds, options.check)]
}

const smallCall = async (args: readonly string[]): Promise<number> =>
  runScenario(async (cleanup, stop) => {
    const options = parseOptions(args)
    return measureAll(await setUp(options.connections, cleanup), options, stop)
  })

const [scenario, ...rest] = process.argv.slice(2)
const others: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  memory: measureMemory,
  limits: measureLimits,
  authorize: measureRules,
  resilience: measureResilience,
  signals: measureSignals,
  signing: measureSigning,
  isolation: measureIsolation,
  soak,
}
process.exitCode = await (others[scenario ?? '']?.(rest) ?? smallCall(process.argv.slice(2)))
