import {
  type Document,
  type Node,
  type Pair,
  type YAMLError,
  LineCounter,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
} from 'yaml'
import { relaxJson } from './json-comments.ts'
import { type ConfigPath, type ConfigProblem, type Finding, formatPath } from './problem.ts'

/** A configuration as text, with what is needed to understand it. */
export interface ConfigSource {
  /** How the file is called in messages. */
  readonly name: string
  readonly text: string
  /** Absolute folder that relative paths in the configuration start from. */
  readonly dir: string
}

/** A configuration as plain values, and where each stands. */
export interface SourceTree {
  /** Mappings have no prototype, so that no key means anything by itself. Undefined for an empty file. */
  readonly value: unknown
  /** What is wrong with the text itself. */
  readonly findings: readonly Finding[]
  /** Looks up where a finding stands: at its path, or at the nearest enclosing place that exists. */
  locate(finding: Finding): ConfigProblem
}

/** Largest configuration, in characters. */
const MAX_CONFIG_LENGTH = 1024 * 1024

const MAX_DEPTH = 32

/** Aliases can make a small file describe a huge tree, so what is visited is counted. */
const MAX_NODES = 100_000

interface Place {
  readonly key: number | undefined
  readonly value: number | undefined
}

/** What one reading of a document collects. */
interface Walk {
  readonly anchors: Map<string, Node>
  readonly places: Map<string, Place>
  readonly findings: Finding[]
  nodes: number
}

const placeKey = (path: ConfigPath): string => JSON.stringify(path)

/**
 * Reads YAML 1.2 or JSON into plain values; references in its texts stay as they are. In a `.json` file, comments and
 * trailing commas are accepted, as desktop clients do.
 */
export function readSource(source: ConfigSource): SourceTree {
  const lines = new LineCounter()
  const walk: Walk = {
    anchors: new Map(),
    places: new Map(),
    findings: [],
    nodes: 0,
  }
  const contents = parse(source, lines, walk.findings)
  const value = contents === null ? undefined : toValue(walk, contents, [])
  return {
    value,
    findings: walk.findings,
    locate: ({ path, at = 'value', offset, message, suggestion }) => {
      const position = offset ?? positionOf(walk.places, path, at)
      const { line, col } = position === undefined ? { line: 0, col: 0 } : lines.linePos(position)
      const base = { file: source.name, line, column: col, path: formatPath(path), message }
      return suggestion === undefined ? base : { ...base, suggestion }
    },
  }
}

/** The root node, or null if there is none or the text is no YAML. */
function parse({ name, text }: ConfigSource, lines: LineCounter, findings: Finding[]): Node | null {
  if (text.length > MAX_CONFIG_LENGTH) {
    findings.push({ path: [], message: `the file is larger than ${MAX_CONFIG_LENGTH / 1024} KiB` })
    return null
  }
  let document: Document.Parsed
  try {
    const plain = text.replace(/^\uFEFF/, ' ')
    const yaml = /\.jsonc?$/i.test(name) ? relaxJson(plain) : plain
    // Duplicate keys are found in the walk, which knows their path.
    document = parseDocument(yaml, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'error',
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    findings.push({ path: [], message: 'the file is nested too deeply' })
    return null
  }
  // One is enough: what follows an error of syntax is mostly its consequence.
  const [first] = [...document.errors, ...document.warnings].toSorted((a, b) => a.pos[0] - b.pos[0])
  if (first === undefined) return document.contents
  findings.push({ path: [], offset: first.pos[0], message: syntaxMessage(first, text) })
  return null
}

function syntaxMessage({ code, message, pos }: YAMLError, text: string): string {
  if (code === 'MULTIPLE_DOCS') return 'expected one document; found a second one after ---'
  if (message.includes('call stack')) return 'the file is nested too deeply'
  if (text[pos[0]] === '{' && text[pos[0] - 1] === '$') {
    return 'not valid YAML: inside {…} and […], put text with a ${reference} in quotes'
  }
  // Some messages quote the text, which may be secret.
  return `not valid YAML: ${message.replace(/:? ".*$/s, '')}`
}

function toValue(walk: Walk, node: Node | null, path: ConfigPath): unknown {
  walk.nodes += 1
  if (path.length > MAX_DEPTH || walk.nodes > MAX_NODES) {
    if (walk.nodes <= MAX_NODES + 1) {
      walk.findings.push({ path: path.slice(0, 3), message: 'nested too deeply, or too many aliases' })
      walk.nodes = MAX_NODES + 1
    }
    return undefined
  }
  if (isAlias(node)) {
    const target = walk.anchors.get(node.source)
    if (target !== undefined) return toValue(walk, target, path)
    walk.findings.push({ path, message: `the alias *${node.source} has no anchor before it` })
    return undefined
  }
  const anchor = node !== null && 'anchor' in node ? node.anchor : undefined
  if (typeof anchor === 'string' && node !== null) walk.anchors.set(anchor, node)
  if (isMap<Node, Node | null>(node)) return toMapping(walk, node.items, path)
  if (isSeq<Node>(node)) return node.items.map((item, index) => at(walk, item, [...path, index]))
  return isScalar(node) ? node.value : null
}

/** The value of an item of a list, whose place is noted. */
function at(walk: Walk, item: Node | null, path: ConfigPath): unknown {
  walk.places.set(placeKey(path), { key: undefined, value: item?.range?.[0] })
  return toValue(walk, item, path)
}

function toMapping(
  walk: Walk,
  items: readonly Pair<Node, Node | null>[],
  path: ConfigPath,
): Record<string, unknown> {
  const mapping = Object.create(null) as Record<string, unknown>
  for (const { key, value } of items) {
    const offset = key.range?.[0]
    const name = isScalar(key) ? scalarName(key.value, key.source) : undefined
    if (name === undefined || name === '__proto__') {
      walk.findings.push({
        path,
        ...(offset === undefined ? {} : { offset }),
        message: 'a key must be a word',
      })
      continue
    }
    const here = [...path, name]
    if (Object.hasOwn(mapping, name)) {
      walk.findings.push({
        path: here,
        ...(offset === undefined ? {} : { offset }),
        message: 'defined twice',
      })
      continue
    }
    walk.places.set(placeKey(here), { key: offset, value: value?.range?.[0] })
    mapping[name] = toValue(walk, value, here)
  }
  return mapping
}

/** Keys are taken as they are written: `8080` is the word 8080. */
function scalarName(value: unknown, source: string | undefined): string | undefined {
  if (typeof value === 'string') return value
  return value === null ? undefined : source
}

function positionOf(
  places: ReadonlyMap<string, Place>,
  path: ConfigPath,
  at: 'key' | 'value',
): number | undefined {
  const place = places.get(placeKey(path))
  const position = at === 'key' ? (place?.key ?? place?.value) : (place?.value ?? place?.key)
  if (position !== undefined) return position
  // A setting that is missing is reported where it belongs: at the key of what should hold it.
  return path.length === 0 ? undefined : positionOf(places, path.slice(0, -1), 'key')
}
