import { configJsonSchema, type JsonSchema } from './json-schema.ts'
import type { ConfigTree } from './load.ts'
import type { Origin } from './merge.ts'
import type { ConfigPath } from './problem.ts'
import { isKnownPath, itemSchema, mappingForm, memberSchema } from './schema-forms.ts'
import { isMapping } from './tree.ts'

/** Where something was written. */
export interface Place {
  /** The name of the file as it was given. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** Counted from 1. */
  readonly column: number
  /** The environment whose overlay it stands in; undefined for what holds in all of them. */
  readonly environment?: string
}

/** One setting, and where its value comes from. */
export type Explained =
  | {
      readonly kind: 'written'
      readonly path: ConfigPath
      /** May be secret. */
      readonly value: unknown
      /** What it refers to, such as `NAME` or `file:/run/secrets/x`: then it is secret. */
      readonly sources: readonly string[]
      readonly place: Place
      /** What it stands instead of, the last one first. */
      readonly instead: readonly Place[]
    }
  | { readonly kind: 'default'; readonly path: ConfigPath; readonly value: unknown }
  /** A `null` took away what was there. */
  | { readonly kind: 'removed'; readonly path: ConfigPath; readonly place: Place }

/** What is known about a path. */
export interface Explanation {
  /** The settings at the path and beneath it; empty for what is not set and has no default. */
  readonly settings: readonly Explained[]
  /** True if a setting may stand there. */
  readonly isKnown: boolean
}

/**
 * Says where the value at a path and each value beneath it come from: which file, which environment, or a default. A list
 * of single values is one setting. The path may lead to what is written in short: the `url` of a backend that is only a
 * URL.
 */
export function explain(tree: ConfigTree, path: ConfigPath): Explanation {
  const schema = configJsonSchema()
  const settings = [
    ...written(tree, { value: tree.resolved.value, schema, path: [] }),
    ...tree.merged.removals.map(({ path: gone, origin }): Explained => ({
      kind: 'removed',
      path: gone,
      place: placeOf(origin),
    })),
  ]
  const within = settings.filter((setting) => path.every((key, index) => setting.path[index] === key))
  return { settings: within, isKnown: within.length > 0 || isKnownPath(schema, tree.resolved.value, path) }
}

/** A value with what describes it. */
interface Described {
  readonly value: unknown
  readonly schema: JsonSchema | undefined
  readonly path: ConfigPath
}

function written(tree: ConfigTree, { value, schema, path }: Described): readonly Explained[] {
  if (isMapping(value)) return members(tree, { value, schema, path })
  if (path.length === 2 && path[0] === 'backends' && typeof value === 'string')
    return shortBackend(tree, { value, schema, path })
  if (Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null)) {
    const items = schema === undefined ? undefined : itemSchema(schema)
    return value.flatMap((item: unknown, index) =>
      written(tree, { value: item, schema: items, path: [...path, index] }),
    )
  }
  return [writtenSetting(tree, { value, path, writtenAt: path })]
}

function members(
  tree: ConfigTree,
  { value, schema, path }: Described & { readonly value: Readonly<Record<string, unknown>> },
): readonly Explained[] {
  const keys = Object.keys(value)
  const form = schema === undefined ? undefined : mappingForm(schema, keys)
  const present = keys.flatMap((key) =>
    written(tree, {
      value: value[key],
      schema: form === undefined ? undefined : memberSchema(form, key),
      path: [...path, key],
    }),
  )
  return [...present, ...(form === undefined ? [] : defaultMembers(form, keys, path))]
}

/** A backend that is only a URL has the defaults of any other. */
function shortBackend(tree: ConfigTree, { value, schema, path }: Described): readonly Explained[] {
  const form = schema === undefined ? undefined : mappingForm(schema, ['url'])
  return [
    writtenSetting(tree, { value, path: [...path, 'url'], writtenAt: path }),
    ...(form === undefined ? [] : defaultMembers(form, ['url'], path)),
  ]
}

function writtenSetting(
  { merged, resolved }: ConfigTree,
  {
    value,
    path,
    writtenAt,
  }: { readonly value: unknown; readonly path: ConfigPath; readonly writtenAt: ConfigPath },
): Explained {
  const [origin, ...before] = merged.writersOf(writtenAt)
  if (origin === undefined) throw new TypeError('every value has a writer')
  const items = Array.isArray(value) ? value.map((_, index) => [...writtenAt, index]) : []
  return {
    kind: 'written',
    path,
    value,
    sources: [writtenAt, ...items].flatMap((place) => resolved.sourcesAt(place)),
    place: placeOf(origin),
    instead: before.map(placeOf),
  }
}

function placeOf({ layer, path }: Origin): Place {
  const { file, line, column } = layer.locate({ path, message: '' })
  const { environment } = layer
  return { file, line, column, ...(environment === undefined ? {} : { environment }) }
}

function defaultMembers(
  form: JsonSchema,
  present: readonly string[],
  path: ConfigPath,
): readonly Explained[] {
  const properties = isMapping(form['properties']) ? form['properties'] : {}
  return Object.entries(properties).flatMap(([key, schema]) =>
    present.includes(key) ? [] : defaults(schema as JsonSchema, [...path, key]),
  )
}

function defaults(schema: JsonSchema, path: ConfigPath): readonly Explained[] {
  const value = schema['default']
  if (value === undefined) return []
  const form = isMapping(value) ? mappingForm(schema, Object.keys(value)) : undefined
  if (!isMapping(value) || form === undefined || !('properties' in form))
    return [{ kind: 'default', path, value }]
  const own = Object.entries(value).map(([key, each]): Explained => ({
    kind: 'default',
    path: [...path, key],
    value: each,
  }))
  return [...own, ...defaultMembers(form, Object.keys(value), path)]
}
