import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { LoadResult, Order } from './load.ts'
import { isRecord } from './message.ts'
import { pinned, stopChild } from './processes.ts'

/** The load generator, running in its own process on its own core. */
export interface LoadProcess {
  /**
   * Runs one window; one at a time.
   *
   * @throws Error if the load generator or the measured process has died
   */
  readonly run: (order: Order) => Promise<LoadResult>
  readonly stop: () => Promise<void>
}

const PROGRAM = fileURLToPath(new URL('./load.ts', import.meta.url))

const isLoadResult = (value: unknown): value is LoadResult =>
  isRecord(value) && typeof value['completed'] === 'number'

/** Starts the load generator. */
export const startLoadProcess = async (): Promise<LoadProcess> => {
  const [file = '', ...args] = pinned('load', [process.execPath, PROGRAM])
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  await once(child, 'spawn')
  const run = async (order: Order): Promise<LoadResult> => {
    const answer = new Promise<unknown>((resolve, reject) => {
      const onExit = (): void => reject(new Error('the load generator has ended'))
      child.once('exit', onExit)
      child.once('message', (message) => {
        child.off('exit', onExit)
        resolve(message)
      })
    })
    child.send(order)
    const result = await answer
    if (isLoadResult(result)) return result
    throw new Error(isRecord(result) ? String(result['failed']) : 'the load generator sent no result')
  }
  return { run, stop: () => stopChild(child) }
}
