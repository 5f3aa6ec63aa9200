import { DURATION_BOUNDS } from '../conventions.ts'
import { openMetricsUnit, prometheusName } from './definitions.ts'
import type { Family, Point } from './families.ts'

/** A format in which metrics can be read. */
export type Format = 'text' | 'openmetrics'

/** Media types of the formats: Prometheus text 0.0.4, and OpenMetrics 1.0. */
export const CONTENT_TYPE: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/**
 * The format that an `Accept` header asks for: OpenMetrics for whoever names it and does not like text better, text for
 * everybody else (RFC 9110 §12.5.1).
 */
export function formatFor(accept: string | undefined): Format {
  let [best, weight]: [Format, number] = ['text', 0]
  for (const part of (accept ?? '').slice(0, 1000).split(',')) {
    const [type = '', ...parameters] = part.split(';').map((each) => each.trim().toLowerCase())
    const format = formatOf(type, parameters)
    const written = parameters.find((each) => each.startsWith('q='))?.slice(2)
    const q = written === undefined ? 1 : Number(written)
    // At the same weight the first that is named is taken.
    if (format !== undefined && q > weight) [best, weight] = [format, q]
  }
  return best
}

function formatOf(type: string, parameters: readonly string[]): Format | undefined {
  const version = parameters.find((each) => each.startsWith('version='))?.slice(8)
  if (type === 'application/openmetrics-text')
    return version === undefined || version.startsWith('1.') ? 'openmetrics' : undefined
  if (type === 'text/plain') return version === undefined || version === '0.0.4' ? 'text' : undefined
  return type === '*/*' || type === 'text/*' ? 'text' : undefined
}

/** Characters after which a piece of text is given out. */
const PIECE = 32_768

/** The metrics as text, in pieces, so that whoever writes them can let others have a turn between two. */
export function* exposition(families: Iterable<Family>, format: Format): Generator<string> {
  let text = ''
  for (const family of families) {
    let isFirst = true
    const name = prometheusName(family.definition)
    for (const point of family.points) {
      if (isFirst) text += head(family, name, format)
      isFirst = false
      text += lines(family, name, point)
      if (text.length < PIECE) continue
      yield text
      text = ''
    }
  }
  yield format === 'openmetrics' ? `${text}# EOF\n` : text
}

function head({ definition }: Family, name: string, format: Format): string {
  const { kind, description } = definition
  // Only OpenMetrics knows families of counters by another name than their samples.
  const family = kind === 'counter' && format === 'text' ? `${name}_total` : name
  const unit = format === 'openmetrics' ? openMetricsUnit(definition) : undefined
  const units = unit === undefined ? '' : `# UNIT ${family} ${unit}\n`
  return `# HELP ${family} ${description}\n# TYPE ${family} ${kind}\n${units}`
}

const LE = DURATION_BOUNDS.map((bound) => `le="${numberText(bound)}"`)

function lines({ definition }: Family, name: string, point: Point): string {
  const { text } = point.labels
  if (!('distribution' in point)) {
    const sample = definition.kind === 'counter' ? `${name}_total` : name
    return `${sample}${braces(text)} ${valueText(point.value)}\n`
  }
  const { buckets, sum } = point.distribution
  const before = text === '' ? `${name}_bucket{` : `${name}_bucket{${text},`
  let below = 0
  let all = ''
  for (let index = 0; index < LE.length; index++) {
    below += buckets[index] ?? 0
    all += `${before}${LE[index]}} ${below}\n`
  }
  below += buckets[LE.length] ?? 0
  return `${all}${before}le="+Inf"} ${below}\n${name}_sum${braces(text)} ${valueText(sum)}\n${name}_count${braces(text)} ${below}\n`
}

function braces(text: string): string {
  return text === '' ? '' : `{${text}}`
}

/** Bounds as OpenMetrics writes them, and Prometheus since 3.0 reads them in either format: always with a point. */
function numberText(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}

function valueText(value: number): string {
  return Number.isFinite(value) ? String(value) : 'NaN'
}
