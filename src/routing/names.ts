import { createHash } from 'node:crypto'
import { RESERVED_NAMES } from '../config/backend-schema.ts'
import type { NamePolicy } from '../config/types.ts'

/** Longest tool name that model APIs accept. */
export const MAX_NAME = 64

/** A tool or prompt as its backend calls it. */
export interface OwnName {
  readonly backend: string
  readonly name: string
  /** True for a tool of the gateway itself that is shown by exactly its name. Default false. */
  readonly exact?: boolean
}

/** How one entry appears in the aggregate; undefined leaves it out. */
export interface ExposedName {
  readonly exposed: string
  /** The name that had to be shortened; undefined where nothing was lost. */
  readonly full: string | undefined
}

/**
 * Names for the aggregate, in the order given, which decides who keeps a name that two want:
 * `prefix` puts the backend in front of every name, `conflict` only in front of names that several backends use,
 * `bare` never (the first backend keeps the name, the entry of any other is left out). The gateway's own tools always
 * carry its name, or are shown by exactly their own; what a backend calls the same is then told apart, or left out.
 * Always the same names for the same entries, never two the same, never longer than {@link MAX_NAME}.
 */
export function exposeNames(
  policy: NamePolicy,
  entries: readonly OwnName[],
): readonly (ExposedName | undefined)[] {
  const uses = new Map<string, number>()
  for (const entry of entries) if (!isReserved(entry)) uses.set(entry.name, (uses.get(entry.name) ?? 0) + 1)
  const taken = new Set<string>()
  const nameOf = (entry: OwnName): ExposedName | undefined => {
    const wanted = policy === 'prefix' || (policy === 'conflict' && (uses.get(entry.name) ?? 0) > 1)
    const full =
      entry.exact !== true && (wanted || isReserved(entry)) ? `${entry.backend}_${entry.name}` : entry.name
    const exposed = fit(full, entry)
    if (!taken.has(exposed)) return claim(exposed, full, taken)
    // `a` + `b_c` and `a_b` + `c` meet at the same name: the later one is told apart by its digest.
    return policy === 'bare' ? undefined : claim(shorten(full, entry), full, taken)
  }
  // No backend takes a name of the gateway's own, wherever they stand.
  const own = new Map(entries.filter(isReserved).map((entry) => [entry, nameOf(entry)]))
  return entries.map((entry) => own.get(entry) ?? nameOf(entry))
}

function isReserved({ backend }: OwnName): boolean {
  return RESERVED_NAMES.has(backend)
}

function claim(exposed: string, full: string, taken: Set<string>): ExposedName | undefined {
  if (taken.has(exposed)) return undefined
  taken.add(exposed)
  return { exposed, full: exposed === full ? undefined : full }
}

function fit(full: string, entry: OwnName): string {
  return full.length <= MAX_NAME ? full : shorten(full, entry)
}

/** Digest characters that tell shortened names apart. */
const DIGEST = 8

function shorten(full: string, entry: OwnName): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([entry.backend, entry.name]))
    .digest('hex')
  // A cut must not leave half of a character: it could not be written in a header.
  return `${full.slice(0, MAX_NAME - DIGEST - 1).toWellFormed()}_${digest.slice(0, DIGEST)}`
}
