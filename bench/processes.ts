import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { createInterface } from 'node:readline'
import { isRecord } from './message.ts'

/** Which core a process is pinned to: what is measured has one of its own. */
export type Side = 'proxy' | 'load'

const CORES: Readonly<Record<Side, string>> = { proxy: '0', load: '1' }
const READY_TIMEOUT_MS = 15_000
const STOP_TIMEOUT_MS = 3_000
const STDERR_KEPT = 2_000

/** Whether processes can be pinned here: `taskset` is installed and there are at least two cores. */
export const canPin: boolean =
  availableParallelism() >= 2 && spawnSync('taskset', ['-c', '0,1', 'true']).status === 0

/** The kernel ends what was started with this when its parent is gone, even if that was killed. */
const END_WITH_PARENT = ['setpriv', '--pdeathsig', 'TERM'] as const
const canEndWithParent = spawnSync(END_WITH_PARENT[0], [...END_WITH_PARENT.slice(1), 'true']).status === 0

/**
 * The command line that runs a command on the core of its side and ends it with the benchmark, as far as the system
 * can do either. It replaces itself by the command, so the process id is the command's own.
 */
export const pinned = (side: Side, command: readonly string[]): readonly string[] => [
  ...(canEndWithParent ? END_WITH_PARENT : []),
  ...(canPin ? ['taskset', '-c', CORES[side]] : []),
  ...command,
]

/** A process that the benchmark has started. */
export interface Launched {
  readonly pid: number
  /** What the process wrote to stderr lately: for messages about its failure. */
  readonly stderr: () => string
  /** Ends the process (SIGTERM, then SIGKILL) and resolves when it is gone. */
  readonly stop: () => Promise<void>
}

/** Ends a child process by SIGTERM, or by SIGKILL if it has not ended after 3 s, and waits for it. */
export const stopChild = async (child: ChildProcess): Promise<void> => {
  const started = child.pid !== undefined
  if (!started || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  child.kill('SIGTERM')
  await exited
  clearTimeout(kill)
}

const launchChild = (side: Side, command: readonly string[], cwd: string) => {
  const [file = '', ...args] = pinned(side, command)
  const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT)
  })
  return { child, stderr: () => stderr.trim() }
}

/**
 * Starts a program on the core of its side and does not wait until it serves.
 *
 * @throws Error if it cannot be started at all
 */
export const launch = async (side: Side, command: readonly string[], cwd: string): Promise<Launched> => {
  const { child, stderr } = launchChild(side, command, cwd)
  await once(child, 'spawn')
  child.stdout.resume()
  return { pid: child.pid ?? 0, stderr, stop: () => stopChild(child) }
}

/** The URL in a line `{"event":"ready","url":"…"}`, or `undefined` for any other line. */
const readyUrl = (line: string): string | undefined => {
  try {
    const event: unknown = JSON.parse(line)
    if (isRecord(event) && event['event'] === 'ready' && typeof event['url'] === 'string') return event['url']
  } catch {
    // A program may print other things before.
  }
  return undefined
}

/**
 * Starts a program and waits until it prints the line `{"event":"ready","url":"…"}` on stdout.
 *
 * @throws Error with the end of its stderr if it ends first, or is not ready after 15 s
 */
export const launchUntilReady = async (
  side: Side,
  command: readonly string[],
  cwd: string,
): Promise<Launched & { readonly url: string }> => {
  const { child, stderr } = launchChild(side, command, cwd)
  const url = await new Promise<string>((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer)
      reject(new Error(`\`${command.join(' ')}\` ${why}${stderr() === '' ? '' : `:\n${stderr()}`}`))
    }
    const timer = setTimeout(() => fail(`was not ready after ${READY_TIMEOUT_MS} ms`), READY_TIMEOUT_MS)
    child.once('error', (error) => fail(`could not be started (${error.message})`))
    child.once('close', (code) => fail(`ended with ${code ?? 'a signal'} before it was ready`))
    const lines = createInterface(child.stdout).on('line', (line) => {
      const found = readyUrl(line)
      if (found === undefined) return
      clearTimeout(timer)
      // Whatever it prints from now on is thrown away unread: looking at it would take CPU from the measurement.
      lines.close()
      child.stdout.resume()
      resolve(found)
    })
  }).catch(async (error: unknown) => {
    await stopChild(child)
    throw error
  })
  return { pid: child.pid ?? 0, url, stderr, stop: () => stopChild(child) }
}
