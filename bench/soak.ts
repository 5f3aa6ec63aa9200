/** `npm run bench -- soak`: many mixed calls with random faults, after which nothing may be left. README.md says more. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Agent, request } from 'undici'
import { PROTOCOL_VERSION } from './message.ts'
import { log } from './prepare.ts'
import { launchUntilReady, stopChild } from './processes.ts'
import { runScenario, setUp } from './rounds.ts'
import type { Held } from './servers/soaked.ts'

const USAGE = 'usage: npm run bench -- soak [--calls N] [--seed N]'
const AT_ONCE = 64
/** Calls before the first count: what they load and compile stays, however many there are. */
const WARM_UP = 5000
/** Longest wait for everything to end: connections that nobody uses are kept for a few seconds. */
const QUIET_MS = 20_000
/** Most that the heap may grow, in bytes: what 100,000 calls would leave behind is more. */
const HEAP_BUDGET = 8 * 1024 * 1024

const program = (name: string): string => fileURLToPath(new URL(`./servers/${name}.ts`, import.meta.url))

/** Makes the calls and asserts that the gateway holds as little as before; yields what it still does. */
export const soak = async (args: readonly string[]): Promise<number> =>
  runScenario(async (cleanup, stop) => {
    const { calls, seed } = parseOptions(args)
    const bench = await setUp(1, cleanup)
    const flaky = await launchUntilReady(
      'load',
      [process.execPath, program('flaky'), 'mixed', String(seed)],
      bench.root,
    )
    cleanup.push(flaky.stop)
    const gateway = await startGateway(configOf(bench.backendUrl, flaky.url, seed))
    cleanup.push(async () => gateway.stop())
    await load(gateway.url, { calls: Math.min(WARM_UP, calls), seed, stop })
    const before = await quiet(gateway, undefined)
    const begun = performance.now()
    const statuses = await load(gateway.url, { calls, seed: seed + 1, stop })
    const seconds = (performance.now() - begun) / 1000
    const after = await quiet(gateway, before)
    log(`${calls} calls in ${seconds.toFixed(0)} s: ${JSON.stringify(Object.fromEntries(statuses))}`)
    process.stdout.write(`${JSON.stringify({ calls, before, after })}\n`)
    return problemsOf(before, after, statuses)
  })

function configOf(healthy: string, flaky: string, seed: number): string {
  const tools = {
    read: { idempotent: true, hedge: { after: '30ms' } },
    write: { timeout: { total: '300ms', firstByte: '100ms', idle: '100ms' } },
  }
  const failing = {
    timeout: '300ms',
    tools,
    circuitBreaker: { openFor: '100ms' },
    bulkhead: { calls: 24, queue: 8, wait: '100ms' },
  }
  return JSON.stringify({
    // What the machine can do is not what is asked here.
    gateway: { listen: '127.0.0.1:0', drain: '1s', overload: 'off' },
    limits: 'off',
    admin: false,
    backends: {
      healthy: { url: healthy },
      flaky: { url: flaky, era: 'modern', ...failing },
      pipe: {
        command: process.execPath,
        args: [program('flaky'), 'mixed', String(seed), 'stdio'],
        era: 'modern',
        ...failing,
      },
    },
  })
}

interface Soaked {
  readonly url: string
  held(): Promise<Held>
  stop(): Promise<void>
}

async function startGateway(config: string): Promise<Soaked> {
  const child: ChildProcess = fork(program('soaked'), [config], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }]
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    async held() {
      child.send('held')
      const [held] = (await once(child, 'message')) as [Held]
      return held
    },
    stop: async () => stopChild(child),
  }
}

