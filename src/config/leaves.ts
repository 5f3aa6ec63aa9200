import { z } from 'zod'
import { type Parsed, parseCount, parseDuration, parseRatio, parseShare } from './units.ts'

/** A mapping with a fixed set of settings. Its issue about unknown keys carries the known ones as its message. */
export function mapping<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(', ') : undefined),
  })
}

/** A mapping that may be left out or empty, and then has its defaults. */
export function section<Shape extends z.ZodRawShape>(
  shape: Shape,
  description: string,
): z.ZodType<z.output<z.ZodObject<Shape, z.core.$strict>>> {
  return z
    .preprocess((found) => found ?? {}, mapping(shape))
    .prefault({})
    .meta({ description })
}

/** JSON Schema of a text that may be a reference instead: editors see the file before references are replaced. */
export function textSchema(pattern: string | undefined): Readonly<Record<string, unknown>> {
  return pattern === undefined ? { type: 'string' } : { type: 'string', pattern: `${pattern}|\\$\\{` }
}

/**
 * A single value: `read` turns what was found into a value or says what was expected.
 *
 * @param json how JSON Schema describes it, with a description
 */
export function leaf<T>(
  read: (found: unknown) => Parsed<T>,
  json: Readonly<Record<string, unknown>>,
): z.ZodType<T> {
  const schema = z.unknown().transform((found, context): T => {
    const parsed = read(found)
    if ('value' in parsed) return parsed.value
    context.issues.push({
      code: 'custom',
      message: parsed.expected,
      input: found,
      params: { hint: parsed.hint, words: parsed.words },
    })
    return z.NEVER
  })
  return schema.meta(json)
}

/** One of a few words. */
export function choice<const T extends string>(values: readonly T[], description: string): z.ZodType<T> {
  return leaf<T>(
    (found) => {
      const value = values.find((candidate) => candidate === found)
      return value === undefined ? { expected: `expected ${oneOf(values)}`, words: values } : { value }
    },
    { anyOf: [{ enum: values }, { type: 'string', pattern: '\\$\\{' }], description },
  )
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? (values[0] ?? '') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}

/** A text that is not empty. */
export function words(description: string): z.ZodType<string> {
  return leaf(
    (found) => (typeof found === 'string' && found !== '' ? { value: found } : { expected: 'expected text' }),
    { type: 'string', minLength: 1, description },
  )
}

/** A duration in milliseconds, of at least so many. */
export function duration(description: string, least = 0): z.ZodType<number> {
  const json = { ...textSchema('^\\d+(ms|s|m|h)$'), description }
  return leaf((found) => parseDuration(found, least), json)
}

/** A whole number from 1 on, or from where it is said. */
export function count(description: string, most: number, least = 1): z.ZodType<number> {
  return leaf((found) => parseCount(found, least, most), {
    anyOf: [{ type: 'integer', minimum: least, maximum: most }, textSchema('^\\d+$')],
    description,
  })
}

/** A share of at least so many percent, as a part of 1. */
export function share(description: string, least = 1): z.ZodType<number> {
  return leaf((found) => parseShare(found, least), { ...textSchema('^\\d{1,3}%$'), description })
}

/** A part from 0 to 1, or a percentage. */
export function ratio(description: string): z.ZodType<number> {
  return leaf(parseRatio, {
    anyOf: [{ type: 'number', minimum: 0, maximum: 1 }, textSchema('^(0|1|0?\\.\\d+|\\d{1,3}(\\.\\d+)?%)$')],
    description,
  })
}

/** `off` or false, which switch a section off; it is then undefined. */
export const off: z.ZodType<undefined> = leaf<undefined>(
  (found) =>
    found === false || found === 'off' ? { value: undefined } : { expected: 'expected off, or its settings' },
  { enum: [false, 'off'], description: 'Switched off.' },
)
