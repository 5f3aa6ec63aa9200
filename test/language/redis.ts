/** A real Valkey or Redis server, in a process and on a port of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { SYSTEM_PROGRAMS, howToInstall, programForTests } from '../../scripts/system-packages.ts'
import { freePort, isOpen } from '../support/ports.ts'
import { eventually } from './journal.ts'
import type { Scope } from './scope.ts'

/** Why tests that need a server are skipped; false where there is one. On CI its lack is an error. */
export const withoutRedis: string | false =
  programForTests(SYSTEM_PROGRAMS.redis) === undefined ? howToInstall(SYSTEM_PROGRAMS.redis) : false

/** A running server. */
export interface RedisServer {
  readonly url: string
  /** A connection of the test's own. */
  readonly client: Redis
  /** Dies at once and forgets everything. */
  kill(): Promise<void>
  /** Comes back on the same port. */
  start(): Promise<void>
  /** Takes connections and answers nothing, until it goes on. */
  pause(): void
  resume(): void
}

/** Starts a server that keeps everything in memory. */
export async function redisServer(scope: Scope, args: readonly string[] = []): Promise<RedisServer> {
  const program = programForTests(SYSTEM_PROGRAMS.redis)
  if (program === undefined) throw new Error(howToInstall(SYSTEM_PROGRAMS.redis))
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-redis-'))
  const port = await freePort()
  let child: ChildProcess | undefined
  const kill = async (): Promise<void> => {
    if (child === undefined) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    child = undefined
  }
  const start = async (): Promise<void> => {
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    child = spawn(program, [...settings, '--dir', folder, ...args], { stdio: 'ignore' })
    await eventually('the server takes connections', () => isOpen(port))
  }
  await start()
  const url = `redis://127.0.0.1:${port}`
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => 20 })
  client.on('error', () => undefined)
  scope.after(async () => {
    client.disconnect()
    await kill()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    url,
    client,
    kill,
    start,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  }
}
