import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PassThrough } from 'node:stream'
import type { Io } from '../../src/cli/io.ts'
import { runProgram } from '../../src/cli/program.ts'

/** What the world looks like to a command under test. */
export interface FakeWorld {
  readonly cwd: string
  readonly home?: string
  readonly env?: Readonly<Record<string, string>>
  /** What is typed. */
  readonly stdin?: string
  readonly isTTY?: boolean
  readonly color?: boolean
  readonly columns?: number
  readonly platform?: NodeJS.Platform
  readonly signal?: AbortSignal
  /** Told what is printed on standard output, as it is. */
  readonly onPrint?: (text: string) => void
  /** Processes that run; default: every id. */
  readonly alive?: (pid: number) => boolean
}

/** How a command ended, and what it printed. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line in this process, with real files and an otherwise invented world. */
export async function run(world: FakeWorld, ...args: readonly string[]): Promise<Ran> {
  const printed = { stdout: '', stderr: '' }
  const { isTTY = false, color = false, columns = 80, alive = () => true } = world
  const output = (name: 'stdout' | 'stderr'): Io['stdout'] => ({
    write: (text) => {
      printed[name] += text
      if (name === 'stdout') world.onPrint?.(text)
    },
    isTTY,
    color,
    columns,
  })
  const stdin = new PassThrough()
  stdin.end(world.stdin ?? '')
  const code = await runProgram(
    {
      stdout: output('stdout'),
      stderr: output('stderr'),
      raw: { stdin, stdout: new PassThrough() },
      env: world.env ?? {},
      cwd: world.cwd,
      home: world.home ?? world.cwd,
      platform: world.platform ?? 'linux',
      pid: 4242,
      version: '9.9.9',
      signal: world.signal ?? new AbortController().signal,
      onHangup: () => undefined,
      files: {
        read: async (path) => readFile(path, 'utf8'),
        write: async (path, text, { overwrite }) => {
          await mkdir(dirname(path), { recursive: true })
          await writeFile(path, text, { flag: overwrite ? 'w' : 'wx' })
        },
        replace: async (path, text) => writeFile(path, text),
        list: async (path) => readdir(path),
      },
      kill: (pid) => {
        if (!alive(pid)) throw Object.assign(new Error('nobody there'), { code: 'ESRCH' })
      },
    },
    args,
  )
  return { code, ...printed }
}
