import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Configured, Scope } from '../language/scope.ts'
import type { Order, Report } from './faulty-process.ts'

const PROGRAM = fileURLToPath(new URL('./faulty-process.ts', import.meta.url))

/** A backend that fails as it is told, in a process of its own. */
export interface Faulty extends Configured {
  /** How often its tool was carried out so far, over all its lives. */
  readonly executions: number
  /** Settles when the process has obeyed. Whatever it executed before is counted by then. */
  order(order: Order): Promise<{ readonly connections: number }>
  /** Settles when the process has ended. */
  died(): Promise<void>
  /** Starts it again, on the same port, if it has died. */
  revive(): Promise<void>
}

/** Starts a process; it is well until told otherwise. */
export async function faulty(scope: Scope): Promise<Faulty> {
  let executions = 0
  let child: ChildProcess
  const listeners = new Set<(report: Report) => void>()
  const start = async (port: number): Promise<number> => {
    child = fork(PROGRAM, [String(port)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.on('message', (report: Report) => {
      if ('executed' in report) executions++
      for (const listener of listeners) listener(report)
    })
    const [first] = (await once(child, 'message')) as [Report]
    return 'ready' in first ? first.ready : port
  }
  const port = await start(0)
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null
  const died = async (): Promise<void> => {
    if (isAlive()) await once(child, 'exit')
  }
  scope.after(async () => {
    if (child.connected) child.disconnect()
    await died()
  })
  return {
    settings: { url: `http://127.0.0.1:${port}/mcp`, era: 'modern' },
    get executions() {
      return executions
    },
    async order(order) {
      const { promise, resolve, reject } = Promise.withResolvers<{ readonly connections: number }>()
      const listener = (report: Report): void => {
        if ('done' in report && report.done === order.do) resolve(report)
      }
      listeners.add(listener)
      const onExit = (): void => reject(new Error(`the faulty process ended instead of obeying ${order.do}`))
      child.once('exit', onExit)
      child.send(order)
      try {
        return await promise
      } finally {
        listeners.delete(listener)
        child.off('exit', onExit)
      }
    },
    died,
    async revive() {
      if (!isAlive()) await start(port)
    },
  }
}
