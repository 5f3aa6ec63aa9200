import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { type Server, startServer } from './children.ts'

/** A gateway in front of one backend. */
export interface GatewayOptions {
  /** The gateway's program. */
  readonly program: string
  readonly backend: {
    readonly url: string
    /** What the gateway is told to speak to it. */
    readonly era: 'auto' | 'modern' | 'legacy' | 'dual'
  }
  /** An empty folder: its home, so that gateways side by side do not meet in the user's state or configuration. */
  readonly folder: string
  readonly signal: AbortSignal
}

const READY_LIMIT_MS = 20_000
const BACKEND = 'fixture'
const READY_EVENT = z.object({ event: z.literal('ready'), url: z.url() })

/**
 * Starts the gateway's program; `ready` is the URL at which it shows the backend with its own names.
 *
 * @throws NotReadyError with its last output
 */
export async function startGateway({
  program,
  backend,
  folder,
  signal,
}: GatewayOptions): Promise<Server<string>> {
  const config = join(folder, 'toolgate.json')
  const settings = {
    gateway: { listen: '127.0.0.1:0' },
    admin: { listen: '127.0.0.1:0' },
    backends: { [BACKEND]: backend },
    // The suite calls more often than the default limit lets a client.
    limits: 'off',
  }
  // JSON is YAML.
  await writeFile(config, JSON.stringify(settings))
  return startServer({
    name: 'gateway',
    args: [resolve(program), 'serve', '-c', config, '--json'],
    cwd: folder,
    env: { HOME: folder, XDG_STATE_HOME: folder, XDG_CONFIG_HOME: folder, XDG_RUNTIME_DIR: folder },
    parseReady: parseGatewayReady,
    timeLimitMs: READY_LIMIT_MS,
    signal,
  })
}

function parseGatewayReady(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined
  const ready = READY_EVENT.safeParse(JSON.parse(line))
  return ready.success ? `${ready.data.url}/${BACKEND}` : undefined
}
