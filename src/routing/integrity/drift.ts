import type { Pin } from './definition.ts'

/** How one definition stands to what was approved. */
export type Drift =
  | { readonly kind: 'same'; readonly name: string }
  /** `changes` names the members that differ. */
  | {
      readonly kind: 'changed'
      readonly name: string
      readonly changes: readonly string[]
      readonly before: Pin
      readonly now: Pin
    }
  | { readonly kind: 'added'; readonly name: string; readonly now: Pin }
  | { readonly kind: 'gone'; readonly name: string; readonly before: Pin }

/** Holds what is listed against what was approved: first what is listed, in its order, then what is gone. */
export function compare(
  approved: ReadonlyMap<string, Pin>,
  listed: ReadonlyMap<string, Pin>,
): readonly Drift[] {
  const seen = [...listed].map(([name, now]): Drift => {
    const before = approved.get(name)
    if (before === undefined) return { kind: 'added', name, now }
    if (before.digest === now.digest) return { kind: 'same', name }
    return { kind: 'changed', name, changes: changesOf(before, now), before, now }
  })
  const gone = [...approved].flatMap(([name, before]): readonly Drift[] =>
    listed.has(name) ? [] : [{ kind: 'gone', name, before }],
  )
  return [...seen, ...gone]
}

/** The members that differ; what no member tells is called `definition`. */
function changesOf(before: Pin, now: Pin): readonly string[] {
  const keys = [...new Set([...Object.keys(before.members), ...Object.keys(now.members)])].toSorted()
  const changed = keys.filter((key) => before.members[key] !== now.members[key])
  return changed.length === 0 ? ['definition'] : changed
}
