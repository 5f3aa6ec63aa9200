import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LoadResult } from './load.ts'
import { startLoadProcess } from './load-process.ts'
import { type Bench, log, type Measured } from './prepare.ts'
import { canPin, launchUntilReady } from './processes.ts'

const BACKEND = fileURLToPath(new URL('./servers/backend.ts', import.meta.url))

/** The message of whatever was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Starts what every measurement needs: a working directory, the backend and the load generator. */
export const setUp = async (connections: number, cleanup: Bench['cleanup']): Promise<Bench> => {
  if (!canPin) log('taskset or a second core is missing: nothing is pinned, expect noise')
  const root = await mkdtemp(join(tmpdir(), 'toolgate-bench-'))
  cleanup.push(() => rm(root, { recursive: true, force: true }))
  const backend = await launchUntilReady('load', [process.execPath, BACKEND], root)
  cleanup.push(backend.stop)
  const load = await startLoadProcess()
  cleanup.push(load.stop)
  return { backendUrl: backend.url, root, load, connections, cleanup }
}

/** How one round is run. */
export interface Round {
  /** Length of one window. */
  readonly seconds: number
  /** Calls per second that everybody is offered where CPU and latency are measured. */
  readonly rate: number
}

/** One window at the same rate and one at full load for each proxy in turn. */
export const runRound = async (
  measured: readonly Measured[],
  { load, connections }: Pick<Bench, 'load' | 'connections'>,
  { seconds, rate }: Round,
): Promise<void> => {
  for (const { name, proxy, windows } of measured) {
    const run = async (how: { readonly rate?: number }): Promise<LoadResult> => {
      const pid = proxy.pid === undefined ? {} : { pid: proxy.pid }
      const window = await load
        .run({ url: proxy.url, headers: proxy.headers, ...pid, ...how, seconds, connections, strict: false })
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

/** Runs a scenario and undoes what it started; yields the exit code, 2 where it could not be run. */
export const runScenario = async (
  scenario: (cleanup: Bench['cleanup'], stop: AbortSignal) => Promise<readonly string[]>,
): Promise<number> => {
  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => interrupt.abort(new Error(`interrupted by ${signal}`)))
  }
  const cleanup: Bench['cleanup'] = []
  try {
    const problems = await scenario(cleanup, interrupt.signal)
    for (const problem of problems) log(`FAILED ${problem}`)
    return problems.length === 0 ? 0 : 1
  } catch (error) {
    log(messageOf(error))
    return 2
  } finally {
    for (const undo of cleanup.toReversed()) await undo()
  }
}
