/** The gateway as its users run it: `toolgate serve` in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Generation, type TestClient, connectClient } from './client.ts'
import { type HouseOptions, configText } from './house.ts'
import { type Journal, createJournal } from './journal.ts'
import { type RawClient, rawClient } from './raw.ts'
import type { Scope } from './scope.ts'

const program = fileURLToPath(new URL('../../bin/toolgate.js', import.meta.url))

/** A folder with a configuration and, beside it, the state of the gateways that are started with it. */
export interface Site {
  readonly file: string
  /** What a program needs in its environment to use the state folder of this site. */
  readonly env: Record<string, string>
  /** Further arguments of `toolgate serve`. */
  readonly args?: readonly string[]
}

/** Writes a configuration into a folder of its own that goes when the scope ends. */
export async function site(scope: Scope, options: HouseOptions): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-site-'))
  scope.after(async () => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'toolgate.yaml')
  await writeFile(file, configText(options))
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  const plain = { NO_COLOR: '1', TOOLGATE_STATE_DIR: join(folder, 'state') }
  return { file, env: { ...Object.fromEntries(inherited), ...plain } }
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A running `toolgate serve`. Disposing ends it the hard way, if it still runs. */
export interface GatewayProcess extends AsyncDisposable {
  readonly url: string
  /** Bytes of memory that the process has; undefined where the system does not say. */
  memory(): Promise<number | undefined>
  readonly raw: RawClient
  /** Lines of its outputs. */
  readonly stdout: Journal<string>
  readonly stderr: Journal<string>
  readonly exit: Promise<Exit>
  kill(signal: NodeJS.Signals): void
  client(generation: Generation): Promise<TestClient>
}

/** Starts `toolgate serve` on a site and waits until it says where it listens, which it does when it is ready. */
export async function gatewayProcess(where: Site): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [program, 'serve', '-c', where.file, ...(where.args ?? [])], {
    env: where.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stdout = linesOf(child, 'stdout')
  const stderr = linesOf(child, 'stderr')
  const exit = exitOf(child)
  const urlIn = (line: string): string | undefined => /http:\/\/\S+\/mcp$/.exec(line)?.[0]
  const failed = exit.then(({ code }) => {
    throw new Error(`toolgate serve ended with ${code}:\n${stderr.entries.join('\n')}`)
  })
  const first = await Promise.race([stdout.until((line) => urlIn(line) !== undefined), failed]).catch(
    (error: unknown) => {
      // It would keep its test alive.
      child.kill('SIGKILL')
      throw error
    },
  )
  failed.catch(() => undefined)
  const url = urlIn(first) ?? ''
  return {
    url,
    memory: async () => residentOf(child.pid),
    raw: rawClient(url),
    stdout,
    stderr,
    exit,
    kill: (signal) => void child.kill(signal),
    client: async (generation) => connectClient(generation, { url }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}

/** Connects a client to `toolgate stdio`, which the client starts. */
export async function stdioClient(where: Site, generation: Generation): Promise<TestClient> {
  const args = [program, 'stdio', where.file]
  return connectClient(generation, { command: process.execPath, args, env: where.env })
}

/** Runs a command of `toolgate` to its end. */
export async function toolgate(
  where: Site,
  ...args: readonly string[]
): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [program, ...args], {
    env: where.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stdout = linesOf(child, 'stdout')
  const stderr = linesOf(child, 'stderr')
  const exit = await exitOf(child)
  return { ...exit, stdout: stdout.entries.join('\n'), stderr: stderr.entries.join('\n') }
}

async function residentOf(pid: number | undefined): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]
  return kib === undefined ? undefined : Number(kib) * 1024
}

function linesOf(child: ChildProcess, name: 'stdout' | 'stderr'): Journal<string> {
  const journal = createJournal<string>(`the ${name} of toolgate`)
  const stream = child[name]
  if (stream !== null) createInterface({ input: stream }).on('line', (line) => journal.record(line))
  return journal
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  // `close` and not `exit`: its last output must have been read.
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  return { code, signal }
}
