import { z } from 'zod'
import { type BackendInput, backend, backendName } from './backend-schema.ts'
import { type IntegrityInput, integrity } from './integrity-schema.ts'
import { choice, leaf, mapping, section, textSchema, words } from './leaves.ts'
import { parseListen } from './listen.ts'
import type { AdminConfig, GatewaySettings, ListenAddress, LogConfig } from './types.ts'
import { type Parsed, parseCount, parseDuration, parseSize } from './units.ts'

/** What must be written to listen where others can connect: there is no authentication yet. */
export const NETWORK_CONSENT = 'i-understand-that-anyone-who-connects-can-call-every-tool'

const duration = (description: string, least = 0): z.ZodType<number> =>
  leaf((found) => parseDuration(found, least), { ...textSchema('^\\d+(ms|s|m|h)$'), description })

const size = (description: string): z.ZodType<number> =>
  leaf(parseSize, { ...textSchema('^\\d+(B|kB|KB|MB|GB|KiB|MiB|GiB)$'), description })

const count = (description: string, most: number): z.ZodType<number> =>
  leaf((found) => parseCount(found, 1, most), {
    anyOf: [{ type: 'integer', minimum: 1, maximum: most }, textSchema('^\\d+$')],
    description,
  })

const listen = (description: string): z.ZodType<ListenAddress> =>
  leaf(parseListen, { ...textSchema('^.+:\\d+$'), description })

const origin = leaf(
  (found): Parsed<string> => {
    const url = typeof found === 'string' ? URL.parse(found) : null
    if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.origin === found) {
      return { value: url.origin }
    }
    return { expected: 'expected an origin, such as https://app.example.com (no path, no default port)' }
  },
  { ...textSchema('^https?://[^/]+$') },
)

const hostValue = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && /^[^\s/@#?]+$/.test(found)
      ? { value: found.toLowerCase() }
      : { expected: 'expected a host, such as mcp.example.com or mcp.example.com:8443' },
  { ...textSchema('^[^\\s/@#?]+$') },
)

const limits = section(
  {
    body: size('Largest request body.').prefault('4MiB'),
    depth: count('Deepest nesting of JSON.', 1000).prefault(64),
    reply: size('Largest reply or single message of a backend.').prefault('32MiB'),
    bodyTimeout: duration('Time within which a request body must have arrived.', 1).prefault('10s'),
    calls: count('Calls in flight at once, over all clients.', 1_000_000).prefault(10_000),
    sessions: count('Legacy client sessions at once.', 1_000_000).prefault(10_000),
    queue: count('Notifications that may wait for a client that does not read.', 1_000_000).prefault(256),
    listEntries: count('Entries that one backend may list per kind.', 1_000_000).prefault(10_000),
    parked: count('Calls that may wait for input of their clients, per principal.', 1_000_000).prefault(100),
    parkTime: duration('How long a call waits for input of its client.', 1).prefault('10m'),
    streams: count('Open subscriptions and legacy streams per principal.', 1_000_000).prefault(100),
  },
  'What one peer can make the gateway do at most.',
)

const gateway = section(
  {
    name: words('Name that clients see.').prefault('toolgate'),
    listen: listen('Where clients connect, as host:port; port 0 lets the system choose.').prefault(
      '127.0.0.1:8080',
    ),
    allowUnauthenticatedNetworkAccess: choice(
      [NETWORK_CONSENT],
      'Needed to listen on anything but loopback, because callers are not authenticated.',
    ).optional(),
    names: choice(
      ['prefix', 'conflict', 'bare'],
      'Names on /mcp: always <backend>_<name>; only where two backends collide; or never (the first one wins).',
    ).prefault('prefix'),
    pageSize: count('Entries per page of a list. One full page if left out.', 10_000).optional(),
    listDeadline: duration('How long a list waits for slow backends.', 1).prefault('2s'),
    staleFor: duration('How long the last known definitions of a dead backend stay listed.').prefault('10m'),
    drain: duration('How long calls in flight may take to finish at shutdown.').prefault('10s'),
    sessionIdle: duration('Silence after which a legacy client session expires.', 1).prefault('30m'),
    sse: z
      .boolean()
      .prefault(false)
      .meta({ description: 'Serve clients of the old HTTP+SSE transport (2024-11-05) too, at /sse.' }),
    allowedOrigins: z.array(origin).prefault([]).meta({ description: 'Browser origins that may call.' }),
    allowedHosts: z
      .array(hostValue)
      .prefault([])
      .meta({ description: 'Further values of Host that are accepted.' }),
    stateDir: words(
      'Folder for the admin token and the list of child processes, relative to this file.',
    ).optional(),
    limits,
  },
  'The gateway itself.',
)

const admin = z
  .union([
    section(
      { listen: listen('Where the admin listener is, as host:port.').prefault('127.0.0.1:9901') },
      'The admin listener.',
    ),
    z.literal(false),
  ])
  .prefault({})
  .meta({ description: 'The admin listener, which toolgate status asks; false switches it off.' })

const log = section(
  {
    level: choice(['debug', 'info', 'warn', 'error'], 'The least urgent lines to write.').prefault('info'),
    format: choice(
      ['auto', 'pretty', 'json'],
      'auto is pretty on a terminal and JSON lines elsewhere.',
    ).prefault('auto'),
  },
  'The log of the gateway.',
)

/** A configuration file: the one place that knows every setting, its default and its meaning. */
export const fileSchema: z.ZodType<FileSettings> = mapping({
  gateway,
  backends: z
    .record(backendName, backend)
    .meta({ description: 'The MCP servers behind the gateway, by name.' }),
  admin,
  log,
  integrity,
}).meta({ title: 'Toolgate configuration' })

/** A validated file, with defaults, before paths are resolved. */
export interface FileSettings {
  readonly gateway: Omit<GatewaySettings, 'pageSize' | 'stateDir'> & {
    readonly pageSize?: number | undefined
    readonly stateDir?: string | undefined
    readonly allowUnauthenticatedNetworkAccess?: typeof NETWORK_CONSENT | undefined
  }
  readonly backends: Readonly<Record<string, BackendInput>>
  readonly admin: AdminConfig | false
  readonly log: LogConfig
  readonly integrity: IntegrityInput
}
