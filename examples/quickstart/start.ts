// `npm start`: creates the example's data, starts its two HTTP servers and then the gateway in front of all three.
// Arguments are handed on to `toolgate serve`. Ctrl-C ends everything, the gateway first so that it can drain.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { startServer, stopChild } from './children.ts'
import type { RunningServer } from './children.ts'
import { createData } from './data.ts'
import { nextSteps } from './next-steps.ts'

const here = import.meta.dirname
const root = join(here, '..', '..')

const readyTimeoutMs = 60_000
const drainTimeoutMs = 30_000
const serverGraceMs = 3_000

const main = async (): Promise<number> => {
  const signals = stopSignals()
  const { stopping } = signals
  const servers: RunningServer[] = []
  const over = new AbortController()
  try {
    const data = await createData(join(here, 'data'))
    const start = async (name: string, path: string, ports: readonly number[]): Promise<string> => {
      const program = join(here, 'servers', `${name}.ts`)
      const server = await startServer({ program, data: path, ports }, stopping)
      servers.push(server)
      reportEnd(name, server, AbortSignal.any([stopping, over.signal]))
      return String(server.port)
    }
    const env = {
      ...process.env,
      GITHUB_PORT: await start('github', data.github, portsToTry('GITHUB_PORT', 8001)),
      DATABASE_PORT: await start('database', data.database, portsToTry('DATABASE_PORT', 8002)),
    }
    return await runGateway(env, signals)
  } catch (error) {
    if (stopping.aborted) return 0
    console.error(`The quickstart cannot start: ${error instanceof Error ? error.message : String(error)}`)
    return 1
  } finally {
    over.abort()
    await Promise.all(servers.map(async (server) => stopChild(server.process, serverGraceMs)))
  }
}

/** A port that was asked for is used or it is an error; the default gives way to any free one. */
const portsToTry = (variable: string, fallback: number): readonly number[] => {
  const asked = process.env[variable]
  if (asked === undefined || asked === '') return [fallback, 0]
  const port = Number(asked)
  if (Number.isInteger(port) && port > 0 && port <= 65_535) return [port]
  throw new RangeError(`${variable} is ${JSON.stringify(asked)}; it must be a port from 1 to 65535.`)
}

/** What the user asks for with signals. */
interface StopSignals {
  /** Fires with the first SIGINT, SIGTERM or SIGHUP: end in order. */
  readonly stopping: AbortSignal
  /** Fires with a further one a second or more later: end at once. */
  readonly insisting: AbortSignal
}

const stopSignals = (): StopSignals => {
  const stopping = new AbortController()
  const insisting = new AbortController()
  let first: number | undefined
  const onSignal = (): void => {
    first ??= performance.now()
    stopping.abort()
    // One Ctrl-C may arrive twice, from the terminal and from npm: that is not yet insistence.
    if (performance.now() - first > 1_000) insisting.abort()
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal)
  return { stopping: stopping.signal, insisting: insisting.signal }
}

/** Says that a server ended by itself; the gateway goes on without it. */
const reportEnd = (name: string, server: RunningServer, over: AbortSignal): void => {
  server.process.once('exit', (code, signal) => {
    if (!over.aborted) console.error(`The ${name} server ended (${signal ?? `exit code ${code}`}).`)
  })
}

/** Runs `toolgate serve` until it ends or has to; returns the exit code. */
const runGateway = async (env: NodeJS.ProcessEnv, signals: StopSignals): Promise<number> => {
  const { stopping, insisting } = signals
  const args = process.argv.slice(2)
  const address = listenAddress(args)
  const taken = await accepts(address)
  stopping.throwIfAborted()
  const gateway = spawnGateway(args, env)
  const ended = once(gateway, 'exit')
  // Another program on the address would answer in the gateway's place; the gateway says itself what is wrong.
  if (!taken) void announce(address, AbortSignal.any([stopping, exitSignal(gateway)]))
  stopping.addEventListener('abort', () => void stopChild(gateway, drainTimeoutMs))
  insisting.addEventListener('abort', () => gateway.kill('SIGKILL'))
  await ended
  return stopping.aborted ? 0 : (gateway.exitCode ?? 1)
}

const spawnGateway = (args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess => {
  const follow = pathToFileURL(join(here, 'follow-parent.ts')).href
  const serve = [join(root, 'src', 'main.ts'), 'serve', join(here, 'toolgate.yaml'), ...args]
  return spawn(process.execPath, ['--import', follow, ...serve], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env,
    // In a group of its own, so that Ctrl-C reaches it once, through this process, and not three times (terminal, npm,
    // here): a second signal would mean that the user is out of patience.
    detached: process.platform !== 'win32',
  })
}

const exitSignal = (child: ChildProcess): AbortSignal => {
  const controller = new AbortController()
  child.once('exit', () => controller.abort())
  return controller.signal
}

/** Prints what to type next once the gateway is ready, below the table it prints itself. */
const announce = async (address: URL, signal: AbortSignal): Promise<void> => {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(readyTimeoutMs)])
  try {
    while (!(await isReady(new URL('/readyz', address), bound)))
      await delay(100, undefined, { signal: bound })
    await delay(200, undefined, { signal: bound })
  } catch {
    return
  }
  process.stdout.write(nextSteps(new URL('/mcp', address).href, process.stdout))
}

const isReady = async (url: URL, signal: AbortSignal): Promise<boolean> => {
  try {
    const response = await fetch(url, { signal })
    await response.body?.cancel()
    return response.ok
  } catch {
    return false
  }
}

const accepts = async (address: URL): Promise<boolean> => {
  const socket = connect(Number(address.port), address.hostname)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

const listenAddress = (args: readonly string[]): URL => {
  const asked = args.find((arg) => arg.startsWith('--listen='))?.slice('--listen='.length)
  const index = args.indexOf('--listen')
  const listen = asked ?? (index === -1 ? undefined : args[index + 1])
  return new URL(`http://${listen ?? `127.0.0.1:${portsToTry('TOOLGATE_PORT', 8080)[0]}`}`)
}

process.exitCode = await main()
