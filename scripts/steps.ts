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
const commandTimeoutMs = 8 * 60_000

/** Runs one command, in a process group of its own so that a hanging one can be ended whole. */
function runCommand([file, ...args]: Command, cwd: string): Promise<{ ok: boolean; output: string }> {
  const ownGroup = process.platform !== 'win32'
  const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: ownGroup })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  const end = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined && child.exitCode === null)
      process.kill(ownGroup ? -child.pid : child.pid, signal)
  }
  const onTimeout = (): void => {
    chunks.push(Buffer.from(`\nended after ${commandTimeoutMs / 60_000} minutes\n`))
    end('SIGKILL')
  }
  const stop = (signal: NodeJS.Signals): void => {
    end(signal)
    process.exitCode = 1
  }
  const timer = setTimeout(onTimeout, commandTimeoutMs)
  process.once('SIGINT', stop).once('SIGTERM', stop)
  return new Promise((resolve) => {
    const finish = (ok: boolean): void => {
      clearTimeout(timer)
      process.off('SIGINT', stop).off('SIGTERM', stop)
      resolve({ ok, output: Buffer.concat(chunks).toString() })
    }
    child.on('error', (error) => {
      chunks.push(Buffer.from(error.message))
      finish(false)
    })
    child.on('close', (status) => finish(status === 0))
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
