/**
 * The load generator, a process of its own: it gets an {@link Order} by IPC, sends calls for that long, as many as
 * can be or at a fixed rate, and answers with a {@link LoadResult}.
 */
import type { Socket } from 'node:net'
import { cpuTimeUs } from './cpu.ts'
import { type Response, runConnection } from './load-connection.ts'
import { FIRST_ID, replyProblem } from './message.ts'
import { createPacer } from './pacer.ts'
import { quantile } from './stats.ts'

/** One window of load. */
export interface Order {
  readonly url: string
  /** Headers beside those of every call. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The process whose CPU time is read at both ends of the window. */
  readonly pid?: number
  /** Length of the measured window. A lead-in that is not measured comes before it. */
  readonly seconds: number
  /** Calls in flight at most, each on its own connection. */
  readonly connections: number
  /** Calls per second that are offered; as many as the connections allow if absent. */
  readonly rate?: number
  /** Whether every reply is parsed and compared in full, not only its status and the bytes of its id. */
  readonly strict: boolean
}

/** What was seen in the measured window. */
export interface LoadResult {
  readonly completed: number
  readonly errors: number
  /** The first error, for the message. */
  readonly firstError?: string
  readonly seconds: number
  /** 0 where nothing completed. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU time that the process of the order used in the window. */
  readonly cpuUs?: number
}

const LEAD_IN_MS = 250
const RECONNECT_MS = 20
/** How long calls in flight at the end of the window may take before their connections are cut. */
const DRAIN_MS = 5_000

const OFFERED_IDS = 899_999_999

/** The cheap check of a measured window; whatever it does not recognise gets the full one. */
const quickProblem = (response: Response, id: number): string | undefined =>
  response.status === 200 && response.body.includes(`"id":${id}`)
    ? undefined
    : replyProblem(response.status, response.body.toString(), id)

const strictProblem = (response: Response, id: number): string | undefined =>
  replyProblem(response.status, response.body.toString(), id)

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Calls on many connections; what it has counted is read and reset from outside. */
const startLoad = (order: Order) => {
  const url = new URL(order.url)
  const problemOf = order.strict ? strictProblem : quickProblem
  const sockets = new Set<Socket>()
  const counted = { latencies: new Array<number>(), errors: 0, firstError: undefined as string | undefined }
  const pacer = order.rate === undefined ? undefined : createPacer(order.rate)
  let running = true
  let calls = 0
  const onError = (problem: string): void => {
    counted.errors += 1
    counted.firstError ??= problem
  }
  const open = (): void => {
    const socket = runConnection(
      { url, headers: order.headers },
      {
        nextId: () => (running ? FIRST_ID + (calls++ % OFFERED_IDS) : undefined),
        ...(pacer === undefined ? {} : { turn: pacer.turn }),
        onReply: (id, response, latencyMs) => {
          const problem = problemOf(response, id)
          if (problem === undefined) counted.latencies.push(latencyMs)
          else onError(problem)
        },
        onError,
        onClosed: () => {
          sockets.delete(socket)
          if (running) setTimeout(() => running && open(), RECONNECT_MS)
        },
      },
    )
    sockets.add(socket)
  }
  for (let opened = 0; opened < order.connections; opened += 1) open()
  const stop = async (): Promise<void> => {
    running = false
    pacer?.stop()
    const deadline = performance.now() + DRAIN_MS
    while (sockets.size > 0 && performance.now() < deadline) await delay(5)
    for (const socket of sockets) socket.destroy()
  }
  return { counted, stop }
}

/** Runs one window: lead-in, measured window, drain. */
const runOrder = async (order: Order): Promise<LoadResult> => {
  const readCpuUs = (): number => (order.pid === undefined ? 0 : cpuTimeUs(order.pid))
  const load = startLoad(order)
  await delay(LEAD_IN_MS)
  load.counted.latencies = []
  // Errors of the lead-in count: a connection that cannot be opened is never a matter of warming up.
  const cpuAtStart = readCpuUs()
  const startedAt = performance.now()
  await delay(order.seconds * 1_000)
  const seconds = (performance.now() - startedAt) / 1_000
  const cpuUs = readCpuUs() - cpuAtStart
  const { latencies, errors, firstError } = { ...load.counted }
  const sorted = Float64Array.from(latencies).toSorted()
  await load.stop()
  return {
    completed: sorted.length,
    errors,
    ...(firstError === undefined ? {} : { firstError }),
    seconds,
    p50Ms: sorted.length === 0 ? 0 : quantile(sorted, 0.5),
    p99Ms: sorted.length === 0 ? 0 : quantile(sorted, 0.99),
    ...(order.pid === undefined ? {} : { cpuUs }),
  }
}

process.on('message', (order: Order) => {
  runOrder(order).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ failed: String(error) }),
  )
})
