import type { Rights } from '../pipeline/rights.ts'
import { type View, partOf } from './view.ts'

/** The parts of one list that have been asked for. */
interface Parts {
  readonly byRights: WeakMap<Rights, View>
  /** Whoever may see the same gets the same. */
  readonly byEntries: Map<string, View>
}

const noParts = (): Parts => ({ byRights: new WeakMap(), byEntries: new Map() })

/** Lists live as long as what is listed does not change, and so do their parts. */
const known = new WeakMap<View, Parts>()

/** Different parts of one list that are kept. */
const MAX_PARTS = 64

/** The part of a list that these rights let through; made once for all who see the same. */
export function narrowed(view: View, rights: Rights | undefined): View {
  if (rights === undefined) return view
  const parts = known.get(view) ?? noParts()
  known.set(view, parts)
  const kept = parts.byRights.get(rights)
  if (kept !== undefined) return kept
  const seen = view.entries.map(({ entry }) => rights.sees(entry))
  const key = seen.map(Number).join('')
  const part = parts.byEntries.get(key) ?? (seen.every(Boolean) ? view : partOf(view, seen))
  if (parts.byEntries.size >= MAX_PARTS) parts.byEntries.clear()
  parts.byEntries.set(key, part)
  parts.byRights.set(rights, part)
  return part
}
