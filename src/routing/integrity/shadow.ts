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
  /** In lower case. */
  readonly spelling: string
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
/** Spellings of what looks the same that are told apart. */
const MAX_SPELLINGS = 16

/** Anything that may be the name of a tool. Nearly every text is ASCII, which is much faster to look through. */
const WORD = /[\p{L}\p{N}_.-]+/gu
const ASCII_WORD = /[A-Za-z0-9_.-]+/g
const NOT_ASCII = /[^\0-\x7f]/
const MAX_WORD = 128

/** Made of parts, as names of tools are: `list_repos`, `list-repos`, `listRepos`; a plain word means nothing by itself. */
const COMPOUND = /[^_.-][_.-]+[^_.-]|\p{Ll}\p{Lu}/u

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
  const table = new NameTable(entries, options)
  return entries.flatMap((entry) => {
    const finding = table.imitation(entry) ?? table.twin(entry) ?? table.mention(entry)
    return finding === undefined ? [] : [{ entry, finding }]
  })
}

/** Reads of these tools what will be compared, so that comparing all at once takes no time. */
export function prepareShadows(entries: readonly Entry[]): void {
  for (const entry of entries) traitsOf(entry)
}

/** Who has a name, the original first; one more is kept so that the first one is compared with somebody else. */
type Owners = readonly [first: Entry, second?: Entry]

class NameTable {
  readonly #names: NamePolicy
  /** Place of each tool, the original before who came later. */
  readonly #ranks: ReadonlyMap<Entry, number>
  readonly #spellings = new Map<string, Set<string>>()
  readonly #bySpelling = new Map<string, Owners>()
  readonly #byFold = new Map<string, Owners>()
  readonly #byExposed = new Map<string, Owners>()
  readonly #byDescription = new Map<string, Entry[]>()
  readonly #own = new Set<string>()

  constructor(entries: readonly Entry[], { names, isApproved }: ShadowOptions) {
    this.#names = names
    const approved = new Set(entries.filter(isApproved))
    const ranked = [...approved, ...entries.filter((entry) => !approved.has(entry))]
    this.#ranks = new Map(ranked.map((entry, rank) => [entry, rank]))
    for (const entry of ranked) this.#add(entry)
  }

  #add(entry: Entry): void {
    const { skeleton: own, spelling, folded, exposed, description } = traitsOf(entry)
    addTo(this.#bySpelling, spelling, entry)
    addTo(this.#byFold, folded, entry)
    addTo(this.#byExposed, exposed, entry)
    this.#own.add(`${entry.backend} ${folded}`)
    const spellings = this.#spellings.get(own)
    if (spellings === undefined) this.#spellings.set(own, new Set([spelling]))
    else if (spellings.size < MAX_SPELLINGS) spellings.add(spelling)
    if (description === '') return
    const alike = this.#byDescription.get(description)
    if (alike === undefined) this.#byDescription.set(description, [entry])
    else if (alike.length < MAX_ALIKE) alike.push(entry)
  }

  /** A name that is read as another's. */
  imitation(entry: Entry): string | undefined {
    const { folded, exposed } = traitsOf(entry)
    const lookAlike = this.#lookAlike(entry)
    if (lookAlike !== undefined)
      return `its name looks like ${told(lookAlike)} but is written with other letters`
    const bare = this.#names === 'prefix' ? undefined : this.#original(this.#byFold.get(folded), entry)
    if (bare !== undefined) return `its name is that of ${told(bare)}`
    // Nobody needs to call a tool as another's is shown to clients.
    const passing = other(this.#byExposed.get(folded), entry)
    if (passing !== undefined) return `its name is the one under which clients see ${told(passing)}`
    const shown = this.#original(this.#byExposed.get(exposed), entry)
    return shown && `clients see it under a name that is read as ${told(shown)}`
  }

  /** The same description under a name with one other character. */
  twin(entry: Entry): string | undefined {
    const { description, folded } = traitsOf(entry)
    const twin = this.#byDescription
      .get(description)
      ?.find(
        (rival) =>
          rival.backend !== entry.backend &&
          this.#isBefore(rival, entry) &&
          isOneEditApart(folded, traitsOf(rival).folded),
      )
    return twin && `it has the description and nearly the name of ${told(twin)}`
  }

  /** A description that speaks about the tools of others. */
  mention(entry: Entry): string | undefined {
    for (const { word, instructs } of traitsOf(entry).mentions) {
      if (this.#own.has(`${entry.backend} ${word}`)) continue
      const exposed = other(this.#byExposed.get(word), entry)
      if (exposed !== undefined)
        return `its description ${instructs ? 'tells how to use' : 'mentions'} ${told(exposed)}`
      const own = instructs ? other(this.#byFold.get(word), entry) : undefined
      if (own !== undefined) return `its description tells how to use ${told(own)}`
    }
    return undefined
  }

  /** Another spelling of what looks the same. Names that differ in nothing but case are told apart by their prefix. */
  #lookAlike(entry: Entry): Entry | undefined {
    const own = traitsOf(entry)
    for (const spelling of this.#spellings.get(own.skeleton) ?? []) {
      if (spelling === own.spelling) continue
      const found = this.#original(this.#bySpelling.get(spelling), entry)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** Of two that look alike, the approved one is the original; otherwise the one that the configuration names first. */
  #original(owners: Owners | undefined, entry: Entry): Entry | undefined {
    const found = other(owners, entry)
    return found !== undefined && this.#isBefore(found, entry) ? found : undefined
  }

  #isBefore(a: Entry, b: Entry): boolean {
    return (this.#ranks.get(a) ?? 0) < (this.#ranks.get(b) ?? 0)
  }
}

function addTo(table: Map<string, Owners>, key: string, entry: Entry): void {
  const owners = table.get(key)
  if (owners === undefined) table.set(key, [entry])
  else if (owners[1] === undefined && owners[0].backend !== entry.backend) table.set(key, [owners[0], entry])
}

/** The owner of another backend: a backend cannot imitate itself. */
function other(owners: Owners | undefined, { backend }: Entry): Entry | undefined {
  return owners?.[0].backend === backend ? owners[1] : owners?.[0]
}

function told({ backend, key }: Entry): string {
  return `${backend}/${key.slice(0, 64)}`
}

function traitsOf(entry: Entry): Traits {
  const known = traits.get(entry)
  if (known !== undefined) return known
  const text = descriptionOf(entry)
  const made: Traits = {
    spelling: entry.key.toLowerCase(),
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
  for (const match of text.matchAll(NOT_ASCII.test(text) ? WORD : ASCII_WORD)) {
    const [word] = match
    if (word.length > MAX_WORD || !COMPOUND.test(word)) continue
    if (found.size >= MAX_MENTIONS) break
    const before = text.slice(Math.max(0, match.index - REACH), match.index)
    // A sentence that has ended is another thought.
    const instructs = ORDER.test(before.slice(before.search(/[^.!?;\n]*$/)))
    const key = fold(word)
    found.set(key, found.get(key) === true || instructs)
  }
  return [...found].map(([word, instructs]) => ({ word, instructs }))
}
