/**
 * `npm run bench -- small-call`: what one more hop costs. README.md says how to read it.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LoadResult } from './load.ts'
import { type LoadProcess, startLoadProcess } from './load-process.ts'
import { measureMemory } from './memory.ts'
import { type Options, parseOptions } from './options.ts'
import { type Bench, loadProxies, log, type Measured, prepare } from './prepare.ts'
import { canPin, launchUntilReady } from './processes.ts'
import { jsonLine, problemsOf, reportProxy, table } from './report.ts'

const BACKEND = fileURLToPath(new URL('./servers/backend.ts', import.meta.url))

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Starts what every proxy needs: a working directory, the backend and the load generator. */
const setUp = async (options: Options, cleanup: Bench['cleanup']): Promise<Bench> => {
  if (!canPin) log('taskset or a second core is missing: nothing is pinned, expect noise')
  const root = await mkdtemp(join(tmpdir(), 'toolgate-bench-'))
  cleanup.push(() => rm(root, { recursive: true, force: true }))
  const backend = await launchUntilReady('load', [process.execPath, BACKEND], root)
  cleanup.push(backend.stop)
  const load = await startLoadProcess()
  cleanup.push(load.stop)
  return { backendUrl: backend.url, root, load, connections: options.connections, cleanup }
}

/** One window at the same rate and one at full load for each proxy in turn. */
const runRound = async (
  measured: readonly Measured[],
  load: LoadProcess,
  options: Options,
): Promise<void> => {
  const { seconds, connections, rate } = options
  for (const { name, proxy, windows } of measured) {
    const run = async (how: { readonly rate?: number }): Promise<LoadResult> => {
      const pid = proxy.pid === undefined ? {} : { pid: proxy.pid }
      const window = await load
        .run({ url: proxy.url, ...pid, ...how, seconds, connections, strict: false })
        .catch((error: unknown) =>
          Promise.reject(new Error(`${name}: ${messageOf(error)}`, { cause: error })),
        )
      if (window.firstError !== undefined)
        log(`${name}: ${window.errors} errors, first: ${window.firstError}`)
      return window
    }
    windows.push({ paced: await run({ rate }), full: await run({}) })
  }
}

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
    await runRound(measured, bench.load, options)
  }
  if (process.stderr.isTTY) log('')
  const rounds = new Map(measured.map(({ name, windows }) => [name, windows]))
  const reports = measured.map(({ name }) => reportProxy(rounds, name))
  process.stdout.write(`${options.json ? reports.map(jsonLine).join('\n') : table(reports)}\n`)
  return [...problems, ...problemsOf(rounds, options.check)]
}

const main = async (): Promise<number> => {
  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => interrupt.abort(new Error(`interrupted by ${signal}`)))
  }
  const cleanup: Bench['cleanup'] = []
  try {
    const options = parseOptions(process.argv.slice(2))
    const problems = await measureAll(await setUp(options, cleanup), options, interrupt.signal)
    for (const problem of problems) log(`FAILED ${problem}`)
    return problems.length === 0 ? 0 : 1
  } catch (error) {
    log(messageOf(error))
    return 2
  } finally {
    for (const undo of cleanup.toReversed()) await undo()
  }
}

const [scenario, ...rest] = process.argv.slice(2)
process.exitCode = scenario === 'memory' ? await measureMemory(rest) : await main()
