/**
 * A gateway that counts what it holds, in a process of its own: for the soak only. Started with `--expose-gc`, a
 * channel, and the text of a configuration as its argument; answers every message with what it holds at the moment.
 */
import { tmpdir } from 'node:os'
import { parseConfig } from '../../src/config/load.ts'
import { createGateway } from '../../src/gateway.ts'
import { type Clock, systemClock } from '../../src/pipeline/clock.ts'

/** What the gateway holds. */
export interface Held {
  /** Timers of the gateway that have neither run nor been cancelled. */
  readonly timers: number
  /** Open sockets, to clients and to backends. */
  readonly sockets: number
  readonly callsInFlight: number
  /** Places that are taken, and calls that wait for one, over all backends. */
  readonly slots: number
  readonly waiting: number
  /** Bytes after collecting the garbage. */
  readonly heap: number
  /** Warnings of the runtime, such as about too many listeners. */
  readonly warnings: readonly string[]
}

const COLLECTIONS = 4

const warnings: string[] = []
process.on('warning', (warning) => warnings.push(`${warning.name}: ${warning.message}`))

let timers = 0
const clock: Clock = {
  ...systemClock,
  after(ms, action) {
    let isOver = false
    const end = (): void => {
      if (!isOver) timers--
      isOver = true
    }
    timers++
    const cancel = systemClock.after(ms, () => {
      end()
      action()
    })
    return () => {
      end()
      cancel()
    }
  },
}

const result = parseConfig({ name: 'soak.json', text: process.argv[2] ?? '', dir: tmpdir() }, process.env)
if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'))
const gateway = createGateway(result.config, {
  version: '0.0.0',
  clock,
  host: {
    pid: process.pid,
    platform: process.platform,
    env: process.env,
    kill: (pid, signal) => void process.kill(pid, signal),
  },
})

const count = (): Held => {
  const calls = gateway.report().flatMap((backend) => backend.calls ?? [])
  return {
    timers,
    sockets: process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length,
    callsInFlight: gateway.meter.inFlight,
    slots: calls.reduce((sum, { running }) => sum + running, 0),
    waiting: calls.reduce((sum, { waiting }) => sum + waiting, 0),
    heap: process.memoryUsage().heapUsed,
    warnings,
  }
}

process.on('message', () => {
  const collect = (left: number): void => {
    globalThis.gc?.()
    if (left > 0) setImmediate(collect, left - 1)
    else process.send?.(count())
  }
  collect(COLLECTIONS)
})
process.on('disconnect', () => process.exit())

const { port } = await gateway.listen()
await gateway.ready(10_000)
process.send?.({ port })
