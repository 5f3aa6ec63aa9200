import { createHash } from 'node:crypto'
import type { NamePolicy } from '../config/types.ts'
import type { ListKind } from '../protocol/methods.ts'
import { type Entry, renameEntry, withUiUris, withUri } from './entry.ts'
import { type ExposedName, exposeNames } from './names.ts'
import type { UriSpace } from './uris.ts'

/** An entry under the name that clients of one route see. */
export interface ExposedEntry {
  readonly entry: Entry
  readonly exposed: string
  /** The definition as it is listed. */
  readonly text: string
}

/** The entries of one kind as one route shows them: a table to look names up in and the prepared list. */
export interface View {
  readonly entries: readonly ExposedEntry[]
  readonly byName: ReadonlyMap<string, ExposedEntry>
  /** Changes when, and only when, the listed bytes change. */
  readonly digest: string
  /** Names that were left out because another backend has them. */
  readonly hidden: readonly { readonly backend: string; readonly key: string }[]
}

/** The entries of one backend under its own names. */
export function ownView(entries: readonly Entry[]): View {
  return makeView(
    entries.map((entry) => ({ entry, exposed: entry.key, text: entry.text })),
    [],
  )
}

/** How the aggregate tells the entries of several backends apart. */
export interface Exposure {
  readonly names: NamePolicy
  readonly uris: UriSpace
}

/**
 * The entries of several backends, in the order given. Tools and prompts get exposed names; resources keep their
 * URI unless an earlier backend has the same.
 */
export function mergedView(kind: ListKind, entries: readonly Entry[], { names, uris }: Exposure): View {
  if (kind === 'resources') return uriView(entries, ({ backend, key }) => uris.expose(backend, key))
  if (kind === 'resourceTemplates')
    return uriView(entries, ({ backend, key }) => uris.exposeTemplate(backend, key))
  const exposed = exposeNames(
    names,
    entries.map(({ backend, key }) => ({ backend, name: key })),
  )
  const shown: ExposedEntry[] = []
  const hidden: { backend: string; key: string }[] = []
  entries.forEach((entry, index) => {
    const name = exposed[index]
    if (name === undefined) hidden.push({ backend: entry.backend, key: entry.key })
    else shown.push({ entry, exposed: name.exposed, text: shownText(entry, name, uris) })
  })
  return makeView(shown, hidden)
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
    return { entry, exposed, text: withUri(entry, exposed) }
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

function makeView(entries: readonly ExposedEntry[], hidden: View['hidden']): View {
  const digest = createHash('sha256')
  for (const { text } of entries) digest.update(text).update('\n')
  return {
    entries,
    byName: new Map(entries.map((shown) => [shown.exposed, shown])),
    digest: digest.digest('base64url').slice(0, 22),
    hidden,
  }
}
