import { join } from 'node:path'
import { z } from 'zod'
import { formatListen } from '../config/listen.ts'
import { defaultStateDir } from '../config/state-dir.ts'
import type { Config } from '../config/types.ts'
import { requireConfig } from './config-file.ts'
import { CliError, type Io } from './io.ts'
import type { GatewayOptions } from './options.ts'

/** A gateway that runs on this machine, as it says in its file `<state folder>/gateways/*.json`. */
export interface RunningGateway {
  /** Where clients connect. */
  readonly url: string
  /** Its admin listener; undefined when it is switched off. */
  readonly admin: string | undefined
  /** For the admin listener. Secret. */
  readonly token: string | undefined
  readonly pid: number
}

const FILE = z.object({
  url: z.string(),
  admin: z.string().optional(),
  token: z.string().optional(),
  pid: z.int().positive(),
})

/** Where a gateway is when nothing says otherwise. */
const DEFAULT_URL = 'http://127.0.0.1:8080/mcp'

/** The gateways that run on this machine, by URL. Files of those that have ended are passed over. */
async function runningGateways(io: Io, stateDir: string | undefined): Promise<readonly RunningGateway[]> {
  const folder = join(stateDir ?? defaultStateDir(io.env, io.home), 'gateways')
  const names = await io.files.list(folder).catch(() => [])
  const gateways: RunningGateway[] = []
  for (const name of names.filter((each) => each.endsWith('.json')).toSorted()) {
    const gateway = await readGateway(io, join(folder, name))
    if (gateway !== undefined && isAlive(io, gateway.pid)) gateways.push(gateway)
  }
  return gateways.toSorted((a, b) => (a.url < b.url ? -1 : 1))
}

function isAlive(io: Io, pid: number): boolean {
  try {
    io.kill(pid, 0)
    return true
  } catch (error) {
    // It is there, but not ours.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

async function readGateway(io: Io, path: string): Promise<RunningGateway | undefined> {
  try {
    const { url, admin, token, pid } = FILE.parse(JSON.parse(await io.files.read(path)))
    return { url, admin, token, pid }
  } catch {
    // Written at this moment, gone in between, or of another version: no gateway that could be asked.
    return undefined
  }
}

/** What a command is to talk to. */
export interface Found {
  readonly url: string
  /** Set if it is one of the gateways that run here. */
  readonly running: RunningGateway | undefined
}

/**
 * Finds the gateway that a command is about: the one at `--url`, the one of the configuration named with `-c`, the only
 * one that runs, else the default address.
 *
 * @returns undefined if the configuration has problems, which are printed then
 * @throws CliError if several run and none is named
 */
export async function findGateway(io: Io, options: GatewayOptions): Promise<Found | undefined> {
  if (options.url !== undefined) {
    if (URL.parse(options.url) === null) throw new CliError(`${options.url} is no URL`)
    return locate(await runningGateways(io, undefined), options.url)
  }
  if (options.config.length === 0 && options.env === undefined)
    return theOnly(await runningGateways(io, undefined))
  const config = await requireConfig(io, options)
  if (config === undefined) return undefined
  const gateways = await runningGateways(io, config.gateway.stateDir)
  return config.gateway.listen.port === 0 ? theOnly(gateways) : locate(gateways, clientUrl(config))
}

/** The URL itself, or that of the gateway it belongs to: `/mcp/<backend>` is a part of one. */
function locate(gateways: readonly RunningGateway[], url: string): Found {
  const running = gateways.find((gateway) => gateway.url === url || url.startsWith(`${gateway.url}/`))
  return { url, running }
}

function theOnly(gateways: readonly RunningGateway[]): Found {
  const [first, second] = gateways
  if (first === undefined) return { url: DEFAULT_URL, running: undefined }
  if (second === undefined) return { url: first.url, running: first }
  const urls = gateways.map(({ url }) => url).join(', ')
  throw new CliError(`several gateways run here: ${urls}`, 'Choose one with --url.')
}

/** Where clients of this machine reach a gateway with this configuration. */
function clientUrl({ gateway: { listen } }: Config): string {
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }
  return `http://${formatListen({ ...listen, host: everywhere[listen.host] ?? listen.host })}/mcp`
}
