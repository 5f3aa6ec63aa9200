import { promLabel } from './definitions.ts'

/** Attributes of a point, made once and kept with what it counts. */
export interface Labels {
  /** As OpenTelemetry has them. */
  readonly attributes: readonly Attribute[]
  /** As Prometheus has them, without the braces around them. */
  readonly text: string
}

/** Name and value of an attribute. */
export type Attribute = readonly [name: string, value: string | number]

/** The attributes that have a value. */
export function labelsOf(attributes: readonly (readonly [string, string | number | undefined])[]): Labels {
  const known = attributes.filter((one): one is Attribute => one[1] !== undefined)
  const text = known.map(([name, value]) => `${promLabel(name)}="${escapeLabel(String(value))}"`).join(',')
  return { attributes: known, text }
}

/** Nothing to tell apart. */
export const NO_LABELS: Labels = { attributes: [], text: '' }

/** Prometheus exposition formats, "Comments, help text, and type information": what has to be escaped in a value. */
function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
