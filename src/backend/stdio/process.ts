import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import type { StdioBackendConfig } from '../../config/types.ts'
import { ChannelError } from '../channel.ts'
import { childEnvironment } from './environment.ts'
import { groupRuns, signalGroup } from './group.ts'
import { DEFAULT_GRACE, type StdioPorts } from './ports.ts'
import { createStderrReader } from './stderr.ts'
import { waitUntil } from './wait.ts'

/** How a process ended. */
export interface ProcessExit {
  /** A sentence for people: exit code or signal, and the last line of standard error. */
  readonly reason: string
  /** The last line of standard error: for the operator alone, it may hold anything. */
  readonly detail: string | undefined
}

/** A running server process. */
export interface BackendProcess {
  readonly pid: number
  readonly stdin: Writable
  readonly stdout: Readable
  /** Settles when the process has ended and what it had written was read. Never rejects. */
  readonly exited: Promise<ProcessExit>
  /**
   * Ends the process and its group (2026-07-28, basic/transports/stdio "Shutdown"): closes its input, then SIGTERM,
   * then SIGKILL, with a grace period after each. Settles when all are gone, or cannot be ended. Never rejects.
   */
  stop(): Promise<void>
  /** Ends the process and its group at once. */
  kill(): void
}

/** Milliseconds in which the rest of the output of an ended process is read. */
const DRAIN = 250

/** Milliseconds between two looks at whether a group is gone. */
const POLL = 50

/**
 * Starts the process of a backend: no shell, a minimal environment, a process group of its own, standard error
 * into the log.
 *
 * @throws ChannelError unreachable, with one clear reason
 */
export async function startProcess(config: StdioBackendConfig, ports: StdioPorts): Promise<BackendProcess> {
  const child = await spawned(config, ports)
  const pid = child.pid ?? 0
  ports.children?.add(pid, config.command)
  // Whoever writes learns of a broken pipe by its own listener; without any, Node would end the gateway.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined)
  const stderr = createStderrReader(config.name, ports)
  child.stderr.on('data', (chunk: Uint8Array) => stderr.push(chunk))

  let left = false
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once('exit', (code, signal) => {
      left = true
      const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
      const finish = (): void => {
        cancel()
        child.off('close', finish)
        stderr.end()
        resolve({ reason: `The process ${how}`, detail: stderr.lastLine() })
      }
      // A grandchild may hold the pipes open for ever.
      const cancel = ports.clock.after(DRAIN, finish)
      child.once('close', finish)
    })
  })
  const ending = createEnding(child, () => left, ports)
  void exited.then(() => ending.stop())
  return { pid, stdin: child.stdin, stdout: child.stdout, exited, ...ending }
}

function createEnding(
  child: ChildProcessWithoutNullStreams,
  leaderLeft: () => boolean,
  ports: StdioPorts,
): Pick<BackendProcess, 'stop' | 'kill'> {
  const { clock, host, children, grace = DEFAULT_GRACE } = ports
  const pid = child.pid ?? 0
  // Once the group is seen to be gone its id may belong to others: from then on nothing is sent to it.
  let gone = false
  const isGone = (): boolean => (gone ||= leaderLeft() && !groupRuns(host, pid))
  const goneInTime = (ms: number): Promise<boolean> => waitUntil(isGone, clock, { ms, every: POLL })
  const send = (signal: 'SIGTERM' | 'SIGKILL'): void => void (isGone() || signalGroup(host, pid, signal))

  const end = async (): Promise<void> => {
    child.stdin.end()
    // Members that outlive their leader have had their chance.
    let over = await goneInTime(leaderLeft() ? 0 : grace)
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (over) break
      child.stdin.destroy()
      send(signal)
      over = await goneInTime(grace)
    }
    if (over) children?.remove(pid)
    // A process that left the group may still hold the other ends.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy()
    child.unref()
  }
  let stopping: Promise<void> | undefined
  return { stop: () => (stopping ??= end()), kill: () => send('SIGKILL') }
}

async function spawned(
  config: StdioBackendConfig,
  ports: StdioPorts,
): Promise<ChildProcessWithoutNullStreams> {
  const { host } = ports
  try {
    const child = spawn(config.command, config.args, {
      cwd: config.cwd,
      env: childEnvironment(host, config.env),
      shell: false,
      stdio: ['pipe', 'pipe', 'pipe'],
      // A group of its own, so that it is ended whole and keyboard interrupts of the gateway do not reach it.
      detached: host.platform !== 'win32',
      windowsHide: true,
    })
    await new Promise((resolve, reject) => {
      child.once('spawn', resolve)
      child.on('error', reject)
    })
    return child
  } catch (error) {
    throw new ChannelError({ kind: 'unreachable', reason: spawnFailure(config, error) })
  }
}

function spawnFailure({ command, cwd }: StdioBackendConfig, error: unknown): string {
  const { code = String(error) } = error as NodeJS.ErrnoException
  const folder = statSync(cwd, { throwIfNoEntry: false })?.isDirectory() === true
  if (!folder) return `working directory not found: ${cwd}`
  if (code === 'EACCES') return `no permission to run: ${command}`
  if (code !== 'ENOENT') return `cannot start ${command}: ${code}`
  const scriptExists = /[/\\]/.test(command) && existsSync(command)
  return scriptExists
    ? `the interpreter of this script was not found: ${command}`
    : `command not found: ${command}`
}
