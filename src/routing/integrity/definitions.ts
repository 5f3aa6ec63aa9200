import type { Catalog } from '../catalog.ts'
import { type PinnedKind, PINNED_KINDS } from './definition.ts'

/** A definition that can be approved. */
export interface ListedDefinition {
  readonly kind: PinnedKind
  /** As its backend calls it. */
  readonly name: string
  /** Its JSON as its backend wrote it. */
  readonly text: string
}

/** Every definition of a backend that can be approved; undefined while its lists are not known completely and as they are now. */
export function definitionsOf(
  catalog: Pick<Catalog, 'known'>,
  backend: string,
): readonly ListedDefinition[] | undefined {
  const states = PINNED_KINDS.map((kind) => ({ kind, state: catalog.known(kind, backend) }))
  if (states.some(({ state }) => state?.kind !== 'current')) return undefined
  return states.flatMap(({ kind, state }) =>
    state?.kind === 'current'
      ? state.listing.entries.map(({ key, text, original }) => ({ kind, name: key, text: original ?? text }))
      : [],
  )
}
