import { createHash } from 'node:crypto'
import {
  type JsonMember,
  type JsonNode,
  type JsonObject,
  member,
  scanJson,
  stringOf,
} from '../../protocol/json.ts'
import type { ListKind } from '../../protocol/methods.ts'
import type { Entry } from '../entry.ts'
import { canonicalJson } from './canonical.ts'
import { escapeHidden } from './hidden.ts'

/** Lists whose definitions are pinned: what a model is told to use. */
export type PinnedKind = Extract<ListKind, 'tools' | 'prompts'>

/** The kinds that are pinned, in the order in which they are shown. */
export const PINNED_KINDS: readonly PinnedKind[] = ['tools', 'prompts']

/** True for a kind that is pinned. */
export function isPinnedKind(kind: ListKind): kind is PinnedKind {
  return kind === 'tools' || kind === 'prompts'
}

/** What is remembered of one approved definition. */
export interface Pin {
  /** `sha256-` and the base64url digest of the canonical definition. */
  readonly digest: string
  /** First line of the description (or the title), shortened and without hidden characters; for people only. */
  readonly summary: string
  /** Names of the arguments; for people only. */
  readonly arguments: readonly string[]
  /** A short digest per member, which tells what changed; the digest of the whole decides whether. */
  readonly members: Readonly<Record<string, string>>
}

/**
 * Members that are no part of what is approved: pictures and data of applications change with every release, and
 * `execution` only says how a tool is called as a task. Members that nobody knows today count, because a model may be shown them tomorrow.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(['icons', '_meta', 'execution'])

/** What `_meta` says about the page that shows a tool (MCP Apps 2026-01-26) does count. */
const KEPT_META: ReadonlySet<string> = new Set(['ui', 'ui/resourceUri'])

const MAX_SUMMARY = 120
const MAX_ARGUMENTS = 64
const MAX_MEMBERS = 64

const pins = new WeakMap<Entry, Pin>()

/** The pin of a listed definition; computed once per definition. */
export function pinOf(entry: Entry): Pin {
  const known = pins.get(entry)
  if (known !== undefined) return known
  const pin = readPin(entry.original ?? entry.text)
  pins.set(entry, pin)
  return pin
}

/** The pin of a definition as its backend wrote it. */
export function readPin(text: string): Pin {
  const root = scanJson(text, { detail: Infinity, maxDepth: Infinity })
  const object: JsonObject = root.kind === 'object' ? root : { ...EMPTY, start: root.start, end: root.end }
  const counted = countedMembers(object).map(({ key, value }) => [key, canonicalJson(text, value)] as const)
  const whole = createHash('sha256')
  for (const [key, value] of counted) whole.update(`${JSON.stringify(key)}:${value}\n`)
  return {
    digest: `sha256-${whole.digest('base64url')}`,
    summary: summaryOf(text, object),
    arguments: argumentsOf(text, object)
      .slice(0, MAX_ARGUMENTS)
      .map((name) => shorten(name, 64)),
    members: Object.fromEntries(
      counted
        .filter(([key]) => key !== 'name')
        .slice(0, MAX_MEMBERS)
        .map(([key, value]) => [shorten(key, 64), shortDigest(value)]),
    ),
  }
}

const EMPTY: JsonObject = { kind: 'object', start: 0, end: 0, members: [] }

/** Sorted; `_meta` with nothing but what counts in it. */
function countedMembers(root: JsonObject): readonly JsonMember[] {
  const all = root.members ?? []
  const meta = member(root, '_meta')
  const kept = meta?.kind === 'object' ? (meta.members ?? []).filter(({ key }) => KEPT_META.has(key)) : []
  const counted = all.filter(({ key }) => !LEFT_OUT.has(key))
  const reduced: readonly JsonMember[] =
    meta?.kind === 'object' && kept.length > 0
      ? [{ key: '_meta', start: meta.start, value: { ...meta, members: kept } }]
      : []
  return [...counted, ...reduced].toSorted((a, b) => (a.key < b.key ? -1 : 1))
}

function shortDigest(canonical: string): string {
  return createHash('sha256').update(canonical).digest('hex').slice(0, 12)
}

function summaryOf(text: string, root: JsonObject): string {
  const words = stringOf(text, member(root, 'description')) ?? stringOf(text, member(root, 'title')) ?? ''
  return shorten(words.trim().split(/[\r\n]/, 1)[0] ?? '', MAX_SUMMARY)
}

function argumentsOf(text: string, root: JsonObject): readonly string[] {
  const properties = member(member(root, 'inputSchema'), 'properties')
  if (properties?.kind === 'object') return (properties.members ?? []).map(({ key }) => key)
  const list = member(root, 'arguments')
  if (list?.kind !== 'array') return []
  return (list.items ?? []).flatMap((item: JsonNode) => stringOf(text, member(item, 'name')) ?? [])
}

function shorten(text: string, length: number): string {
  const line = escapeHidden(text.slice(0, length * 2).toWellFormed())
    .replaceAll(/\s+/g, ' ')
    .trim()
  return line.length > length ? `${line.slice(0, length - 1).toWellFormed()}…` : line
}
