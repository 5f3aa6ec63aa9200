/** A text in which `*` stands for any characters, `/` included. Everything else stands for itself, case and all. */
export interface Glob {
  readonly text: string
  /** True where the text holds no `*`. */
  readonly literal: boolean
  /** Takes time proportional to the product of both lengths at worst. */
  matches(text: string): boolean
}

/** Compiles a glob. */
export function glob(text: string): Glob {
  const parts = text.split('*')
  const [first = ''] = parts
  if (parts.length === 1) return { text, literal: true, matches: (other) => other === text }
  if (text === '*') return { text, literal: false, matches: () => true }
  const rest = parts.slice(1)
  const last = rest.pop() ?? ''
  return {
    text,
    literal: false,
    matches(other) {
      if (other.length < first.length + last.length) return false
      return other.startsWith(first) && other.endsWith(last) && holds(other, rest, [first, last])
    },
  }
}

/** Whether the parts come one after the other between the ends. The first place of each is as good as any later one. */
function holds(text: string, parts: readonly string[], [first, last]: readonly [string, string]): boolean {
  const end = text.length - last.length
  let at = first.length
  for (const part of parts) {
    const found = text.indexOf(part, at)
    if (found === -1 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}

/** Whether one of the globs matches. */
export function anyMatches(globs: readonly Glob[], text: string): boolean {
  for (const each of globs) if (each.matches(text)) return true
  return false
}

/** Whether the glob can match a text that begins with that prefix. */
export function canBeginWith(text: string, prefix: string): boolean {
  return canMeet(text, `${prefix}*`)
}

/** Whether some text matches both globs. Takes time proportional to the product of their lengths. */
export function canMeet(left: string, right: string): boolean {
  // Nearly all that cannot meet differ before the first star.
  const head = Math.min(starAt(left), starAt(right))
  if (left.slice(0, head) !== right.slice(0, head)) return false
  // `row[j]`: what is left of the one from `i` on can meet what is left of the other from `j` on.
  let row: boolean[] = []
  for (let i = left.length; i >= 0; i--) {
    const below = row
    row = []
    for (let j = right.length; j >= 0; j--) {
      const a = left[i]
      const b = right[j]
      const skipLeft = a === '*' && (below[j] ?? false)
      const skipRight = b === '*' && (row[j + 1] ?? false)
      if (a === undefined && b === undefined) row[j] = true
      else if (a === '*' || b === '*') row[j] = skipLeft || skipRight || stretches(a, b, { below, row, j })
      else row[j] = a !== undefined && a === b && (below[j + 1] ?? false)
    }
  }
  return row[0] ?? false
}

function starAt(text: string): number {
  const at = text.indexOf('*')
  return at === -1 ? text.length : at
}

interface Cell {
  readonly below: readonly boolean[]
  readonly row: readonly boolean[]
  readonly j: number
}

/** A `*` takes one more character of the other side. */
function stretches(a: string | undefined, b: string | undefined, { below, row, j }: Cell): boolean {
  if (a === '*' && b !== '*' && b !== undefined) return row[j + 1] ?? false
  if (b === '*' && a !== '*' && a !== undefined) return below[j] ?? false
  return false
}
