import { createHash } from 'node:crypto'
import type { NamePolicy } from '../config/types.ts'
import type { ListKind } from '../protocol/methods.ts'
import { type Entry, renameEntry, withUiUris, withUri } from './entry.ts'
import { type ExposedName, exposeNames } from './names.ts'
import type { Quarantine } from './integrity/integrity.ts'
import type { UriSpace } from './uris.ts'

/** An entry under the name that clients of one route see. */
export interface ExposedEntry {
  readonly entry: Entry
  readonly exposed: string
  /** The definition as it is listed. */
  readonly text: string
  /** Why it is neither listed nor callable; undefined for nearly all. */
  readonly quarantine?: Quarantine | undefined
}

/** The entries of one kind as one route shows them: a table to look names up in and the prepared list. */
export interface View {
  readonly entries: readonly ExposedEntry[]
  /** What is held back is found too, so that a call of it is refused for what it is. */
  readonly byName: ReadonlyMap<string, ExposedEntry>
  /** Changes when, and only when, the listed bytes change. */
  readonly digest: string
  /** Names that were left out because another backend has them. */
  readonly hidden: readonly { readonly backend: string; readonly key: string }[]
}

/** Says why an entry is held back; undefined for nearly all. */
export type QuarantineOf = (entry: Entry) => Quarantine | undefined

const nothingHeld: QuarantineOf = () => undefined

/** The entries of one backend under its own names. */
export function ownView(entries: readonly Entry[], quarantineOf: QuarantineOf = nothingHeld): View {
  return makeView(
    entries.map((entry) => {
      return { entry, exposed: entry.key, text: entry.text, quarantine: quarantineOf(entry) }
    }),
    [],
  )
}

/** How the aggregate tells the entries of several backends apart. */
export interface Exposure {
  readonly names: NamePolicy
  readonly uris: UriSpace
  /** Whether a tool is shown by exactly its name, whatever {@link names} says. Default: none is. */
  readonly isExact?: (entry: Entry) => boolean
  /** Default: nothing is held back. */
  readonly quarantineOf?: QuarantineOf
}

/**
 * The entries of several backends, in the order given. Tools and prompts get exposed names; resources keep their
 * URI unless an earlier backend has the same.
 */
export function mergedView(kind: ListKind, entries: readonly Entry[], exposure: Exposure): View {
  const { uris } = exposure
  if (kind === 'resources') return uriView(entries, ({ backend, key }) => uris.expose(backend, key))
  if (kind === 'resourceTemplates')
    return uriView(entries, ({ backend, key }) => uris.exposeTemplate(backend, key))
  const shown: ExposedEntry[] = []
  const hidden: { backend: string; key: string }[] = []
  for (const { entry, quarantine, name } of named(entries, exposure)) {
    if (name === undefined) hidden.push({ backend: entry.backend, key: entry.key })
    else shown.push({ entry, exposed: name.exposed, text: shownText(entry, name, uris), quarantine })
  }
  return makeView(shown, hidden)
}

interface Named {
  readonly entry: Entry
  readonly quarantine: Quarantine | undefined
  readonly name: ExposedName | undefined
}

/** What is held back and was never approved must not change the names of others: it comes last. */
function named(entries: readonly Entry[], exposure: Exposure): readonly Named[] {
  const { names, quarantineOf = nothingHeld, isExact = () => false } = exposure
  const judged = entries.map((entry) => ({ entry, quarantine: quarantineOf(entry) }))
  const own = judged.filter(({ quarantine }) => quarantine?.keepsName !== false)
  const withNames = (of: typeof judged): readonly Named[] => {
    const exposed = exposeNames(
      names,
      of.map(({ entry }) => ({ backend: entry.backend, name: entry.key, exact: isExact(entry) })),
    )
    return of.map((one, index) => ({ ...one, name: exposed[index] }))
  }
  const first = withNames(own)
  if (own.length === judged.length) return first
  const others = judged.filter(({ quarantine }) => quarantine?.keepsName === false)
  return [...first, ...withNames([...own, ...others]).slice(own.length)]
}

function shownText(entry: Entry, name: ExposedName, uris: UriSpace): string {
  const text = renameEntry(entry, name.exposed, name.full)
  const { backend, refersTo } = entry
  if (refersTo.length === 0 || !uris.rewrites(backend)) return text
  return withUiUris(text, (uri) => uris.expose(backend, uri))
}

function uriView(entries: readonly Entry[], expose: (entry: Entry) => string): View {
  const shown = entries.map((entry) => {
    const exposed = expose(entry)
    return { entry, exposed, text: withUri(entry, exposed), quarantine: undefined }
  })
  return makeView(shown, [])
}

/**
 * Some entries of a view, under the same names.
 *
 * @param kept whether each is among them, in their order
 */
export function partOf(view: View, kept: readonly boolean[]): View {
  return makeView(
    view.entries.filter((_, index) => kept[index] === true),
    [],
  )
}

function makeView(all: readonly ExposedEntry[], hidden: View['hidden']): View {
  const digest = createHash('sha256')
  const entries = all.filter(({ quarantine }) => quarantine === undefined)
  for (const { text } of entries) digest.update(text).update('\n')
  const byName = new Map(all.map((shown) => [shown.exposed, shown]))
  // A name that is listed never leads to what is held back.
  if (entries.length < all.length) for (const shown of entries) byName.set(shown.exposed, shown)
  return { entries, byName, digest: digest.digest('base64url').slice(0, 22), hidden }
}
