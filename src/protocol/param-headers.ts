import { decodeHeaderValue, encodeHeaderValue } from './headers.ts'
import { DEFAULT_MAX_DEPTH } from './json.ts'

/** A parameter of a tool that HTTP mirrors in a header (`x-mcp-header`; 2026-07-28, basic/transports/streamable-http). */
export interface ParamHeader {
  /** The whole header name in lower case, such as `mcp-param-region`. */
  readonly header: string
  /** The chain of `properties` keys from the root of the arguments to the value. */
  readonly path: readonly string[]
  readonly type: 'string' | 'integer' | 'boolean'
}

/** The mirrored parameters of a tool, or why its definition is invalid and the tool must not be listed. */
export type ParamHeaders =
  | { readonly ok: true; readonly headers: readonly ParamHeader[] }
  | { readonly ok: false; readonly reason: string }

const ANNOTATION = 'x-mcp-header'

/** RFC 9110 section 5.1. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Keywords whose members are named by the author, so that `x-mcp-header` there is a name and no annotation. */
const NAMED_SCHEMAS: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  'dependentSchemas',
  'dependencies',
  '$defs',
  'definitions',
])

/** Keywords that hold examples of arguments, where `x-mcp-header` is data. */
const INSTANCES: ReadonlySet<string> = new Set(['default', 'const', 'enum', 'examples'])

/** Values looked at per schema, and nesting of it, beyond which a definition counts as invalid. */
const MAX_VALUES = 100_000
const MAX_DEPTH = DEFAULT_MAX_DEPTH

/**
 * Reads the annotations of a tool's input schema and checks every constraint on them (2026-07-28,
 * basic/transports/streamable-http "Schema Extension"). An annotation that is not reached from the root through
 * `properties` alone makes the definition invalid, wherever else it stands.
 *
 * @param inputSchema the schema as parsed JSON; anything but an object has no annotations
 */
export function readParamHeaders(inputSchema: unknown): ParamHeaders {
  const walk: Walk = { headers: new Map(), left: MAX_VALUES }
  try {
    walkSchema(walk, inputSchema, { path: [], depth: 0 })
  } catch (error) {
    if (!(error instanceof InvalidAnnotation)) throw error
    return { ok: false, reason: error.message }
  }
  return { ok: true, headers: [...walk.headers.values()] }
}

class InvalidAnnotation extends Error {}

interface Walk {
  readonly headers: Map<string, ParamHeader>
  left: number
}

interface Place {
  /** The chain of `properties` keys, or undefined once it has passed through anything else. */
  readonly path: readonly string[] | undefined
  readonly depth: number
}

function walkSchema(walk: Walk, schema: unknown, { path, depth }: Place): void {
  if (--walk.left < 0) throw new InvalidAnnotation('The input schema is too large')
  if (depth > MAX_DEPTH) throw new InvalidAnnotation('The input schema is nested too deeply')
  if (Array.isArray(schema)) {
    for (const item of schema) walkSchema(walk, item, { path: undefined, depth: depth + 1 })
  }
  if (!isObject(schema)) return
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === ANNOTATION) annotate(walk, schema, path)
    else if (NAMED_SCHEMAS.has(keyword) && isObject(value)) {
      const through = keyword === 'properties' ? path : undefined
      for (const [name, child] of Object.entries(value)) {
        walkSchema(walk, child, { path: through && [...through, name], depth: depth + 2 })
      }
    } else if (!INSTANCES.has(keyword)) walkSchema(walk, value, { path: undefined, depth: depth + 1 })
  }
}

function annotate(walk: Walk, schema: Readonly<Record<string, unknown>>, path: Place['path']): void {
  const name = schema[ANNOTATION]
  const type = schema['type']
  if (path === undefined || path.length === 0) {
    throw new InvalidAnnotation(`${ANNOTATION} stands where "properties" alone do not lead`)
  }
  const place = JSON.stringify(path.join('.'))
  if (typeof name !== 'string' || !TOKEN.test(name)) {
    throw new InvalidAnnotation(`${ANNOTATION} of ${place} is no header name`)
  }
  if (type !== 'string' && type !== 'integer' && type !== 'boolean') {
    throw new InvalidAnnotation(`${ANNOTATION} of ${place} needs the type string, integer or boolean`)
  }
  const header = `mcp-param-${name.toLowerCase()}`
  if (walk.headers.has(header)) throw new InvalidAnnotation(`${ANNOTATION} "${name}" stands there twice`)
  walk.headers.set(header, { header, path, type })
}

/**
 * What each header mirrors, before encoding. Undefined where there is nothing to mirror: no value, null, or a
 * value of another type than declared (integers: safe ones only), which is for whoever validates arguments.
 */
export function paramValues(
  args: unknown,
  headers: readonly ParamHeader[],
): readonly { readonly header: string; readonly value: string | undefined }[] {
  return headers.map(({ header, path, type }) => {
    const value = valueAt(args, path)
    return { header, value: isOfType(value, type) ? String(value) : undefined }
  })
}

/** The headers that a `tools/call` with these arguments carries, encoded (same page, "Client Behavior"). */
export function buildParamHeaders(
  args: unknown,
  headers: readonly ParamHeader[],
): Readonly<Record<string, string>> {
  const built: Record<string, string> = {}
  for (const { header, value } of paramValues(args, headers)) {
    if (value !== undefined) built[header] = encodeHeaderValue(value)
  }
  return built
}

/**
 * Checks that headers and arguments agree (same page, "Server Behavior for Custom Headers"); integers are
 * compared as numbers. A header without a value in the body is refused as well: whoever routed by it was told
 * something that the call does not say. So is a header whose value is of another type than declared, unless
 * it says the same.
 *
 * @param lookup finds a received field value by lower-case name
 * @returns what disagrees, without the values, which may be secret; undefined when all is well
 */
export function checkParamHeaders(
  args: unknown,
  headers: readonly ParamHeader[],
  lookup: (lowerCaseName: string) => string | undefined,
): string | undefined {
  for (const { header, path, type } of headers) {
    const value = valueAt(args, path)
    const received = lookup(header)
    if (received === undefined) {
      if (isOfType(value, type))
        return `Header mismatch: ${header} is missing, but ${nameOf(path)} has a value`
      continue
    }
    const decoded = decodeHeaderValue(received)
    if (decoded === undefined) return `Header mismatch: ${header} is not correctly encoded`
    if (value === undefined || value === null) {
      return `Header mismatch: ${header} was sent, but ${nameOf(path)} has no value`
    }
    if (!agrees(decoded, value)) return `Header mismatch: ${header} does not match ${nameOf(path)}`
  }
  return undefined
}

/** A decimal whose fraction is zero; only such a header can equal an integer. */
const INTEGER = /^-?\d+(?:\.0+)?$/

function agrees(decoded: string, value: unknown): boolean {
  if (typeof value === 'string') return decoded === value
  if (typeof value === 'boolean') return decoded === String(value)
  if (typeof value !== 'number') return false
  return (
    decoded === String(value) ||
    (INTEGER.test(decoded) && isOfType(value, 'integer') && Number(decoded) === value)
  )
}

function isOfType(value: unknown, type: ParamHeader['type']): value is string | number | boolean {
  return type === 'integer' ? Number.isSafeInteger(value) : typeof value === type
}

/** Own properties only: a path such as `constructor` finds nothing that the caller did not send. */
function valueAt(args: unknown, path: readonly string[]): unknown {
  let value = args
  for (const key of path) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}

function nameOf(path: readonly string[]): string {
  return ['arguments', ...path].join('.')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
