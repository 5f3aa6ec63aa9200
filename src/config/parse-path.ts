import type { ConfigPath } from './problem.ts'

const PART = /\.?([\w-]+)|\.?("(?:[^"\\]|\\.)*")|\[(\d{1,9})\]/y

/**
 * Reads a path as {@link formatPath} writes it: `backends.github.args[1]`, odd keys in quotes; `.` is the whole.
 *
 * @returns undefined for what is no path
 */
export function parsePath(text: string): ConfigPath | undefined {
  const path: (string | number)[] = []
  if (text === '.') return path
  PART.lastIndex = 0
  while (PART.lastIndex < text.length) {
    const [, word, quoted, index] = PART.exec(text) ?? []
    const key = word ?? (quoted === undefined ? undefined : unquote(quoted))
    if (key === undefined && index === undefined) return undefined
    path.push(key ?? Number(index))
  }
  return path.length === 0 ? undefined : path
}

function unquote(quoted: string): string | undefined {
  try {
    return String(JSON.parse(quoted))
  } catch {
    return undefined
  }
}
