/**
 * The tables of settings in `docs/`, made from the JSON Schema of the configuration, which is made from the schema that
 * checks it: what is accepted, what editors know and what is written down are the same.
 */
import { type JsonSchema, configJsonSchema } from '../src/config/json-schema.ts'
import { formsOf } from '../src/config/schema-forms.ts'

/** One row: a setting, by its path below that of the table. */
export type Setting = {
  /** Names, `*` for a name of the user's choice, `[]` for an item of a list. */
  readonly path: readonly string[]
  readonly schema: JsonSchema
  /** True where its mapping cannot do without it. */
  readonly isRequired: boolean
}

/** Where a table stands: the path that it is about, and the heading above it. */
export type Place = { readonly path: string; readonly page: string; readonly anchor: string }

const TABLE = /<!-- settings: (\S+) -->\n[\s\S]*?<!-- end of settings -->/g
/** The table that takes what no other one has. */
const REST = 'rest'

const asMapping = (value: unknown): JsonSchema | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonSchema) : undefined

/** The settings directly below a schema, each with all of its forms. */
function childrenOf(schema: JsonSchema): readonly Setting[] {
  const found = new Map<string, { readonly schemas: JsonSchema[]; required: number }>()
  const forms = formsOf(schema)
  for (const form of forms) {
    const required: readonly unknown[] = Array.isArray(form['required']) ? form['required'] : []
    const members = [
      ...Object.entries(asMapping(form['properties']) ?? {}),
      ...['additionalProperties', 'items'].flatMap((key): [string, unknown][] => {
        const member = asMapping(form[key])
        return member === undefined || '$ref' in member ? [] : [[key === 'items' ? '[]' : '*', member]]
      }),
    ]
    for (const [name, member] of members) {
      const known = found.get(name) ?? { schemas: [], required: 0 }
      known.schemas.push(member as JsonSchema)
      known.required += required.includes(name) ? 1 : 0
      found.set(name, known)
    }
  }
  const mappings = forms.filter((form) => 'properties' in form).length
  return [...found].map(([name, { schemas, required }]) => ({
    path: [name],
    schema: schemas.length === 1 ? (schemas[0] ?? {}) : together(schemas),
    isRequired: mappings > 0 && required === mappings,
  }))
}

/** What is the same in several forms of a mapping is told once. */
function together(schemas: readonly JsonSchema[]): JsonSchema {
  const distinct = [...new Map(schemas.map((each) => [JSON.stringify(each), each])).values()]
  const [first = {}] = distinct
  const { default: value, description } = first
  const isChoice = distinct.every((each) => formsOf(each).some((form) => 'enum' in form))
  const descriptions = isChoice ? distinct.map((each) => String(each['description'])) : [description]
  const isSame = schemas.every((each) => JSON.stringify(each['default']) === JSON.stringify(value))
  return {
    ...(value === undefined || !isSame ? {} : { default: value }),
    description: [...new Set(descriptions)].join(' '),
    anyOf: distinct.flatMap((each) => formsOf(each)),
  }
}

/** Every setting below a schema, down to where `isTable` says that there is a table of its own. */
function settingsBelow(
  schema: JsonSchema,
  isTable: (path: readonly string[]) => boolean,
  below: readonly string[] = [],
): readonly Setting[] {
  return childrenOf(schema).flatMap(({ schema: child, isRequired, path }) => {
    const here = [...below, ...path]
    // Whatever has no name of its own is told by what holds it.
    const own = here.at(-1) === '[]' || here.at(-1) === '*' ? [] : [{ path: here, schema: child, isRequired }]
    return isTable(here) ? own : [...own, ...settingsBelow(child, isTable, here)]
  })
}

/** Every path of the JSON Schema, such as `backends.*.url`. */
export function schemaPaths(): readonly string[] {
  const { environments: _, ...sections } = asMapping(configJsonSchema()['properties']) ?? {}
  return settingsBelow({ properties: sections }, () => false).map(({ path }) => dotted(path))
}

const dotted = (path: readonly string[]): string => path.join('.').replaceAll('.[]', '[]')

function schemaAt(path: string): JsonSchema {
  const parts = path.replaceAll('[]', '.[]').split('.')
  return parts.reduce((schema, part) => {
    const child = childrenOf(schema).find((each) => each.path[0] === part)
    if (child === undefined) throw new Error(`no settings at ${path}`)
    return child.schema
  }, configJsonSchema())
}

