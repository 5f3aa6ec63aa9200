import { z } from 'zod'
import { duration, leaf, textSchema } from './leaves.ts'
import { isLoopback } from './listen.ts'
import type { OtlpConfig } from './telemetry-types.ts'
import type { Parsed } from './units.ts'

const header = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && /^[\t\x20-\x7e\x80-\xff]*$/.test(found)
      ? { value: found }
      : { expected: 'expected text that fits into a header' },
  { type: 'string' },
)

/** Names of header fields (RFC 9110 §5.1). */
const headerName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'expected the name of a header')

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
export const otlpShape: { readonly [Key in keyof OtlpConfig]: z.ZodType<OtlpConfig[Key]> } = {
  endpoint,
  headers: z
    .record(headerName, header)
    .prefault({})
    .meta({ description: 'Sent with every request, such as a key for the collector.' }),
  timeout: duration('How long one request may take.', 1).prefault('10s'),
}

/** Headers hold keys: they go where nobody reads them on the way, or not at all. */
export function keepSecret({ value, issues }: z.core.ParsePayload<OtlpConfig>): void {
  const url = URL.parse(value.endpoint)
  const isExposed = url?.protocol === 'http:' && !isLoopback(url.hostname.replace(/^\[|\]$/g, ''))
  if (!isExposed || Object.keys(value.headers).length === 0) return
  const message = 'expected an https:// URL, because headers are sent that others could read on the way'
  issues.push({ code: 'custom', message, input: value.endpoint, path: ['endpoint'] })
}
