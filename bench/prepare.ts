import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LoadProcess } from './load-process.ts'
import { CALL_HEADERS, callBody, FIRST_ID, isRecord, replyProblem } from './message.ts'
import type { Proxy, RunningProxy } from './proxy.ts'
import type { Window } from './report.ts'

const WARM_UP_SECONDS = 3
const FIRST_REPLY_MS = 10_000

/** A proxy under measurement. */
export interface Measured {
  readonly name: string
  readonly proxy: RunningProxy
  readonly windows: Window[]
}

/** What every proxy is prepared with. */
export interface Bench {
  readonly backendUrl: string
  /** A folder that holds one working directory per proxy. */
  readonly root: string
  readonly load: LoadProcess
  readonly connections: number
  /** What has to be undone when the run ends, last thing first. */
  readonly cleanup: (() => Promise<unknown>)[]
}

/** Tells the person at the terminal; stdout is for the figures. */
export const log = (text: string): void => void process.stderr.write(`${text}\n`)

const isProxy = (value: unknown): value is Proxy =>
  isRecord(value) && typeof value['name'] === 'string' && typeof value['start'] === 'function'

/** Every file of `bench/proxies/`, in the order of a round: adding a gateway is adding a file. */
export const loadProxies = async (): Promise<readonly Proxy[]> => {
  const folder = new URL('./proxies/', import.meta.url)
  const files = (await readdir(fileURLToPath(folder))).filter((file) => file.endsWith('.ts')).toSorted()
  const modules = await Promise.all(files.map((file): Promise<unknown> => import(new URL(file, folder).href)))
  const proxies = modules.map((module, index) => {
    const proxy = isRecord(module) ? module['proxy'] : undefined
    if (isProxy(proxy)) return proxy
    throw new Error(`bench/proxies/${files[index] ?? ''} does not export \`proxy\``)
  })
  return proxies.toSorted((a, b) => (a.order ?? 50) - (b.order ?? 50))
}

/** Polls with one call until it is answered rightly: a proxy may still be binding its port or probing the backend. */
const waitUntilServes = async ({ url, headers }: RunningProxy): Promise<void> => {
  const deadline = performance.now() + FIRST_REPLY_MS
  for (;;) {
    const request = {
      method: 'POST',
      headers: { ...CALL_HEADERS, ...headers },
      body: callBody(FIRST_ID),
      signal: AbortSignal.timeout(5_000),
    }
    const problem = await fetch(url, request).then(
      async (response) => replyProblem(response.status, await response.text(), FIRST_ID),
      (error: unknown) =>
        error instanceof Error ? `${error.message} (${String(error.cause)})` : String(error),
    )
    if (problem === undefined) return
    if (performance.now() > deadline) throw new Error(`no right answer from ${url}: ${problem}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/**
 * Starts a proxy, sees that it answers rightly, and warms it up with every reply checked in full.
 *
 * @returns `undefined` if it cannot be measured here
 * @throws Error if it should run and does not, or answers wrongly
 */
export const prepare = async (proxy: Proxy, bench: Bench): Promise<Measured | undefined> => {
  const workdir = join(bench.root, proxy.name)
  await mkdir(workdir)
  const started = await proxy.start(bench.backendUrl, workdir)
  if (started.kind === 'skipped') {
    log(`${proxy.name}: skipped, ${started.reason}`)
    return undefined
  }
  bench.cleanup.push(started.stop)
  await waitUntilServes(started)
  const { url, headers } = started
  const order = { url, headers, seconds: WARM_UP_SECONDS, connections: bench.connections, strict: true }
  const warmUp = await bench.load.run(order)
  if (warmUp.errors > 0 || warmUp.completed === 0) {
    throw new Error(
      `${warmUp.errors} wrong answers while warming up: ${warmUp.firstError ?? 'nothing completed'}`,
    )
  }
  log(`${proxy.name}: ready`)
  return { name: proxy.name, proxy: started, windows: [] }
}