/** Which tables a page has. */
export function tablesOf(page: string, text: string): readonly Place[] {
  return [...text.matchAll(TABLE)].map(({ 1: path = '', index }) => {
    const heading =
      text
        .slice(0, index)
        .match(/^#+ .*$/gm)
        ?.at(-1) ?? ''
    return { path, page, anchor: slug(heading) }
  })
}

/** As GitHub makes anchors of headings. */
function slug(heading: string): string {
  return heading
    .replace(/^#+ /, '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-')
}

/** A page with its tables as they should be. Formatting it is left to the formatter. */
export function withTables(page: string, text: string, places: readonly Place[]): string {
  return text.replaceAll(TABLE, (_, path: string) => {
    const content = path === REST ? restOf(page, places) : tableOf(page, path, places)
    return `<!-- settings: ${path} -->\n\n${content}\n\n<!-- end of settings -->`
  })
}

function tableOf(page: string, path: string, places: readonly Place[]): string {
  const tableAt = (below: readonly string[]): Place | undefined => {
    const whole = dotted([path, ...below])
    return places.find((place) => place.path.replace(/(\.\*|\[\])$/, '') === whole && place.path !== path)
  }
  const rows = settingsBelow(schemaAt(path), (below) => tableAt(below) !== undefined).map((setting) =>
    row(setting, page, tableAt(setting.path)),
  )
  return [['setting', 'value', 'default', 'meaning'], ['-', '-', '-', '-'], ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

/** Sections that have no table anywhere, so that none is missing. */
function restOf(page: string, places: readonly Place[]): string {
  const sections = Object.keys(asMapping(configJsonSchema()['properties']) ?? {})
  const missing = sections.filter(
    (name) =>
      name !== 'environments' &&
      !places.some(({ path }) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`)),
  )
  const parts = missing.map((name) => {
    const { description } = schemaAt(name)
    return `### \`${name}\`\n\n${escaped(typeof description === 'string' ? description : '')}\n\n${tableOf(page, name, places)}`
  })
  return parts.length === 0 ? 'There are no others.' : parts.join('\n\n')
}

function row(
  { path, schema, isRequired }: Setting,
  page: string,
  table: Place | undefined,
): readonly string[] {
  const { description = '', default: value } = schema
  const link =
    table === undefined ? '' : ` [Settings](${table.page === page ? '' : table.page}#${table.anchor}).`
  return [
    `\`${dotted(path)}\``,
    valueText(schema),
    value === undefined
      ? isRequired
        ? 'required'
        : ''
      : isEverything(schema, value)
        ? 'all'
        : defaultText(value),
    `${escaped(String(description))}${link}`,
  ]
}

function escaped(text: string): string {
  return text.replaceAll(/[\\<>*_|`]/g, (char) => `\\${char}`)
}

/** True for a list of all words that may be in it. */
function isEverything(schema: JsonSchema, value: unknown): boolean {
  const items = formsOf(schema).map((form) => asMapping(form['items']))
  const words = items
    .flatMap((item) => (item === undefined ? [] : formsOf(item)))
    .find((form) => 'enum' in form)
  return JSON.stringify(words?.['enum']) === JSON.stringify(value)
}

function defaultText(value: unknown): string {
  if (Array.isArray(value) && value.length === 0) return 'none'
  if (Array.isArray(value) && value.every((each) => typeof each === 'string'))
    return value.map((each) => defaultText(each)).join(', ')
  if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) return ''
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``.replaceAll('|', '\\|')
}

/** What patterns of texts mean, without the alternative that it may be a reference. */
const TEXTS: Readonly<Record<string, string>> = {
  '^\\d+(ms|s|m|h)$': 'duration',
  '^\\d+(B|kB|KB|MB|GB|KiB|MiB|GiB)$': 'size',
  '^\\d{1,3}%$': 'share',
  '^.+:\\d+$': '`host:port`',
  '^https?://[^#]+$': 'URL',
  '^https?://[^?#]+$': 'URL',
  '^https?://[^/]+$': 'origin',
  '^[0-9a-fA-F:.]+(/\\d{1,3})?$': 'address or network',
}

function valueText(schema: JsonSchema): string {
  const forms = formsOf(schema)
  const hasNumber = forms.some(({ type }) => type === 'integer')
  return [...new Set(forms.flatMap((form) => oneValue(form, hasNumber)))].join(', ')
}

function oneValue(form: JsonSchema, hasNumber: boolean): readonly string[] {
  const { type, pattern, enum: words, const: word, minimum, maximum, items } = form
  if (Array.isArray(words)) return words.map((each) => `\`${String(each)}\``)
  if (word !== undefined) return [`\`${JSON.stringify(word).replaceAll('"', '')}\``]
  if (type === 'integer') return [`${String(minimum)} to ${String(maximum)}`]
  if (type === 'boolean') return ['`true`', '`false`']
  if (type === 'array') return [`list of ${valueText((items ?? {}) as JsonSchema)}`]
  if (type === 'object') return [`mapping${'properties' in form ? '' : ' by name'}`]
  const own = typeof pattern === 'string' ? pattern.replace(/\|?\\\$\\\{$/, '') : ''
  // A reference alone, or a number as text, says nothing new.
  if (type === 'string' && pattern !== undefined && (own === '' || (hasNumber && own === '^\\d+$'))) return []
  return [TEXTS[own] ?? 'text']
}
