import type { NamePolicy } from '../../config/types.ts'
import { member, scanJson, stringOf } from '../../protocol/json.ts'
import type { Entry } from '../entry.ts'
import { fold, isOneEditApart, skeleton } from './confusable.ts'

/** A tool that may pass for another's, or that speaks about another's. */
export interface Shadow {
  readonly entry: Entry
  /** What was found, in words, with the tool or backend that is meant. */
  readonly finding: string
}

/** What decides who imitates whom. */
export interface ShadowOptions {
  /** With `prefix`, clients see whose a tool is: two backends may call theirs the same. */
  readonly names: NamePolicy
  /** True for a definition that was approved: of two that look alike, it is the original. */
  readonly isApproved: (entry: Entry) => boolean
}

/** What of a tool is compared; made once per definition. */
interface Traits {
  readonly skeleton: string
  readonly folded: string
  /** Folded form of `<backend>_<name>`, which is what clients of the aggregate see. */
  readonly exposed: string
  /** The description, or empty where there is too little of it to mean anything. */
  readonly description: string
  readonly mentions: readonly Mention[]
}

/** A word of a description that can be the name of a tool. */
interface Mention {
  /** The word, folded. */
  readonly word: string
  /** Whether the text around tells what to do with it. */
  readonly instructs: boolean
}

const traits = new WeakMap<Entry, Traits>()

/** Characters of a description that are looked at; what a model is told in more than these is nobody's tool. */
const MAX_DESCRIPTION = 100_000
const MAX_MENTIONS = 200
/** Shorter descriptions are the same by accident. */
const MIN_DESCRIPTION = 12
/** Tools with the same description that are compared with each other. */
const MAX_ALIKE = 64

/** Anything that may be the name of a tool. */
const WORD = /[\p{L}\p{N}_.-]+/gu
const MAX_WORD = 128

/** Made of parts, as names of tools are: `list_repos`, `list-repos`, `listRepos`; a plain word means nothing by itself. */
const COMPOUND = /[_.-]|\p{Ll}\p{Lu}/u

