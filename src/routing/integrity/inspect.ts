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

/** Printable ASCII without an escape by code: nothing can be hidden in it, and nearly every definition is like that. */
const OBVIOUSLY_CLEAN = /^(?:[\t\n\r\x20-\x5b\x5d-\x7e]|\\[^u])*$/

/** Members with prose: what may be escaped without another meaning for a program. */
const PROSE: ReadonlySet<string> = new Set(['title', 'description', '$comment'])

/** Members that identify, whose value is a name. The name of a resource is a label for people. */
const NAMES: Readonly<Record<ListKind, ReadonlySet<string>>> = {
  tools: new Set(['name']),
  prompts: new Set(['name']),
  resources: new Set(['uri']),
  resourceTemplates: new Set(['uriTemplate']),
}

/** Data of applications, which no model is shown. */
const SKIPPED: ReadonlySet<string> = new Set(['_meta', 'icons'])

/** Looks through the names and texts of a definition. */
export function inspect(kind: ListKind, text: string, policy: IntegrityPolicy['onInvisible']): Inspection {
  if (OBVIOUSLY_CLEAN.test(text)) return CLEAN
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
  readonly #kind: ListKind
  readonly #text: string

  constructor(kind: ListKind, text: string) {
    this.#kind = kind
    this.#text = text
  }

  member({ key, value }: JsonMember, level: Level): void {
    this.#refuse(hiddenInName(key), 'the name of a member')
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
    if (level === 'root' && NAMES[this.#kind].has(key)) {
      this.#refuse(hiddenInName(stringOf(this.#text, node) ?? ''), `its ${key}`)
    } else if (this.#isProse(key, level)) this.#prose(node)
    else if (this.#kind === 'prompts' && key === 'name') {
      this.#refuse(hiddenInName(stringOf(this.#text, node) ?? ''), 'the name of an argument')
    } else this.#fixed(node)
  }

  /** At the top everything but names is for people, whatever a later revision calls it. */
  #isProse(key: string, level: Level): boolean {
    return PROSE.has(key) || (level === 'root' && (key === 'name' || !NAMES[this.#kind].has(key)))
  }

  #prose(node: JsonNode): void {
    const literal = this.#text.slice(node.start, node.end)
    const hidden = hiddenIn(stringOf(this.#text, node) ?? '')
    if (hidden.length === 0) return
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
    const found = hiddenIn(stringOf(this.#text, node) ?? '').find(({ code }) => code >= 0xa0)
    if (found !== undefined) this.#refuse(codeName(found.code), 'a value of its schema')
  }

  #refuse(code: string | undefined, where: string): void {
    if (code !== undefined) this.refusal ??= `${code} in ${where}`
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
