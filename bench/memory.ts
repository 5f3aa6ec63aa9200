/** `npm run bench -- memory`: what one idle session, subscription or waiting call costs. README.md says how to read it. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Agent, request } from 'undici'
import { z } from 'zod'
import { PROTOCOL_VERSION } from './message.ts'
import { launchUntilReady, stopChild } from './processes.ts'

const USAGE = 'usage: npm run bench -- memory [--json] [--count N]'
const LIMIT_MS = 120_000
const AT_ONCE = 25
/** The gateway starts no more sessions of a backend in ten seconds. */
const OWN_SESSIONS = 100

const program = (name: string): string => fileURLToPath(new URL(`./servers/${name}.ts`, import.meta.url))

const USED = z.object({ rss: z.number(), heapUsed: z.number(), external: z.number() })
const READY = z.object({ event: z.literal('ready'), url: z.url() })

/** Memory of the gateway's process in bytes, after garbage collection. */
type Used = z.infer<typeof USED>

/** What one of many things costs, in bytes. */
export interface MemoryReport {
  readonly scenario: string
  readonly count: number
  /** JavaScript heap and buffers beside it. */
  readonly heapBytes: number
  /** Resident memory of the process: includes sockets, and memory that the runtime keeps for later. */
  readonly rssBytes: number
}

/** One of the things that are counted. */
interface Scenario {
  readonly name: string
  readonly count: number
  /** Opens one, and resolves when the gateway holds it. */
  readonly open: (gateway: Door) => Promise<void>
}

/** The way into the gateway. */
interface Door {
  /** POSTs a message to the face of a backend; the connection is kept alive, the answer's body is the caller's. */
  post(backend: string, message: object, headers?: Readonly<Record<string, string>>): Promise<Answer>
}

type Answer = Awaited<ReturnType<typeof request>>

interface Gateway extends Door, AsyncDisposable {
  memory(): Promise<Used>
}

const CONFIG = {
  gateway: {
    listen: '127.0.0.1:0',
    limits: { sessions: 100_000, streams: 100_000, parked: 100_000, parkedTotal: 100_000, parkTime: '1h' },
  },
  admin: { listen: '127.0.0.1:0' },
  // A thousand calls of one client within a second are what is measured.
  limits: 'off',
}

/** Runs the scenarios and prints what each costs; yields the exit code: 2 where the run could not be made. */
export async function measureMemory(args: readonly string[]): Promise<number> {
  try {
    const { json, count } = parseOptions(args)
    const reports = await runScenarios(count)
    process.stdout.write(`${json ? reports.map((one) => JSON.stringify(one)).join('\n') : table(reports)}\n`)
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return 2
  }
}

/**
 * Runs every scenario on one gateway in a process of its own.
 *
 * @param count things to open per scenario
 * @throws Error when the gateway does not start, does not hold what is opened, or takes longer than two minutes
 */
export async function runScenarios(count: number): Promise<readonly MemoryReport[]> {
  await using stack = new AsyncDisposableStack()
  const root = await mkdtemp(join(tmpdir(), 'toolgate-bench-'))
  stack.defer(() => rm(root, { recursive: true, force: true }))
  const gateway = stack.use(await startGateway(root, stack))
  const limit = AbortSignal.timeout(LIMIT_MS)
  const reports: MemoryReport[] = []
  for (const scenario of scenarios(count)) reports.push(await measure(scenario, gateway, limit))
  return reports
}

function parseOptions(args: readonly string[]): { readonly json: boolean; readonly count: number } {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean', default: false }, count: { type: 'string', default: '1000' } },
  })
  const count = Number(values.count)
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`--count must be a positive whole number, not ${values.count}\n${USAGE}`)
  return { json: values.json, count }
}

const META = {
  'io.modelcontextprotocol/protocolVersion': PROTOCOL_VERSION,
  'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
}

const modernHeaders = (method: string, name?: string): Record<string, string> => ({
  'mcp-protocol-version': PROTOCOL_VERSION,
  'mcp-method': method,
  ...(name !== undefined && { 'mcp-name': name }),
})

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1.0.0' },
  },
}

function scenarios(count: number): readonly Scenario[] {
  return [
    { name: 'idle legacy session', count, open: openSession },
    { name: 'open subscription', count, open: openSubscription },
    { name: 'parked call', count, open: async (door) => park(door, 'shared') },
    {
      name: 'parked call with a backend session of its own',
      count: Math.min(count, OWN_SESSIONS),
      open: async (door) => park(door, 'own'),
    },
  ]
}

