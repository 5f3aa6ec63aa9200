import { isIP } from 'node:net'
import { z } from 'zod'
import { type AuthInput, authSchema, secureUrl } from './auth-schema.ts'
import { authorizationSchema } from './authorization-schema.ts'
import type { AuthorizationConfig } from './authorization-types.ts'
import { type BackendInput, backend, backendName } from './backend-schema.ts'
import { type IntegrityInput, integrity } from './integrity-schema.ts'
import { choice, count, duration, leaf, mapping, section, textSchema, words } from './leaves.ts'
import { limits as callLimits, requestsPerAddress } from './limits-schema.ts'
import { parseListen } from './listen.ts'
import { overload } from './overload-schema.ts'
import { bulkheadPart } from './resilience-schema.ts'
import { sealing } from './sealing-schema.ts'
import { store } from './store-schema.ts'
import { telemetry } from './telemetry-schema.ts'
import type {
  AdminConfig,
  GatewaySettings,
  LimitConfig,
  ListenAddress,
  LogConfig,
  StoreConfig,
  TelemetryConfig,
} from './types.ts'
import { type Parsed, parseSize } from './units.ts'

/** What must be written to listen where others can connect: without authentication. */
export const NETWORK_CONSENT = 'i-understand-that-anyone-who-connects-can-call-every-tool'

const size = (description: string): z.ZodType<number> =>
  leaf(parseSize, { ...textSchema('^\\d+(B|kB|KB|MB|GB|KiB|MiB|GiB)$'), description })

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

const network = leaf((found): Parsed<string> => {
  const [address = '', bits, ...rest] = typeof found === 'string' ? found.split('/') : []
  const most = isIP(address) === 6 ? 128 : 32
  const fits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most)
  return typeof found === 'string' && isIP(address) !== 0 && fits && rest.length === 0
    ? { value: found }
    : { expected: 'expected an address or network, such as 10.0.0.7 or 10.0.0.0/8' }
}, textSchema('^[0-9a-fA-F:.]+(/\\d{1,3})?$'))

const limits = section(
  {
    body: size('Largest request body.').prefault('4MiB'),
    headers: size('Largest head of a request: its first line and headers.').prefault('32KiB'),
    depth: count('Deepest nesting of JSON.', 1000).prefault(64),
    reply: size('Largest reply or single message of a backend.').prefault('32MiB'),
    bodyTimeout: duration('Time within which a request body must have arrived.', 1).prefault('10s'),
    calls: count('Calls in flight at once, over all clients.', 1_000_000).prefault(10_000),
    sessions: count('Legacy client sessions at once.', 1_000_000).prefault(10_000),
    sessionsPerPrincipal: count('Legacy sessions of one principal at once.', 1_000_000).prefault(1000),
    queue: count('Notifications that may wait for a client that does not read.', 1_000_000).prefault(256),
    listEntries: count('Entries that one backend may list per kind.', 1_000_000).prefault(10_000),
    parked: count(
      'Calls that may wait for input of their clients, per principal; anonymous clients count per session or address.',
      1_000_000,
    ).prefault(100),
    parkedTotal: count('Calls that may wait for input of their clients, over all.', 1_000_000).prefault(2000),
    parkTime: duration('How long a call waits for input of its client.', 1).prefault('10m'),
    streams: count('Open subscriptions and legacy streams per principal.', 1_000_000).prefault(100),
    streamAge: duration(
      'How long a subscription or legacy stream lasts before it is ended in good order, so that one whose client vanished is not kept for ever.',
      1,
    ).prefault('24h'),
    silence: duration(
      'How long an event stream of a backend may be silent, comments included, before it is opened again.',
      1,
    ).prefault('15m'),
    connections: count('Connections of clients at once.', 1_000_000).prefault(10_000),
    headerTimeout: duration('Time within which the headers of a request must have arrived.', 1).prefault(
      '10s',
    ),
    replyTimeout: duration('Time within which a client must have taken a reply.', 1).prefault('60s'),
    requestsPerAddress: requestsPerAddress.prefault('off'),
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
      'Needed to listen on anything but loopback while callers are not authenticated.',
    ).optional(),
    publicUrl: secureUrl(
      'Where clients reach the gateway, without /mcp: what tokens are meant for.',
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
    trustedProxies: z.array(network).prefault([]).meta({
      description: 'Proxies that are believed when they say for whom they speak, as address or CIDR.',
    }),
    forwardedHeader: choice(
      ['x-forwarded-for', 'forwarded'],
      'The header in which they say it; they must set or extend it, never pass on what clients send.',
    ).prefault('x-forwarded-for'),
    stateDir: words(
      'Folder for the admin token, API keys, the sealing key and the list of child processes, relative to this file.',
    ).optional(),
    sealing: sealing.optional(),
    limits,
    overload,
    tools: section(
      {
        health: z.boolean().prefault(true).meta({ description: 'gateway_health: how every backend is.' }),
        metrics: z.boolean().prefault(true).meta({
          description: 'gateway_metrics: calls, failures and times of the tools that the caller may see.',
        }),
      },
      'Tools of the gateway itself on /mcp.',
    ),
    bulkhead: bulkheadPart(
      { calls: 1000, queue: 1000, wait: '5s' },
      'Calls of one principal at once, and how many wait; off does not bound them.',
    ),
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

const sections = {
  gateway,
  backends: z
    .record(backendName, backend)
    .meta({ description: 'The MCP servers behind the gateway, by name.' }),
  auth: authSchema.optional(),
  authorization: authorizationSchema.optional(),
  limits: callLimits,
  store,
  admin,
  log,
  integrity,
  telemetry,
}

/** What a file may have at its top, apart from `environments`. */
export const SECTIONS: readonly string[] = Object.keys(sections)

/** A configuration file: the one place that knows every setting, its default and its meaning. */
export const fileSchema: z.ZodType<FileSettings> = mapping({
  ...sections,
  // Taken out of a file before it is checked (layers.ts); here so that it is known and described.
  environments: z.unknown().optional().meta({
    description:
      'What differs between environments, by their names: each is laid over the rest, chosen by --env, TOOLGATE_ENV or ENVIRONMENT.',
  }),
}).meta({ title: 'Toolgate configuration' })

/** A validated file, with defaults, before paths are resolved. */
export interface FileSettings {
  readonly gateway: Omit<GatewaySettings, 'pageSize' | 'stateDir' | 'publicUrl'> & {
    readonly publicUrl?: string | undefined
    readonly pageSize?: number | undefined
    readonly stateDir?: string | undefined
    readonly allowUnauthenticatedNetworkAccess?: typeof NETWORK_CONSENT | undefined
  }
  readonly backends: Readonly<Record<string, BackendInput>>
  readonly auth?: AuthInput | undefined
  readonly authorization?: AuthorizationConfig | undefined
  readonly limits: readonly LimitConfig[]
  readonly store: StoreConfig
  readonly admin: AdminConfig | false
  readonly log: LogConfig
  readonly integrity: IntegrityInput
  readonly telemetry: TelemetryConfig
}
