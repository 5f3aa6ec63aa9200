/** Running the checks of `npm test`: one process after another, quiet unless it fails. */
import { spawn } from 'node:child_process'

/** A command line: the file to run and its arguments. */
export type Command = readonly [file: string, ...args: string[]]

/** One check. */
export type Step = {
  /** What selects the step on the command line. */
  readonly name: string
  /** What it makes sure of, in a few words. */
  readonly title: string
  /** What it runs, in order; the first that fails ends the step. */
  readonly commands: readonly Command[]
  /** A file the step needs; while there is none, the step is skipped. */
  readonly needs?: string
}

/** How a step went. */
export type Outcome = { readonly ok: boolean; readonly output: string; readonly seconds: number }

/** Node's test runner at the end of its `spec` report, added up over steps. */
export type Totals = { readonly passed: number; readonly failed: number }

/** After this time a command is ended together with what it started: the whole of `npm test` has ten minutes. */
const commandTimeoutMs = 9 * 60_000

/** How long a command may take to end when asked to, and what it started to let go of its output when it has. */
const graceMs = 5000

/** Signals a command and what it started in its process group; it may all be gone by now. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Runs one command, in a process group of its own so that a hanging one can be ended whole. */
function runCommand([file, ...args]: Command, cwd: string): Promise<{ ok: boolean; output: string }> {
  const child = spawn(file, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: process.platform !== 'win32',
  })
  const chunks: Buffer[] = []
  const note = (words: string): void => void chunks.push(Buffer.from(`\n${words}\n`))
  let ok = true
  const giveUp = (why: string): void => {
    ok = false
    note(why)
    signalGroup(child.pid, 'SIGKILL')
  }
  const onTimeout = (): void => {
    // Asked by a signal, Node's test runner says which file is still running.
    child.kill('SIGTERM')
    timer = setTimeout(() => giveUp('it did not end when asked to'), graceMs)
    ok = false
    note(`ended after ${commandTimeoutMs / 60_000} minutes`)
  }
  const interrupt = (signal: NodeJS.Signals): void => {
    process.exitCode = 1
    signalGroup(child.pid, signal)
  }
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  let timer = setTimeout(onTimeout, commandTimeoutMs)
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
  return new Promise((resolve) => {
    child.on('error', (error) => giveUp(error.message))
    child.on('exit', () => {
      clearTimeout(timer)
      timer = setTimeout(() => giveUp('it left processes behind that hold its output open'), graceMs)
    })
    child.on('close', (status) => {
      clearTimeout(timer)
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
      resolve({ ok: ok && status === 0, output: Buffer.concat(chunks).toString() })
    })
  })
}

/** Runs the commands of a step until one fails. */
export async function runStep(step: Step, cwd: string): Promise<Outcome> {
  const started = performance.now()
  let output = ''
  for (const command of step.commands) {
    const result = await runCommand(command, cwd)
    output += result.output
    if (!result.ok) return { ok: false, output, seconds: (performance.now() - started) / 1000 }
  }
  return { ok: true, output, seconds: (performance.now() - started) / 1000 }
}

/** Reads the totals of Node's test runner from what a step printed; undefined if it ran no tests. */
export function totalsOf(output: string): Totals | undefined {
  const count = (word: string): number | undefined => {
    const found = new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(output)?.[1]
    return found === undefined ? undefined : Number(found)
  }
  const passed = count('pass')
  if (passed === undefined) return undefined
  return { passed, failed: (count('fail') ?? 0) + (count('cancelled') ?? 0) }
}
