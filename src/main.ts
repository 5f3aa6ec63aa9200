/** The process edge: arguments, environment, signals, streams and exit codes. The only file that touches `process`. */
import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname } from 'node:path'
import type { Io, Output } from './cli/io.ts'
import { type Manifest, readManifest } from './host.ts'

/** Ctrl-C may arrive twice, from the terminal and from npm: within this time it is one. */
const SAME_SIGNAL_MS = 1000

/** One line for an error that nothing else has handled; all of it with `TOOLGATE_DEBUG`. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const debug = process.env['TOOLGATE_DEBUG']
  return debug === undefined || debug === '' ? error.message : (error.stack ?? error.message)
}

function die(error: unknown): never {
  process.stderr.write(`toolgate: unexpected error: ${describe(error)}\n`)
  process.exit(1)
}

/** Says so in one line if this Node is too old, before anything is loaded that it could not run. */
function requireNode({ engines }: Manifest): void {
  const [major = 0, minor = 0] = (engines.node.match(/\d+/g) ?? []).map(Number)
  const [own = 0, ownMinor = 0] = process.versions.node.split('.').map(Number)
  if (own > major || (own === major && ownMinor >= minor)) return
  process.stderr.write(
    `toolgate needs Node.js ${engines.node} (this is ${process.version}): https://nodejs.org\n`,
  )
  process.exit(1)
}

function outputOf(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => void stream.write(text),
    isTTY: stream.isTTY,
    get columns() {
      return stream.isTTY ? stream.columns : 80
    },
    color: stream.isTTY && stream.hasColors(),
  }
}

/** What is done with SIGHUP; undefined ends, as it does for other programs. */
let hangUp: (() => void) | undefined

/** SIGHUP says to a program on a terminal that this is gone, and to a service that its files were moved away. */
function onHangup(action: () => void): void {
  if ([process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY)) return
  hangUp = action
}

/** Fires with the first signal; a later one ends the process at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController()
  let first: number | undefined
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(name, () => {
      if (name === 'SIGHUP' && hangUp !== undefined) return hangUp()
      const now = performance.now()
      if (first !== undefined && now - first > SAME_SIGNAL_MS) process.exit(code)
      first ??= now
      controller.abort(name)
    })
  }
  return controller.signal
}

function createIo(version: string): Io {
  return {
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    raw: { stdin: process.stdin, stdout: process.stdout },
    env: process.env,
    cwd: process.cwd(),
    home: homedir(),
    platform: process.platform,
    pid: process.pid,
    version,
    signal: stopSignal(),
    onHangup,
    files: {
      read: async (path) => readFile(path, 'utf8'),
      write: async (path, text, { overwrite }) => {
        await mkdir(dirname(path), { recursive: true })
        await writeFile(path, text, { mode: 0o600, flag: overwrite ? 'w' : 'wx' })
      },
      replace: async (path, text) => {
        const next = `${path}.${process.pid}.tmp`
        await writeFile(next, text)
        await rename(next, path)
      },
      list: async (path) => readdir(path),
    },
    kill: (pid, signal) => void process.kill(pid, signal),
  }
}

/** Waits until everything printed is on its way: exiting would drop what a pipe has not taken yet. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.write('', () => resolve())
  })
}

async function main(): Promise<never> {
  const manifest = readManifest()
  requireNode(manifest)
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  for (const stream of [process.stdout, process.stderr]) {
    // Whoever read our output has gone: there is nobody left to tell.
    stream.on('error', () => process.exit(1))
  }
  const { runProgram } = await import('./cli/program.ts')
  const code = await runProgram(createIo(manifest.version), process.argv.slice(2))
  await Promise.all([flushed(process.stdout), flushed(process.stderr)])
  process.exit(code)
}

try {
  await main()
} catch (error) {
  die(error)
}
