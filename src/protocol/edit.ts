import { type JsonMember, type JsonObject, member, scanJson } from './json.ts'

/** Replaces `source.slice(start, end)` by `text`; an insertion where start equals end. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Applies edits that do not overlap; everything outside their spans stays as it was. Order of insertions at one place is kept. */
export function splice(source: string, edits: readonly Edit[]): string {
  if (edits.length === 0) return source
  const ordered = inOrder(edits) ? edits : edits.toSorted((a, b) => a.start - b.start || a.end - b.end)
  let result = ''
  let from = 0
  for (const edit of ordered) {
    result += source.slice(from, edit.start) + edit.text
    from = edit.end
  }
  return result + source.slice(from)
}

/** Edits are mostly made in the order of the text. */
function inOrder(edits: readonly Edit[]): boolean {
  let last = 0
  for (const { start, end } of edits) {
    if (start < last) return false
    last = end
  }
  return true
}

/** New raw JSON per key; undefined removes the member. */
export type MemberChanges = Readonly<Record<string, string | undefined>>

/**
 * The edits that set, add and remove members of one object. All changes of one object must be made by one
 * call, because commas belong to neighbours.
 *
 * @param object an object whose members were kept by the scan
 */
export function editMembers(object: JsonObject, changes: MemberChanges): readonly Edit[] {
  const members = object.members ?? []
  return additions(object, members, changes) ?? generalEdits(object, members, changes)
}

/** The usual case: nothing is there yet of what is set. */
function additions(
  object: JsonObject,
  members: readonly JsonMember[],
  changes: MemberChanges,
): readonly Edit[] | undefined {
  let text = ''
  for (const key in changes) {
    for (const entry of members) if (entry.key === key) return undefined
    const value = changes[key]
    if (value !== undefined) text += `${text === '' ? '' : ','}${quoted(key)}:${value}`
  }
  return text === '' ? [] : [prepended(object, text)]
}

/**
 * The edit that puts raw members in front of those that an object has: for keys that it surely has not.
 *
 * @param object an object whose members were kept by the scan
 */
export function prepended(object: JsonObject, members: string): Edit {
  const inside = object.start + 1
  const isEmpty = object.members === undefined || object.members.length === 0
  return { start: inside, end: inside, text: isEmpty ? members : `${members},` }
}

/** Keys that need no escapes, which is all of the protocol's own, are quoted without the engine's help. */
function quoted(key: string): string {
  return /^[\w./-]+$/.test(key) ? `"${key}"` : JSON.stringify(key)
}

function generalEdits(
  object: JsonObject,
  members: readonly JsonMember[],
  changes: MemberChanges,
): readonly Edit[] {
  const edits: Edit[] = []
  const missing = new Set(Object.keys(changes))
  const removed = members.map((entry) => {
    if (!missing.delete(entry.key)) return false
    const value = changes[entry.key]
    if (value === undefined) return true
    edits.push({ start: entry.value.start, end: entry.value.end, text: value })
    return false
  })
  edits.push(...removals(members, removed))
  const kept = removed.filter((gone) => !gone).length
  const added: string[] = []
  for (const key of missing) {
    const value = changes[key]
    if (value !== undefined) added.push(`${quoted(key)}:${value}`)
  }
  if (added.length > 0) {
    const inside = object.start + 1
    edits.push({ start: inside, end: inside, text: added.join(',') + (kept > 0 ? ',' : '') })
  }
  return edits
}

/** Removes runs of neighbours together with exactly the commas that would be left over. */
function removals(members: readonly JsonMember[], removed: readonly boolean[]): readonly Edit[] {
  const edits: Edit[] = []
  let index = 0
  while (index < members.length) {
    if (removed[index] !== true) {
      index++
      continue
    }
    const first = index
    while (index < members.length && removed[index] === true) index++
    edits.push(removal(members, first, index))
  }
  return edits
}

function removal(members: readonly JsonMember[], first: number, after: number): Edit {
  const next = members[after]
  const previous = members[first - 1]
  const last = members[after - 1]
  const start = members[first]?.start ?? 0
  if (next !== undefined) return { start, end: next.start, text: '' }
  const end = last?.value.end ?? start
  return { start: previous?.value.end ?? start, end, text: '' }
}

/** The raw object with a member of its `_meta` set, or taken out where the value is undefined. */
export function withMeta(object: string, key: string, value: string | undefined): string {
  const root = scanJson(object, { detail: 2, maxDepth: Infinity })
  if (root.kind !== 'object') return object
  const meta = member(root, '_meta')
  if (meta?.kind !== 'object')
    return value === undefined
      ? object
      : splice(object, editMembers(root, { _meta: `{${quoted(key)}:${value}}` }))
  const isOnly = meta.members?.length === 1 && meta.members[0]?.key === key
  // What is left of it says nothing.
  if (value === undefined && isOnly) return splice(object, editMembers(root, { _meta: undefined }))
  return splice(object, editMembers(meta, { [key]: value }))
}
