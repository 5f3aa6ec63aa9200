import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { REVISIONS, type Cell } from './cells.ts'
import { NotReadyError, startServer, type Server } from './children.ts'
import { startGateway } from './gateway.ts'
import { runSuite, unfinishedSuite, type SuiteResult } from './suite.ts'

/** How to run a cell. */
export interface CellOptions {
  /** The gateway's program; none: the suite talks to the fixture itself. */
  readonly gateway: string | undefined
  /** Where the suite's results are kept; none: they are removed. */
  readonly output: string | undefined
  /** Ends the run and all its processes. */
  readonly signal: AbortSignal
}

/** What came out of a cell. */
export interface CellResult {
  readonly cell: Cell
  readonly suite: SuiteResult
  /** Why the run broke off (a process crashed, a time limit), with the process's last output. */
  readonly trouble: string | undefined
  /** Duration of everything, in milliseconds. */
  readonly durationMs: number
}

interface WatchedRun extends CellOptions {
  readonly cell: Cell
  readonly servers: readonly Server<string>[]
  readonly url: string
  /** For what is removed afterwards. */
  readonly folder: string
}

const READY_LIMIT_MS = 20_000
const SUITE_LIMIT_MS = 90_000
const FIXTURE = fileURLToPath(new URL('fixture/main.ts', import.meta.url))

/** Starts the fixture and the gateway of a cell, runs the suite, ends everything. A crash is a result, not an error. */
export async function runCell(cell: Cell, options: CellOptions): Promise<CellResult> {
  const started = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-conformance-'))
  const finish = (suite: SuiteResult, trouble: string | undefined): CellResult => ({
    cell,
    suite,
    trouble,
    durationMs: performance.now() - started,
  })
  try {
    await using fixture = await startFixture(cell, options.signal)
    await using gateway =
      options.gateway === undefined
        ? undefined
        : await startGateway({
            ...options,
            program: options.gateway,
            backend: { url: fixture.ready, era: cell.server },
            folder,
          })
    const servers = gateway === undefined ? [fixture] : [fixture, gateway]
    const { suite, trouble } = await runWatched({
      ...options,
      cell,
      servers,
      folder,
      url: (gateway ?? fixture).ready,
    })
    return finish(suite, trouble)
  } catch (error) {
    if (!(error instanceof NotReadyError)) throw error
    return finish(await unfinishedSuite(REVISIONS[cell.client]), error.message)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Runs the suite as long as the servers run and the time limit allows. */
async function runWatched(run: WatchedRun): Promise<Pick<CellResult, 'suite' | 'trouble'>> {
  const { cell, servers, url, signal } = run
  const broken = new AbortController()
  let trouble: string | undefined
  const breakOff = (why: string): void => {
    trouble ??= why
    broken.abort()
  }
  for (const { ended } of servers) void ended.then(breakOff)
  const timer = setTimeout(() => breakOff(describeTimeout(servers)), SUITE_LIMIT_MS)
  const interrupt = () => breakOff('interrupted')
  signal.addEventListener('abort', interrupt, { once: true })
  try {
    const output = join(run.output === undefined ? run.folder : resolve(run.output), cell.name)
    await mkdir(output, { recursive: true })
    const suite = await runSuite({ url, revision: REVISIONS[cell.client], output, signal: broken.signal })
    return { suite, trouble }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', interrupt)
  }
}

function describeTimeout(servers: readonly Server<string>[]): string {
  const outputs = servers.map((server) => `  last output of the ${server.name}:\n${server.lastOutput()}`)
  return [`the suite did not finish within ${SUITE_LIMIT_MS} ms`, ...outputs].join('\n')
}

async function startFixture(cell: Cell, signal: AbortSignal): Promise<Server<string>> {
  return startServer({
    name: 'fixture',
    args: [FIXTURE, '--era', cell.server],
    parseReady: (line) => /^listening (?<url>\S+)$/u.exec(line)?.groups?.['url'],
    timeLimitMs: READY_LIMIT_MS,
    signal,
  })
}
