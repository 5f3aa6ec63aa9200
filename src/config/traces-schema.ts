import { z } from 'zod'
import { choice, count, duration, mapping, ratio, words } from './leaves.ts'
import { keepSecret, otlpShape } from './otlp-schema.ts'
import type { OtlpTracesConfig, TracesConfig } from './telemetry-types.ts'

const otlp: z.ZodType<OtlpTracesConfig> = mapping({
  ...otlpShape,
  interval: duration('Time between two exports.', 100).prefault('5s'),
})
  .check(keepSecret)
  .meta({ description: 'The collector that spans are sent to.' })

/** The `telemetry.traces` section. */
export const traces: z.ZodType<TracesConfig | undefined> = mapping({
  otlp,
  sample: ratio('Part of the traces that begin here and are recorded, such as 0.01 or 1%.').prefault(1),
  parent: choice(
    ['follow', 'ignore'],
    'Whether a caller that is in a trace already decides, or the sample does.',
  ).prefault('follow'),
  baggage: z
    .array(words('Name of a backend; * stands for any characters.'))
    .prefault([])
    .meta({ description: 'Backends that are told the baggage of callers, which may say who they are.' }),
  queue: count('Spans that may wait to be sent; further ones are dropped.', 1_000_000).prefault(4096),
  arguments: z.boolean().prefault(false).meta({ description: 'Tells arguments of tools, redacted.' }),
  results: z.boolean().prefault(false).meta({ description: 'Tells results of tools, redacted.' }),
})
  .optional()
  .meta({ description: 'Sends spans of calls to a collector by OTLP; nothing is traced if left out.' })
