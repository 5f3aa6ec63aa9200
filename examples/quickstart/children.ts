import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Listening } from './servers/serve.ts'

/** What to start as an MCP server. */
export interface ServerCommand {
  /** Path of the server's program. */
  readonly program: string
  /** Path of the data it serves. */
  readonly data: string
  /** Ports of 127.0.0.1 to try in order; 0 lets the system choose. */
  readonly ports: readonly number[]
}

/** A server that listens. */
export interface RunningServer {
  readonly process: ChildProcess
  readonly port: number
}

/**
 * Starts an MCP server as a child process and waits until it says on which port it listens. It ends when this process
 * ends, however that happens.
 *
 * @throws Error when it ends first or the signal fires
 */
export const startServer = async (command: ServerCommand, signal: AbortSignal): Promise<RunningServer> => {
  const { program, data, ports } = command
  const child = fork(program, [data, ...ports.map(String)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const settled = new AbortController()
  const either = AbortSignal.any([signal, settled.signal])
  try {
    const ended = once(child, 'exit', { signal: either }).then(() => {
      throw new Error(`${basename(program)} ended before it listened`)
    })
    const listening = once(child, 'message', { signal: either }).then(([message]) => message as Listening)
    return { process: child, port: (await Promise.race([listening, ended])).port }
  } catch (error) {
    await stopChild(child, 0)
    throw error
  } finally {
    settled.abort()
  }
}

/** Ends a child: SIGTERM, and SIGKILL after `graceMs` milliseconds. Settles when it is gone. */
export const stopChild = async (child: ChildProcess, graceMs: number): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const patience = new AbortController()
  const force = delay(graceMs, undefined, { signal: patience.signal }).then(
    () => child.kill('SIGKILL'),
    () => false,
  )
  await gone
  patience.abort()
  await force
}
