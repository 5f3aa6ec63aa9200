import { z } from 'zod'
import { backendIntegrity } from './integrity-schema.ts'
import {
  type WrittenEndpoints,
  balance,
  ejection,
  endpoints,
  keepAlive,
  slowStart,
  url,
  urls,
} from './endpoints-schema.ts'
import { httpHealth, stdioHealth } from './health-schema.ts'
import { choice, leaf, mapping, textSchema, words } from './leaves.ts'
import { type ResilienceInput, resilienceShape } from './resilience-schema.ts'
import { type RestInput, rest } from './rest-schema.ts'
import { signing } from './signing-schema.ts'
import type { EndpointsConfig, HttpBackendConfig, StdioBackendConfig } from './types.ts'
import { type Parsed, parseCount } from './units.ts'

/** What the name of a backend looks like: it becomes part of tool names, paths and metrics. */
export const BACKEND_NAME: RegExp = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/

/** Names that the gateway keeps for itself: its own tools are called `gateway_…`. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set(['gateway'])

/** The name of a backend. */
export const backendName: z.ZodType<string, string> = z
  .string()
  .check((context) => {
    const name = context.value
    if (RESERVED_NAMES.has(name)) {
      context.issues.push({
        code: 'custom',
        message: `the name ${name} is reserved for the gateway itself`,
        input: name,
      })
    } else if (!BACKEND_NAME.test(name)) {
      const message = 'expected a name of 1 to 32 letters, digits, _ and -, starting with a letter or digit'
      context.issues.push({ code: 'custom', message, input: name })
    }
  })
  .meta({ pattern: BACKEND_NAME.source })

const common = {
  era: choice(
    ['auto', 'modern', 'legacy'],
    'Protocol era of the server: modern (2026-07-28 on), legacy (before), or auto to find out.',
  ).prefault('auto'),
  isolation: choice(
    ['shared', 'principal', 'session'],
    'Who shares a session or process of a legacy or stdio backend.',
  ).prefault('principal'),
  interactive: choice(
    ['concurrent', 'serial'],
    'Whether interactive calls of one session run side by side or one at a time.',
  ).prefault('concurrent'),
  maxSessions: leaf((found) => parseCount(found, 1, 100_000), {
    anyOf: [{ type: 'integer', minimum: 1, maximum: 100_000 }, textSchema('^\\d+$')],
    description: 'Sessions or processes of this backend at once.',
  }).prefault(100),
  integrity: backendIntegrity,
  ...resilienceShape,
}

/** RFC 9110 §5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Headers that the gateway sets itself, because they belong to the connection or the protocol. */
const OWN_HEADER =
  /^(host|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|content-length|content-type|accept|accept-encoding|last-event-id|mcp-.*)$/i

const headerName = z.string().check((context) => {
  const name = context.value
  const message = TOKEN.test(name)
    ? OWN_HEADER.test(name) && `the header ${name} is set by the gateway itself`
    : 'expected the name of a header'
  if (message !== false) context.issues.push({ code: 'custom', message, input: name })
})

const headerValue = leaf(
  (found): Parsed<string> => {
    if (typeof found !== 'string') return { expected: 'expected text (put numbers in quotes)' }
    // RFC 9110 §5.5: visible characters, spaces and tabs, without white space at the ends.
    return /^[\t\x20-\x7e\x80-\xff]*$/.test(found) && found.trim() === found
      ? { value: found }
      : { expected: 'expected a header value: one line, no white space at its ends' }
  },
  { type: 'string' },
)

const variableName = z.string().check((context) => {
  if (/^[^=\0]+$/.test(context.value)) return
  context.issues.push({
    code: 'custom',
    message: 'expected the name of an environment variable',
    input: context.value,
  })
})

const plainText = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && !found.includes('\0')
      ? { value: found }
      : { expected: 'expected text (put numbers, true and false in quotes)' },
  { type: 'string' },
)