async function openSession(door: Door): Promise<void> {
  const { headers, body } = await door.post('shared', INITIALIZE)
  await body.dump()
  const session = headers['mcp-session-id']
  if (typeof session !== 'string') throw new Error('initialize was answered without a session')
  const done = { jsonrpc: '2.0', method: 'notifications/initialized' }
  await (await door.post('shared', done, { 'mcp-session-id': session })).body.dump()
}

async function openSubscription(door: Door): Promise<void> {
  const method = 'subscriptions/listen'
  const params = { notifications: { toolsListChanged: true }, _meta: META }
  const { body } = await door.post('shared', { jsonrpc: '2.0', id: 1, method, params }, modernHeaders(method))
  body.on('error', () => undefined)
  const [first] = (await once(body, 'data')) as [Buffer]
  if (!first.includes('acknowledged')) throw new Error(`not acknowledged: ${first.toString()}`)
}

async function park(door: Door, backend: string): Promise<void> {
  const params = { name: 'ask', arguments: {}, _meta: META }
  const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params }
  const { body } = await door.post(backend, message, modernHeaders('tools/call', 'ask'))
  const text = await body.text()
  if (!text.includes('input_required')) throw new Error(`not parked: ${text}`)
}

async function measure(scenario: Scenario, gateway: Gateway, limit: AbortSignal): Promise<MemoryReport> {
  const { name, count, open } = scenario
  const openMany = async (number: number): Promise<void> => {
    for (let left = number; left > 0; left -= AT_ONCE) {
      limit.throwIfAborted()
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, left) }, () => open(gateway)))
    }
  }
  // What the first ones load and compile stays, however many there are.
  await openMany(Math.min(count, 50))
  const before = await gateway.memory()
  await openMany(count)
  const after = await gateway.memory()
  const each = (bytes: number): number => Math.round(bytes / count)
  return {
    scenario: name,
    count,
    heapBytes: each(after.heapUsed + after.external - before.heapUsed - before.external),
    rssBytes: each(after.rss - before.rss),
  }
}

async function startGateway(root: string, stack: AsyncDisposableStack): Promise<Gateway> {
  const backend = await launchUntilReady('load', [process.execPath, program('asking')], root)
  stack.defer(backend.stop)
  const config = join(root, 'toolgate.json')
  const one = { url: backend.url, era: 'legacy' }
  const backends = {
    shared: { ...one, isolation: 'shared', connections: 10_000 },
    own: { ...one, maxSessions: 10_000, connections: 10_000 },
  }
  await writeFile(config, JSON.stringify({ ...CONFIG, backends }))
  const child = fork(program('gateway-with-gc'), ['serve', '-c', config, '--json'], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, TOOLGATE_STATE_DIR: root },
  })
  stack.defer(() => stopChild(child))
  const url = await readyUrl(child)
  const agent = new Agent({ keepAliveTimeout: 600_000, headersTimeout: LIMIT_MS, bodyTimeout: 0 })
  return {
    async post(name, message, headers = {}) {
      return request(`${url}/${name}`, {
        method: 'POST',
        dispatcher: agent,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...headers,
        },
        body: JSON.stringify(message),
      })
    },
    async memory() {
      child.send('memory')
      const [used] = (await once(child, 'message')) as [unknown]
      return USED.parse(used)
    },
    [Symbol.asyncDispose]: async () => agent.destroy(),
  }
}

async function readyUrl(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new TypeError('The gateway was started without a pipe')
  for await (const line of createInterface(child.stdout)) {
    const ready = line.startsWith('{') ? READY.safeParse(JSON.parse(line)) : undefined
    if (ready?.success !== true) continue
    child.stdout.resume()
    return ready.data.url
  }
  throw new Error('The gateway ended before it was ready')
}

function table(reports: readonly MemoryReport[]): string {
  const kib = (bytes: number): string => (bytes / 1024).toFixed(1).padStart(10)
  const rows = reports.map(
    ({ scenario, count, heapBytes, rssBytes }) =>
      `${scenario.padEnd(48)}${String(count).padStart(6)}${kib(heapBytes)}${kib(rssBytes)}`,
  )
  return [
    `${'each'.padEnd(48)}${'count'.padStart(6)}${'heap KiB'.padStart(10)}${'RSS KiB'.padStart(10)}`,
    ...rows,
  ].join('\n')
}