/** Waits until the gateway does nothing any more, and holds no more than before. */
async function quiet(gateway: Soaked, before: Held | undefined): Promise<Held> {
  const until = performance.now() + QUIET_MS
  for (;;) {
    const held = await gateway.held()
    const isQuiet = held.callsInFlight === 0 && held.sockets <= (before?.sockets ?? 1)
    if ((isQuiet && held.timers <= (before?.timers ?? held.timers)) || performance.now() > until) return held
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

function problemsOf(before: Held, after: Held, statuses: ReadonlyMap<string, number>): readonly string[] {
  const problems = (['timers', 'sockets', 'callsInFlight', 'slots', 'waiting'] as const).flatMap((what) =>
    after[what] > before[what] ? [`${what}: ${before[what]} before, ${after[what]} after`] : [],
  )
  const grown = after.heap - before.heap
  if (grown > HEAP_BUDGET) problems.push(`the heap has grown by ${(grown / 1024 / 1024).toFixed(1)} MiB`)
  const bugs = statuses.get('500') ?? 0
  if (bugs > 0) problems.push(`${bugs} calls met a bug of the gateway`)
  if ((statuses.get('200') ?? 0) === 0) problems.push('no call went well')
  return [...problems, ...after.warnings.map((warning) => `a warning of the runtime: ${warning}`)]
}

interface Load {
  readonly calls: number
  readonly seed: number
  readonly stop: AbortSignal
}

/** Calls of every kind, so many at once; yields how often they ended how. */
async function load(url: string, { calls, seed, stop }: Load): Promise<ReadonlyMap<string, number>> {
  // Ends every connection, so that what is left afterwards is the gateway's own.
  const agent = new Agent({ connections: AT_ONCE })
  const statuses = new Map<string, number>()
  let state = seed
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 4_294_967_296
  }
  let made = 0
  const caller = async (): Promise<void> => {
    while (made < calls && !stop.aborted) {
      made++
      const status = await one(url, agent, random)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, caller))
  } finally {
    await agent.destroy()
  }
  stop.throwIfAborted()
  return statuses
}

const pick = <T>(random: () => number, from: readonly [T, ...T[]]): T =>
  from[Math.floor(random() * from.length)] ?? from[0]

/** One call: mostly of a tool of some backend, in a few ways that are refused, and some that are given up. */
async function one(url: string, agent: Agent, random: () => number): Promise<string> {
  const backend = pick(random, ['healthy', 'flaky', 'flaky', 'pipe', 'pipe'])
  const tool = backend === 'healthy' ? 'search_code' : pick(random, ['read', 'write', 'write'])
  const method =
    random() < 0.9
      ? 'tools/call'
      : pick(random, ['tools/list', 'server/discover', 'no/such', 'resources/read'])
  const name = random() < 0.02 ? 'no_such_tool' : `${backend}_${tool}`
  const params = {
    ...(method === 'tools/call' ? { name, arguments: {} } : {}),
    ...(method === 'resources/read' ? { uri: 'file:///nothing' } : {}),
    _meta: {
      'io.modelcontextprotocol/protocolVersion': PROTOCOL_VERSION,
      'io.modelcontextprotocol/clientCapabilities': {},
      ...(random() < 0.5 ? { progressToken: 1 } : {}),
    },
  }
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': PROTOCOL_VERSION,
    'mcp-method': method,
  }
  if (method === 'tools/call') headers['mcp-name'] = name
  if (method === 'resources/read') headers['mcp-name'] = 'file:///nothing'
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const givenUp = new AbortController()
  // Some clients leave, sooner or later.
  const leaving = random() < 0.05 ? setTimeout(() => givenUp.abort(), random() * 50) : undefined
  try {
    const body = random() < 0.01 ? message.slice(1) : message
    const options = { method: 'POST', dispatcher: agent, headers, body, signal: givenUp.signal } as const
    const answer = await request(url, options)
    await answer.body.dump({ limit: 1e9, signal: givenUp.signal })
    return String(answer.statusCode)
  } catch (error) {
    if (givenUp.signal.aborted) return 'left'
    throw error
  } finally {
    clearTimeout(leaving)
  }
}

const parseOptions = (args: readonly string[]): { calls: number; seed: number } => {
  const { values } = parseArgs({
    args: [...args],
    options: { calls: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
  })
  const [calls, seed] = [Number(values.calls), Number(values.seed)]
  if (!Number.isInteger(calls) || calls < 1 || !Number.isInteger(seed)) throw new Error(USAGE)
  return { calls, seed }
}
