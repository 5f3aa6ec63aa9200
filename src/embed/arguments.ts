import { z } from 'zod'
import type { JsonSchema } from '../backend/builtin/tool.ts'
import { GatewayError } from '../errors.ts'
import { escapeHidden } from '../routing/integrity/hidden.ts'

/** JSON Schema of one argument, as the gateway pattern writes it, and whether it may be left out. */
export interface ArgumentSchema {
  readonly type?: string
  readonly description?: string
  /** Taken where the argument is left out, which it then may be. */
  readonly default?: unknown
  /** True where the argument may be left out. Not part of JSON Schema, and not shown to clients. */
  readonly optional?: boolean
  readonly [keyword: string]: unknown
}

/** The arguments of a tool by name. */
export type ArgumentSchemas = Readonly<Record<string, ArgumentSchema>>

/** Members of a schema at most, over all its depths. */
const MAX_SCHEMA = 262_144

/** Problems that a refusal names. */
const MAX_PROBLEMS = 5

/**
 * The schema of arguments of which each is described by itself: all are required but those that are `optional` or have a
 * default, and there are no others.
 */
export function schemaOf(args: ArgumentSchemas): JsonSchema {
  const entries = Object.entries(args)
  const isRequired = ([, { optional, default: preset }]: (typeof entries)[number]): boolean =>
    optional !== true && preset === undefined
  const properties = entries.map(([name, argument]) => {
    const { optional: _, ...schema } = argument
    return [name, schema] as const
  })
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    required: entries.filter(isRequired).map(([name]) => name),
    additionalProperties: false,
  }
}

/** Checks arguments, fills in defaults, and refuses what does not fit. */
export type ArgumentReader = (args: unknown) => Readonly<Record<string, unknown>>

/**
 * Compiles a schema.
 *
 * @returns a reader that throws GatewayError INVALID_PARAMS naming what is wrong
 * @throws TypeError for a schema that is none, is too large, or holds keywords that are not checked here
 */
export function argumentReader(tool: string, schema: JsonSchema): ArgumentReader {
  const text = JSON.stringify(schema)
  if (schema.type !== 'object' || text.length > MAX_SCHEMA)
    throw new TypeError(`The schema of ${tool} must be of type object, and at most ${MAX_SCHEMA} characters`)
  const checked = compile(tool, JSON.parse(text) as z.core.JSONSchema.JSONSchema)
  return (args) => {
    const result = checked.safeParse(args)
    if (result.success) return result.data as Readonly<Record<string, unknown>>
    throw new GatewayError('INVALID_PARAMS', `Invalid arguments for ${tool}: ${problems(result.error)}`)
  }
}

function compile(tool: string, schema: z.core.JSONSchema.JSONSchema): z.ZodType {
  try {
    return z.fromJSONSchema(schema)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new TypeError(`The schema of ${tool} cannot be checked: ${reason}`, { cause: error })
  }
}

/** Names of arguments come from the caller: they are shortened, and what nobody sees in them is made visible. */
function problems({ issues }: z.ZodError): string {
  const shown = issues.slice(0, MAX_PROBLEMS).map(({ path, message }) => {
    const place = path.map(String).join('.')
    return escapeHidden((place === '' ? message : `${place}: ${message}`).slice(0, 200))
  })
  const more = issues.length - shown.length
  return more > 0 ? `${shown.join('; ')}; and ${more} more` : shown.join('; ')
}

/** What TypeScript knows of one argument by its schema. */
type ArgumentOf<A> = A extends { readonly enum: readonly (infer E)[] }
  ? E
  : A extends { readonly type: 'string' }
    ? string
    : A extends { readonly type: 'number' | 'integer' }
      ? number
      : A extends { readonly type: 'boolean' }
        ? boolean
        : A extends { readonly type: 'array' }
          ? readonly unknown[]
          : A extends { readonly type: 'object' }
            ? Readonly<Record<string, unknown>>
            : unknown

/** The arguments that may be missing. */
type Missing<S> = {
  [Name in keyof S]: S[Name] extends { readonly default: unknown }
    ? never
    : S[Name] extends { readonly optional: true }
      ? Name
      : never
}[keyof S]

/** The arguments of a handler, as their schemas say. */
export type ArgumentsOf<S extends ArgumentSchemas> = {
  readonly [Name in Exclude<keyof S, Missing<S>>]: ArgumentOf<S[Name]>
} & { readonly [Name in Missing<S>]?: ArgumentOf<S[Name]> }
