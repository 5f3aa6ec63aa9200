import { z } from 'zod'
import { accessLog } from './access-log-schema.ts'
import { choice, count, duration, leaf, mapping, off, section } from './leaves.ts'
import { keepSecret, otlpShape } from './otlp-schema.ts'
import { redact } from './redact-schema.ts'
import type { MetricsConfig, OtlpMetricsConfig, TelemetryConfig } from './telemetry-types.ts'
import { traces } from './traces-schema.ts'
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

const attribute = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && found !== '' && found.length <= 255
      ? { value: found }
      : { expected: 'expected text of at most 255 characters' },
  { type: 'string' },
)

/** Attributes are named in parts, such as `deployment.environment.name`. */
const attributeName = z
  .string()
  .regex(/^[a-z][a-z0-9_.]{0,127}$/, 'expected the name of an attribute, such as deployment.environment.name')

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
    traces,
    accessLog,
    redact,
  },
  'What the gateway tells about itself and its calls.',
)
