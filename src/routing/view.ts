import { createHash } from 'node:crypto'
import type { NamePolicy } from '../config/types.ts'
import type { ListKind } from '../protocol/methods.ts'
import { type Entry, renameEntry } from './entry.ts'
import { exposeNames } from './names.ts'

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
  /** Names or URIs that were left out because another backend has them. */
  readonly hidden: readonly { readonly backend: string; readonly key: string }[]
}

/** The entries of one backend under its own names. */
export function ownView(entries: readonly Entry[]): View {
  return makeView(
    entries.map((entry) => ({ entry, exposed: entry.key, text: entry.text })),
    [],
  )
}

/**
 * The entries of several backends, in the order given. Tools and prompts get exposed names; resources keep their
 * URI, which the first backend that lists it owns.
 */
export function mergedView(kind: ListKind, entries: readonly Entry[], names: NamePolicy): View {
  const policy = kind === 'tools' || kind === 'prompts' ? names : 'keep'
  if (policy === 'keep') return keepKeys(entries)
  const exposed = exposeNames(
    policy,
    entries.map(({ backend, key }) => ({ backend, name: key })),
  )
  const shown: ExposedEntry[] = []
  const hidden: { backend: string; key: string }[] = []
  entries.forEach((entry, index) => {
    const name = exposed[index]
    if (name === undefined) hidden.push({ backend: entry.backend, key: entry.key })
    else shown.push({ entry, exposed: name.exposed, text: renameEntry(entry, name.exposed, name.full) })
  })
  return makeView(shown, hidden)
}

function keepKeys(entries: readonly Entry[]): View {
  const shown = new Map<string, ExposedEntry>()
  const hidden: { backend: string; key: string }[] = []
  for (const entry of entries) {
    if (shown.has(entry.key)) hidden.push({ backend: entry.backend, key: entry.key })
    else shown.set(entry.key, { entry, exposed: entry.key, text: entry.text })
  }
  return makeView([...shown.values()], hidden)
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
