import { z } from 'zod'
import { choice, count, duration, leaf, mapping, off, section, textSchema } from './leaves.ts'
import { isLoopback } from './listen.ts'
import type { MetricsConfig, OtlpConfig, OtlpMetricsConfig, TelemetryConfig } from './telemetry-types.ts'
import type { Parsed } from './units.ts'

/** What must be written to let everybody who reaches the admin listener read the metrics. */
export const SCRAPE_CONSENT = 'i-understand-that-anyone-who-reaches-the-admin-listener-can-read-every-metric'

/** Shortest token: what nobody guesses, in characters. */
const SHORTEST_TOKEN = 16

const token = leaf(
  (found): Parsed<string> =>
    // RFC 6750 §2.1 "b64token"
    typeof found === 'string' && found.length >= SHORTEST_TOKEN && /^[\w.~+/-]+=*$/.test(found)
      ? { value: found }
      : { expected: `expected at least ${SHORTEST_TOKEN} letters, digits, -, ., _, ~, + and /` },
  { type: 'string', description: 'Opens /metrics and nothing else, such as ${env:SCRAPE_TOKEN}.' },
)

const header = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(found)
      ? { value: found }
      : { expected: 'expected text that fits into a header' },
  { type: 'string' },
)

const attribute = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && found !== '' && found.length <= 255
      ? { value: found }
      : { expected: 'expected text of at most 255 characters' },
  { type: 'string' },
)

/** Names of header fields (RFC 9110 §5.1). */
const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'expected the name of a header')
/** Attributes are named in parts, such as `deployment.environment.name`. */
const attributeName = z
  .string()
  .regex(/^[a-z][a-z0-9_.]{0,127}$/, 'expected the name of an attribute, such as deployment.environment.name')

const endpoint = leaf(
  (found): Parsed<string> => {
    const expected = 'expected an http:// or https:// URL without user, query and fragment'
    if (typeof found !== 'string' || /[?#\s]/.test(found)) return { expected }
    const url = URL.parse(found)
    const fits = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
    return fits ? { value: found.replace(/\/+$/, '') } : { expected }
  },
  {
    ...textSchema('^https?://[^?#]+$'),
    description: 'OTLP over HTTP: the collector without /v1/…, such as ${env:OTEL_EXPORTER_OTLP_ENDPOINT}.',
  },
)

/** Where a signal is sent by OTLP: every signal has these settings, and its own beside them. */
const otlpShape = {
  endpoint,
  headers: z
    .record(headerName, header)
    .prefault({})
    .meta({ description: 'Sent with every request, such as a key for the collector.' }),
  timeout: duration('How long one request may take.', 1).prefault('10s'),
} satisfies { readonly [Key in keyof OtlpConfig]: z.ZodType<OtlpConfig[Key]> }

/** Headers hold keys: they go where nobody reads them on the way, or not at all. */
function keepSecret({ value, issues }: z.core.ParsePayload<OtlpConfig>): void {
  const url = URL.parse(value.endpoint)
  const isExposed = url?.protocol === 'http:' && !isLoopback(url.hostname.replace(/^\[|\]$/g, ''))
  if (!isExposed || Object.keys(value.headers).length === 0) return
  const message = 'expected an https:// URL, because headers are sent that others could read on the way'
  issues.push({ code: 'custom', message, input: value.endpoint, path: ['endpoint'] })
}

const otlpMetrics: z.ZodType<OtlpMetricsConfig> = mapping({
  ...otlpShape,
  interval: duration('Time between two exports.', 1000).prefault('60s'),
})
  .check(keepSecret)
  .meta({ description: 'Sends the metrics to a collector too.' })

const METRICS = 'What is counted and measured, and who may read it; off measures nothing.'

const metrics: z.ZodType<MetricsConfig | undefined> = z
  .union([
    off,
    section(
      {
        maxTools: count(
          'Tools and prompts with series of their own; further ones are _OTHER.',
          100_000,
        ).prefault(2000),
        token: token.optional(),
        allowUnauthenticatedScrape: choice(
          [SCRAPE_CONSENT],
          'Lets everybody who reaches the admin listener read /metrics.',
        ).optional(),
        otlp: otlpMetrics.optional(),
      },
      METRICS,
    ).transform(({ token: secret, allowUnauthenticatedScrape, otlp, ...rest }) => ({
      ...rest,
      token: secret,
      open: allowUnauthenticatedScrape !== undefined,
      otlp,
    })),
  ])
  .prefault({})
  .meta({ description: METRICS })

/** The `telemetry` section. */
export const telemetry: z.ZodType<TelemetryConfig> = section(
  {
    resource: z
      .record(attributeName, attribute)
      .prefault({})
      .meta({ description: 'Attributes of this gateway in OpenTelemetry, such as service.name.' }),
    metrics,
  },
  'What the gateway tells about itself and its calls.',
)