/** What stands before a name in an order about it. Looked for in the few words before. */
const ORDER =
  /\b(?:before|after|instead of|rather than|in place of|replaces?|prior to|whenever|when|every time|always|never|must|do not|don't|avoid|ignore|stop|deprecated|supersedes?|overrides?)\b/i

/** Characters before a name that belong to the same thought. */
const REACH = 60

/**
 * The tools among these that are named or described to pass for one of another backend. Linear in what is given:
 * names meet in tables, never pair by pair.
 *
 * @param entries tools of all backends in the order of the configuration, which decides between two that nobody approved
 */
export function findShadows(entries: readonly Entry[], options: ShadowOptions): readonly Shadow[] {
  const table = new NameTable(entries)
  return entries.flatMap((entry, index) => {
    const finding = table.imitation(index, options) ?? table.twin(index, options) ?? table.mention(index)
    return finding === undefined ? [] : [{ entry, finding }]
  })
}

/** Positions by key; per backend only the first, because a backend cannot imitate itself. */
type Positions = Map<string, Map<string, number>>

class NameTable {
  readonly #entries: readonly Entry[]
  readonly #bySkeleton: Positions = new Map()
  readonly #byFold: Positions = new Map()
  readonly #byExposed: Positions = new Map()
  readonly #byDescription = new Map<string, number[]>()
  readonly #own = new Set<string>()

  constructor(entries: readonly Entry[]) {
    this.#entries = entries
    entries.forEach((entry, index) => {
      const { skeleton: own, folded, exposed, description } = traitsOf(entry)
      add(this.#bySkeleton, own, [entry.backend, index])
      add(this.#byFold, folded, [entry.backend, index])
      add(this.#byExposed, exposed, [entry.backend, index])
      this.#own.add(`${entry.backend} ${folded}`)
      if (description === '') return
      const alike = this.#byDescription.get(description)
      if (alike === undefined) this.#byDescription.set(description, [index])
      else if (alike.length < MAX_ALIKE) alike.push(index)
    })
  }

  /** A name that is read as another's. */
  imitation(index: number, options: ShadowOptions): string | undefined {
    const entry = this.#entry(index)
    const own = traitsOf(entry)
    const lookAlike = this.#other(this.#bySkeleton.get(own.skeleton), index, (other) => {
      return (
        isOriginal(other, index, { entries: this.#entries, options }) &&
        differsInLetters(this.#entry(other).key, entry.key)
      )
    })
    if (lookAlike !== undefined)
      return `its name looks like ${this.#told(lookAlike)} but is written with other letters`
    const original = (other: number): boolean => isOriginal(other, index, { entries: this.#entries, options })
    const bare =
      options.names === 'prefix' ? undefined : this.#other(this.#byFold.get(own.folded), index, original)
    if (bare !== undefined) return `its name is that of ${this.#told(bare)}`
    // A backend that calls a tool as another's is shown to clients gains where names are shortened or not prefixed.
    const passing = this.#other(this.#byExposed.get(own.folded), index)
    if (passing !== undefined) return `its name is the one under which clients see ${this.#told(passing)}`
    const exposed = this.#other(this.#byExposed.get(own.exposed), index, original)
    return exposed === undefined
      ? undefined
      : `clients see it under a name that is read as ${this.#told(exposed)}`
  }

  /** The same description under a name with one other character. */
  twin(index: number, options: ShadowOptions): string | undefined {
    const entry = this.#entry(index)
    const { description, folded } = traitsOf(entry)
    const twin = this.#byDescription.get(description)?.find((other) => {
      const rival = this.#entry(other)
      return (
        rival.backend !== entry.backend &&
        isOneEditApart(folded, traitsOf(rival).folded) &&
        isOriginal(other, index, { entries: this.#entries, options })
      )
    })
    return twin === undefined
      ? undefined
      : `it has the description and nearly the name of ${this.#told(twin)}`
  }

  /** A description that speaks about the tools of others. */
  mention(index: number): string | undefined {
    const { backend } = this.#entry(index)
    for (const { word, instructs } of traitsOf(this.#entry(index)).mentions) {
      if (this.#own.has(`${backend} ${word}`)) continue
      const exposed = this.#other(this.#byExposed.get(word), index)
      if (exposed !== undefined)
        return `its description ${instructs ? 'tells how to use' : 'mentions'} ${this.#told(exposed)}`
      const own = instructs ? this.#other(this.#byFold.get(word), index) : undefined
      if (own !== undefined) return `its description tells how to use ${this.#told(own)}`
    }
    return undefined
  }

  #other(
    found: Map<string, number> | undefined,
    index: number,
    isMeant: (other: number) => boolean = () => true,
  ): number | undefined {
    if (found === undefined) return undefined
    const { backend } = this.#entry(index)
    for (const [owner, other] of found) if (owner !== backend && isMeant(other)) return other
    return undefined
  }

  #entry(index: number): Entry {
    const entry = this.#entries[index]
    if (entry === undefined) throw new RangeError('no such tool')
    return entry
  }

  #told(index: number): string {
    const { backend, key } = this.#entry(index)
    return `${backend}/${key.slice(0, 64)}`
  }
}

function add(positions: Positions, key: string, [backend, index]: readonly [string, number]): void {
  const found = positions.get(key)
  if (found === undefined) positions.set(key, new Map([[backend, index]]))
  else if (!found.has(backend)) found.set(backend, index)
}

/** Of two that look alike, the approved one is the original; otherwise the one that the configuration names first. */
function isOriginal(
  other: number,
  index: number,
  { entries, options }: { readonly entries: readonly Entry[]; readonly options: ShadowOptions },
): boolean {
  const [a, b] = [entries[other], entries[index]]
  if (a === undefined || b === undefined) return false
  const [otherApproved, approved] = [options.isApproved(a), options.isApproved(b)]
  return otherApproved === approved ? other < index : otherApproved
}

/** False for names that are the same but for case: those are told apart by their prefix. */
function differsInLetters(a: string, b: string): boolean {
  return a.toLowerCase() !== b.toLowerCase()
}

function traitsOf(entry: Entry): Traits {
  const known = traits.get(entry)
  if (known !== undefined) return known
  const text = descriptionOf(entry)
  const made: Traits = {
    skeleton: skeleton(entry.key),
    folded: fold(entry.key),
    exposed: fold(`${entry.backend}_${entry.key}`),
    description: text.length < MIN_DESCRIPTION ? '' : text.replaceAll(/\s+/g, ' ').trim().toLowerCase(),
    mentions: mentionsIn(text),
  }
  traits.set(entry, made)
  return made
}

function descriptionOf({ text }: Entry): string {
  const root = scanJson(text, { detail: 1, maxDepth: Infinity })
  return (stringOf(text, member(root, 'description')) ?? '').slice(0, MAX_DESCRIPTION)
}

function mentionsIn(text: string): readonly Mention[] {
  const found = new Map<string, boolean>()
  for (const match of text.matchAll(WORD)) {
    if (found.size >= MAX_MENTIONS) break
    const word = match[0].replaceAll(/^[_.-]+|[_.-]+$/g, '')
    if (match[0].length > MAX_WORD || !COMPOUND.test(word)) continue
    const before = text.slice(Math.max(0, match.index - REACH), match.index)
    // A sentence that has ended is another thought.
    const instructs = ORDER.test(before.slice(before.search(/[^.!?;\n]*$/)))
    const key = fold(word)
    found.set(key, found.get(key) === true || instructs)
  }
  return [...found].map(([word, instructs]) => ({ word, instructs }))
}