/** Whatever is spoken over HTTP. */
const wire = {
  headers: z
    .record(headerName, headerValue)
    .prefault({})
    .meta({ description: 'Headers sent with every request, such as Authorization: Bearer ${TOKEN}.' }),
  connections: leaf((found) => parseCount(found, 1, 10_000), {
    anyOf: [{ type: 'integer', minimum: 1, maximum: 10_000 }, textSchema('^\\d+$')],
    description: 'Connections at once, to each endpoint.',
  }).prefault(128),
  warm: leaf((found) => parseCount(found, 0, 100), {
    anyOf: [{ type: 'integer', minimum: 0, maximum: 100 }, textSchema('^\\d+$')],
    description:
      'Connections kept open ahead of need, to each endpoint. Default 1 for https, where opening one takes long, and 0 for http.',
  }).optional(),
  balance,
  ejection,
  slowStart,
  keepAlive,
  health: httpHealth,
  signing: signing.optional(),
}

const httpCommon = {
  transport: choice(['http'], 'Stated for readers; a url means http.').prefault('http'),
  ...common,
  ...wire,
}

const httpBackend = mapping({ url: urls, ...httpCommon }).meta({ title: 'HTTP backend' })

const httpBackendOfEndpoints = mapping({ endpoints, ...httpCommon }).meta({
  title: 'HTTP backend with weighted endpoints',
})

const stdioBackend = mapping({
  command: words('Program to start; it speaks MCP on its standard streams. No shell is involved.'),
  transport: choice(['stdio'], 'Stated for readers; a command means stdio.').prefault('stdio'),
  args: z.array(plainText).prefault([]).meta({ description: 'Arguments of the command.' }),
  env: z.record(variableName, plainText).prefault({}).meta({
    description:
      'Environment variables added to a minimal environment; the server does not see those of the gateway.',
  }),
  cwd: words('Working directory, relative to the folder of this file.').prefault('.'),
  ...common,
  health: stdioHealth,
}).meta({ title: 'stdio backend' })

const restBackend = mapping({
  rest,
  transport: choice(['rest'], 'Stated for readers; rest means it.').prefault('rest'),
  integrity: backendIntegrity,
  ...resilienceShape,
  ...wire,
}).meta({ title: 'REST backend' })

/** Settings of each form, for telling which of them a setting belongs to. */
export const BACKEND_SETTINGS: Readonly<Record<'http' | 'stdio' | 'rest', readonly string[]>> = {
  http: [...Object.keys(httpBackend.shape), 'endpoints'],
  rest: Object.keys(restBackend.shape),
  stdio: Object.keys(stdioBackend.shape),
}

/** An HTTP backend as it is written, with defaults filled in. */
export type HttpBackendInput = Omit<Written<HttpBackendConfig>, 'url' | 'endpoints'> &
  Omit<EndpointsConfig, 'list'> &
  WrittenEndpoints

/** A REST backend as it is written, with defaults filled in. */
export type RestBackendInput = Omit<
  HttpBackendInput,
  'transport' | 'url' | 'endpoints' | 'era' | 'isolation' | 'interactive' | 'maxSessions'
> & { readonly transport: 'rest'; readonly rest: RestInput }

/** A backend as it is written, with defaults filled in: a URL, or a mapping with `url`, `command` or `rest`. */
export type BackendInput = string | HttpBackendInput | RestBackendInput | Written<StdioBackendConfig>

type Written<T> = Omit<T, 'name' | 'timeout' | 'resilience'> & ResilienceInput

/** A backend that is only its URL, with every default. */
export function backendOfUrl(found: string): HttpBackendInput {
  return httpBackend.parse({ url: found })
}

/** The forms of a backend. The order is known to validate.ts. */
export const backend: z.ZodType<BackendInput> = z.union([
  url,
  httpBackend,
  httpBackendOfEndpoints,
  stdioBackend,
  restBackend,
])
