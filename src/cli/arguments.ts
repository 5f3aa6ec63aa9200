import { nearest } from '../config/nearest.ts'
import { JsonSyntaxError, rawOf, scanJson } from '../protocol/json.ts'
import { CliError } from './io.ts'

type Schema = Readonly<Record<string, unknown>>

/** JSON's own grammar of numbers: what matches is sent as it was typed. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/**
 * The arguments of a call as raw JSON.
 *
 * @param inputSchema decides how a text is understood: numbers, booleans and JSON where the tool wants them
 * @param given `name=value` each; for a list, a name may come several times
 * @param json an object whose members `given` overrides
 * @throws CliError that names the argument
 */
export function encodeArguments(
  inputSchema: unknown,
  given: readonly string[],
  json: string | undefined,
): string {
  const members = new Map(json === undefined ? [] : parseObject(json))
  for (const [name, values] of grouped(given)) {
    members.set(name, encodeValue(name, values, propertyOf(inputSchema, name)))
  }
  return `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`
}

function parseObject(json: string): readonly (readonly [string, string])[] {
  try {
    const node = scanJson(json)
    if (node.kind === 'object') return (node.members ?? []).map(({ key, value }) => [key, rawOf(json, value)])
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    throw new CliError(`--args-json is not valid JSON: ${error.message}`)
  }
  throw new CliError('--args-json must be a JSON object, such as {"org":"acme"}')
}

function grouped(given: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, readonly string[]>()
  for (const each of given) {
    const equals = each.indexOf('=')
    if (equals < 1) throw new CliError(`--arg ${each}: expected name=value`)
    const name = each.slice(0, equals)
    groups.set(name, [...(groups.get(name) ?? []), each.slice(equals + 1)])
  }
  return groups
}

/** The schema of an argument; undefined where the tool leaves it open. */
function propertyOf(inputSchema: unknown, name: string): Schema | undefined {
  if (!isSchema(inputSchema)) return undefined
  const properties = isSchema(inputSchema['properties']) ? inputSchema['properties'] : {}
  if (Object.hasOwn(properties, name)) {
    const property = properties[name]
    return isSchema(property) ? property : undefined
  }
  if (inputSchema['additionalProperties'] !== false) return undefined
  const names = Object.keys(properties)
  const meant = nearest(name, names)
  throw new CliError(
    `--arg ${name}: the tool has no such argument${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    names.length === 0 ? 'It takes no arguments.' : `It takes ${names.join(', ')}.`,
  )
}

function encodeValue(name: string, values: readonly string[], schema: Schema | undefined): string {
  const types = typesOf(schema)
  const [first = ''] = values
  if (types.includes('array') && !first.trimStart().startsWith('[')) {
    const items = isSchema(schema?.['items']) ? schema['items'] : undefined
    return `[${values.map((value) => encodeValue(name, [value], items)).join(',')}]`
  }
  if (values.length > 1)
    throw new CliError(`--arg ${name} is given ${values.length} times, but it is no list`)
  const encoded = encodeOne(first, types)
  if (encoded !== undefined) return encoded
  throw new CliError(`--arg ${name}: expected ${types.join(' or ')}; found ${JSON.stringify(first)}`)
}

/** The text as one of the types, or undefined if it is none of them. */
function encodeOne(text: string, types: readonly string[]): string | undefined {
  if (types.length === 0) return JSON.stringify(text)
  if (types.includes('integer') && NUMBER.test(text) && Number.isInteger(Number(text))) return text
  if (types.includes('number') && NUMBER.test(text)) return text
  if (types.includes('boolean') && (text === 'true' || text === 'false')) return text
  if (types.includes('null') && text === 'null') return text
  const json = types.includes('object') || types.includes('array') ? compound(text, types) : undefined
  return json ?? (types.includes('string') ? JSON.stringify(text) : undefined)
}

function compound(text: string, types: readonly string[]): string | undefined {
  try {
    const node = scanJson(text)
    return types.includes(node.kind) ? rawOf(text, node) : undefined
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined
    throw error
  }
}

/** The JSON types that a schema allows, as far as `type`, `enum`, `const` and alternatives say; empty: any. */
function typesOf(schema: Schema | undefined): readonly string[] {
  if (schema === undefined) return []
  const type = schema['type']
  if (typeof type === 'string') return [type]
  if (Array.isArray(type)) return type.filter((each) => typeof each === 'string')
  const values = Array.isArray(schema['enum'])
    ? (schema['enum'] as readonly unknown[])
    : 'const' in schema
      ? [schema['const']]
      : []
  if (values.length > 0) return [...new Set(values.map(typeOf))]
  const alternatives = schema['anyOf'] ?? schema['oneOf']
  return Array.isArray(alternatives) ? [...new Set(alternatives.filter(isSchema).flatMap(typesOf))] : []
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
