/** A gateway in this process, in front of whatever a test names. */
import { tmpdir } from 'node:os'
import { parseConfig } from '../../src/config/load.ts'
import { type Gateway, createGateway } from '../../src/gateway.ts'
import type { Clock } from '../../src/pipeline/clock.ts'
import type { LoadGauge } from '../../src/pipeline/load.ts'
import type { LogFields, LogLevel } from '../../src/pipeline/log.ts'
import { type ClientAbilities, type Generation, type TestClient, connectClient } from './client.ts'
import { type Journal, createJournal } from './journal.ts'
import { type RawClient, rawClient } from './raw.ts'
import type { Configured } from './scope.ts'

/** What a gateway is to be like. */
export interface HouseOptions {
  /** By name, in the order in which they are listed. */
  readonly backends: Readonly<Record<string, Configured>>
  /** Settings of `gateway:` in the configuration. */
  readonly gateway?: Readonly<Record<string, unknown>>
  /** `integrity:` in the configuration. A relative lock file stands in the folder of temporary files. */
  readonly integrity?: Readonly<Record<string, unknown>>
  /** `auth:` in the configuration; default none. */
  readonly auth?: Readonly<Record<string, unknown>>
  /** Further sections of the configuration. */
  readonly more?: Readonly<Record<string, unknown>>
  /** `limits:` in the configuration; default off, because most tests call more often than people do. */
  readonly limits?: unknown
  /** `store:` in the configuration. */
  readonly store?: Readonly<Record<string, unknown>>
  /** `admin:` in the configuration; default off. */
  readonly admin?: Readonly<Record<string, unknown>>
  readonly clock?: Clock
  /** How busy the process is said to be; default: how busy it is. */
  readonly load?: LoadGauge
  /** False serves before the backends have answered. Default true. */
  readonly ready?: boolean
}

/** A line of the gateway's log. */
export interface LogLine {
  readonly level: LogLevel
  readonly message: string
  readonly fields: LogFields
}

/** A running gateway with its door. Disposing ends it and every client of it. */
export interface House extends AsyncDisposable {
  /** `http://127.0.0.1:PORT/mcp` */
  readonly url: string
  readonly gateway: Gateway
  readonly log: Journal<LogLine>
  readonly raw: RawClient
  /** Connects an official client to the aggregate, or to one backend. */
  client(generation: Generation, options?: ClientAbilities & { readonly route?: string }): Promise<TestClient>
  close(): Promise<void>
}

/** Builds and opens a gateway. */
export async function gateway(options: HouseOptions): Promise<House> {
  const log = createJournal<LogLine>('the log')
  const built = createGateway(configOf(options), {
    version: '0.0.0-test',
    host: {
      pid: process.pid,
      platform: process.platform,
      env: process.env,
      kill: (pid, signal) => void process.kill(pid, signal),
    },
    log: (level, message, fields = {}) => log.record({ level, message, fields }),
    ...(options.clock && { clock: options.clock }),
    ...(options.load && { load: options.load }),
  })
  const { port } = await built.listen()
  const url = `http://127.0.0.1:${port}/mcp`
  const clients = new Set<TestClient>()
  const close = async (): Promise<void> => {
    await Promise.allSettled([...clients].map(async (client) => client.close()))
    await built.close()
  }
  if (options.ready !== false) await built.ready(10_000)
  return {
    url,
    gateway: built,
    log,
    raw: rawClient(url),
    async client(generation, { route, ...abilities } = {}) {
      const address = { url: route === undefined ? url : `${url}/${route}` }
      const client = await connectClient(generation, address, abilities)
      clients.add(client)
      return client
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * What only some tests want: most count the tools of their backends, and none is to fail because the machine that it
 * runs on has too much to do.
 */
const QUIET = { tools: { health: false, metrics: false }, overload: 'off' } as const

/** The text of a configuration file with these settings: YAML is a superset of JSON. */
export function configText(options: HouseOptions): string {
  return JSON.stringify({
    gateway: { listen: '127.0.0.1:0', drain: '2s', ...QUIET, ...options.gateway },
    backends: Object.fromEntries(Object.entries(options.backends).map(([name, one]) => [name, one.settings])),
    ...(options.auth && { auth: options.auth }),
    ...options.more,
    limits: options.limits ?? 'off',
    store: options.store ?? {},
    admin: options.admin ?? false,
    ...(options.integrity && { integrity: options.integrity }),
  })
}

function configOf(options: HouseOptions): Parameters<typeof createGateway>[0] {
  const result = parseConfig({ name: 'test.yaml', text: configText(options), dir: tmpdir() }, process.env)
  if (!result.ok)
    throw new Error(result.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
  return result.config
}
