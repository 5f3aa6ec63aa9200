import type { ConfigPath, ConfigProblem, Finding } from './problem.ts'
import { isMapping } from './tree.ts'

/** A part of a configuration that is laid over others: a file, or an environment of one. */
export interface Layer {
  /** In the shape of a file of ours. */
  readonly value: Readonly<Record<string, unknown>>
  /** The environment that it belongs to; undefined for what holds in all of them. */
  readonly environment: string | undefined
  /** Absolute folder that relative paths in it start from. */
  readonly dir: string
  /** What is wrong with its form. */
  readonly problems: readonly ConfigProblem[]
  /** Looks up where a finding stands whose path leads through `value`. */
  readonly locate: (finding: Finding) => ConfigProblem
}

/** Where a value was written: the layer, and the path in its `value`. */
export interface Origin {
  readonly layer: Layer
  readonly path: ConfigPath
}

/** Layers as one tree, and who wrote what of it. */
export interface Merged {
  /** Mappings have no prototype. */
  readonly value: Readonly<Record<string, unknown>>
  /**
   * Who wrote the value at a path, the one that counts first; of a mapping all that wrote something in it. For a path
   * that is not there it is who began what it would stand in, with the path that it would have there.
   */
  readonly writersOf: (path: ConfigPath) => readonly Origin[]
  /** What was removed and did not come back. */
  readonly removals: readonly Removal[]
}

/** A `null` that is laid over something. */
export interface Removal {
  /** What is not there any more. */
  readonly path: ConfigPath
  /** Where the `null` stands. */
  readonly origin: Origin
  /** True if there was nothing to remove. */
  readonly isVain: boolean
}

/** Who wrote a value; of a mapping also who wrote each of its members. */
interface Node {
  /** The last one first. */
  readonly writers: readonly Origin[]
  readonly members: ReadonlyMap<string, Node>
  readonly removed: ReadonlyMap<string, Omit<Removal, 'path'>>
}

interface Part {
  readonly value: unknown
  readonly node: Node
}

const ORIGINLESS: Node = { writers: [], members: new Map(), removed: new Map() }
const NOTHING: Part = { value: undefined, node: ORIGINLESS }

/**
 * Lays each layer over those before it, as JSON Merge Patch does (RFC 7396): mappings member by member, lists and single
 * values as a whole, and `null` removes. In the first layer `null` is what it is in a file alone, an empty section.
 *
 * Backends have forms, and two forms in one backend would mean nothing: a URL alone stands for the backend's `url`,
 * `url` and `endpoints` replace each other, and a backend that becomes a process or a `rest` service, or was one, is
 * replaced as a whole.
 */
export function mergeLayers(layers: readonly Layer[]): Merged {
  let whole = NOTHING
  for (const [index, layer] of layers.entries()) {
    whole = lay(whole, { value: layer.value, path: [], origin: { layer, path: [] } }, index === 0)
  }
  const { value, node } = whole
  return {
    value: isMapping(value) ? value : {},
    writersOf: (path) => writersOf(node, path),
    removals: removalsOf(node, []),
  }
}

/** What is laid over something: its place in the whole, and where it was written. */
interface Patch {
  readonly value: unknown
  readonly path: ConfigPath
  readonly origin: Origin
  /** Set for a backend that was written as its URL alone. */
  readonly isSpread?: true
}

function lay(found: Part, patch: Patch, isFirst: boolean): Part {
  const [below, above] = isBackend(patch.path) ? agree(found, patch) : [found, patch]
  // A single value keeps in mind what it stands instead of, for whoever wants to know.
  const { origin } = patch
  if (!isMapping(above.value))
    return { value: above.value, node: { ...ORIGINLESS, writers: [origin, ...below.node.writers] } }
  const base = isMapping(below.value) ? below : NOTHING
  const value = Object.assign(Object.create(null) as Record<string, unknown>, base.value)
  const members = new Map(base.node.members)
  const removed = new Map(base.node.removed)
  for (const [key, written] of Object.entries(above.value)) {
    const next = { value: written, path: [...patch.path, key], origin: originOf(above, key) }
    const before = { value: value[key], node: members.get(key) ?? ORIGINLESS }
    members.delete(key)
    removed.delete(key)
    if (written === null && !isFirst) {
      removed.set(key, { origin: next.origin, isVain: !(key in value) })
      delete value[key]
      continue
    }
    const laid = lay(before, next, isFirst)
    value[key] = laid.value
    members.set(key, laid.node)
  }
  return { value, node: { writers: [origin, ...base.node.writers], members, removed } }
}

function originOf({ origin: { layer, path }, isSpread }: Patch, key: string): Origin {
  // A URL alone was written at the backend itself.
  return { layer, path: isSpread === true ? path : [...path, key] }
}

function isBackend(path: ConfigPath): boolean {
  return path.length === 2 && path[0] === 'backends'
}

/** Makes two forms of one backend agree, as {@link mergeLayers} says. */
function agree(below: Part, above: Patch): readonly [Part, Patch] {
  const lower = spreadPart(below)
  const upper: Patch =
    typeof above.value === 'string' ? { ...above, value: { url: above.value }, isSpread: true } : above
  if (!isMapping(lower.value) || !isMapping(upper.value)) return [below, above]
  const [was, is] = [formOf(lower.value), formOf(upper.value)]
  if (was === undefined || is === undefined || was === is) return [lower, upper]
  const isOtherKind = WHOLE.has(was) || WHOLE.has(is)
  return isOtherKind ? [NOTHING, above] : [without(lower, was), upper]
}

type Form = 'url' | 'endpoints' | 'rest' | 'command'

/** Forms whose other settings fit no other form. */
const WHOLE: ReadonlySet<Form> = new Set(['rest', 'command'])

function spreadPart(part: Part): Part {
  if (typeof part.value !== 'string') return part
  const { writers } = part.node
  const members = new Map([['url', { ...ORIGINLESS, writers }]])
  return { value: { url: part.value }, node: { ...ORIGINLESS, writers, members } }
}

function formOf(backend: unknown): Form | undefined {
  if (!isMapping(backend)) return undefined
  return (['url', 'endpoints', 'rest', 'command'] as const).find((key) => (backend[key] ?? null) !== null)
}

function without(part: Part, key: string): Part {
  if (!isMapping(part.value)) return part
  const { [key]: _, ...value } = part.value
  const members = new Map(part.node.members)
  members.delete(key)
  return { value, node: { ...part.node, members } }
}

function removalsOf(node: Node, path: ConfigPath): readonly Removal[] {
  return [
    ...[...node.removed].map(([key, removal]) => ({ path: [...path, key], ...removal })),
    ...[...node.members].flatMap(([key, member]) => removalsOf(member, [...path, key])),
  ]
}

function writersOf(root: Node, path: ConfigPath): readonly Origin[] {
  let node = root
  for (const [depth, key] of path.entries()) {
    const next = typeof key === 'string' ? node.members.get(key) : undefined
    if (next === undefined) {
      // An item belongs to who wrote its list; what is missing, to who began what it is missing in.
      const origin = typeof key === 'number' ? node.writers[0] : node.writers.at(-1)
      return origin === undefined ? [] : [{ ...origin, path: [...origin.path, ...path.slice(depth)] }]
    }
    node = next
  }
  return node.writers
}
