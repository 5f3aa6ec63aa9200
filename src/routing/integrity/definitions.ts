import type { Catalog } from '../catalog.ts'
import { type PinnedKind, PINNED_KINDS } from './definition.ts'
import type { Integrity } from './integrity.ts'
import type { LockReport } from './report.ts'

/** A definition that can be approved. */
export interface ListedDefinition {
  readonly kind: PinnedKind
  /** As its backend calls it. */
  readonly name: string
  /** Its JSON as its backend wrote it. */
  readonly text: string
}

/** What backends define, and what was approved of it. */
export interface Definitions {
  /** How the file with the approved definitions is. */
  lock(): LockReport
  /**
   * What `toolgate pin` approves: every tool and prompt of each backend as it is defined there; undefined for a backend
   * whose lists are not known completely and as they are now.
   */
  listed(): ReadonlyMap<string, readonly ListedDefinition[] | undefined>
}

/** The definitions of these backends. */
export function definitionsIn(
  catalog: Pick<Catalog, 'known'>,
  integrity: Pick<Integrity, 'lockReport'>,
  backends: readonly string[],
): Definitions {
  return {
    lock: () => integrity.lockReport(),
    listed: () => new Map(backends.map((backend) => [backend, definitionsOf(catalog, backend)])),
  }
}

function definitionsOf(
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
