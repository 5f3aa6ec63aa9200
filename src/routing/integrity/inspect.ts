import type { IntegrityPolicy } from '../../config/types.ts'
import { type Edit, splice } from '../../protocol/edit.ts'
import { type JsonMember, type JsonNode, scanJson, stringOf } from '../../protocol/json.ts'
import type { ListKind } from '../../protocol/methods.ts'
import { codeName, hiddenIn, hiddenInName, visible } from './hidden.ts'

/** What became of a definition that was looked through for hidden characters. */
export type Inspection =
  | { readonly kind: 'clean' }
  /** Its texts were edited; everything else is to the byte what the backend wrote. */
  | { readonly kind: 'escaped'; readonly text: string; readonly finding: string }
  /** It cannot be listed: a name holds such a character, or the policy says so. */
  | { readonly kind: 'excluded'; readonly finding: string }

/** A definition with hidden characters, and what was done about it. */
export interface Invisible {
  readonly key: string
  readonly finding: string
  readonly action: 'escaped' | 'excluded'
}

const CLEAN: Inspection = { kind: 'clean' }

/**
 * Anything but printable ASCII, or an escape of anything else: where there is none of it, nothing hides, and nearly every
 * definition is like that. Looked for, and not "all is well" matched: that takes stack for every character.
 */
const SUSPECT = /[^\t\n\r\x20-\x7e]|\\[^"\\/nrt]/

/** Members with prose: what may be escaped without another meaning for a program. */
const PROSE: ReadonlySet<string> = new Set(['title', 'description', '$comment'])

/** The member that identifies a definition. At the top every other text is for people, whatever a later revision calls it. */
const KEY: Readonly<Record<ListKind, string>> = {
  tools: 'name',
  prompts: 'name',
  resources: 'uri',
  resourceTemplates: 'uriTemplate',
}

/** Hidden characters that are made visible; a definition with more is no definition. */
const MAX_HIDDEN = 10_000

/** Data of applications, which no model is shown. */
const SKIPPED: ReadonlySet<string> = new Set(['_meta', 'icons'])

/** A definition to look through. */
export interface Inspected {
  readonly kind: ListKind
  /** Its name, or the URI (template) of a resource. */
  readonly key: string
  readonly text: string
}

/** Looks through the name and the texts of a definition. */
export function inspect(definition: Inspected, policy: IntegrityPolicy['onInvisible']): Inspection {
  const { kind, key, text } = definition
  const inKey = hiddenInName(key)
  if (inKey !== undefined) return { kind: 'excluded', finding: `${inKey} in its name` }
  if (!SUSPECT.test(text)) return CLEAN
  const root = scanJson(text, { detail: Infinity, maxDepth: Infinity })
  if (root.kind !== 'object') return CLEAN
  const walk = new Walk(kind, text)
  for (const entry of root.members ?? []) if (!SKIPPED.has(entry.key)) walk.member(entry, 'root')
  if (walk.refusal !== undefined) return { kind: 'excluded', finding: walk.refusal }
  const [first] = walk.codes
  if (first === undefined) return CLEAN
  const more = walk.codes.size - 1
  const finding = `${codeName(first)}${more > 0 ? ` and ${more} more` : ''} in its texts`
  if (policy === 'exclude') return { kind: 'excluded', finding }
  return { kind: 'escaped', text: splice(text, walk.edits), finding }
}

/** Where a member stands: at the top, or deeper. */
type Level = 'root' | 'inner'

class Walk {
  readonly edits: Edit[] = []
  /** Characters that were found, each once. */
  readonly codes = new Set<number>()
  /** Why the definition cannot be listed. */
  refusal: string | undefined
  readonly #keyMember: string
  readonly #text: string

  constructor(kind: ListKind, text: string) {
    this.#keyMember = KEY[kind]
    this.#text = text
  }

  member({ key, value }: JsonMember, level: Level): void {
    this.#refuse(key, 'the name of a member')
    if (value.kind === 'string') this.#string(key, value, level)
    else this.#value(value)
  }

  #value(node: JsonNode): void {
    if (node.kind === 'object') for (const entry of node.members ?? []) this.member(entry, 'inner')
    else if (node.kind === 'array') for (const item of node.items ?? []) this.#item(item)
  }

  #item(node: JsonNode): void {
    if (node.kind === 'string') this.#fixed(node)
    else this.#value(node)
  }

  #string(key: string, node: JsonNode, level: Level): void {
    if (level === 'root' ? key !== this.#keyMember : PROSE.has(key)) this.#prose(node)
    else this.#fixed(node)
  }

  #prose(node: JsonNode): void {
    const literal = this.#text.slice(node.start, node.end)
    const hidden = hiddenIn(stringOf(this.#text, node) ?? '', MAX_HIDDEN + 1)
    if (hidden.length === 0) return
    if (this.edits.length + hidden.length > MAX_HIDDEN) {
      this.refusal ??= `more than ${MAX_HIDDEN} hidden characters in its texts`
      return
    }
    const offsets = offsetsOf(literal)
    for (const { start, end, code } of hidden) {
      this.codes.add(code)
      // Within a JSON string the backslash of what is shown needs one of its own.
      const text = `\\${visible(code)}`
      this.edits.push({
        start: node.start + (offsets[start] ?? 0),
        end: node.start + (offsets[end] ?? 0),
        text,
      })
    }
  }

  /** A value that programs compare: it cannot be escaped, so what hides text makes it unfit. Plain controls are data. */
  #fixed(node: JsonNode): void {
    this.#refuse((stringOf(this.#text, node) ?? '').replaceAll(/\p{Cc}/gu, ''), 'a value')
  }

  #refuse(text: string, where: string): void {
    const [found] = hiddenIn(text)
    if (found !== undefined) this.refusal ??= `${codeName(found.code)} in ${where}`
  }
}

/** For each UTF-16 unit of a decoded string, and its end, where it is written in the literal. */
function offsetsOf(literal: string): readonly number[] {
  const offsets: number[] = []
  const end = literal.length - 1
  for (let at = 1; at < end;) {
    offsets.push(at)
    if (literal[at] !== '\\') at++
    else at += literal[at + 1] === 'u' ? 6 : 2
  }
  offsets.push(end)
  return offsets
}
