import { styleText } from 'node:util'
import type { Output } from './io.ts'

/** Colours and weights for people; nothing where they are not wanted. */
export function paint(
  output: Output,
  format: 'bold' | 'dim' | 'red' | 'green' | 'yellow',
  text: string,
): string {
  return output.color ? styleText(format, text, { validateStream: false }) : text
}

/**
 * A text from elsewhere, safe to print on a terminal: control characters, which could move the cursor or change what is
 * on the screen, become `�`. Line breaks and tabs stay.
 */
export function printable(text: string): string {
  return Array.from(text.replaceAll('\r\n', '\n'), (char) => (isControl(char) ? '\uFFFD' : char)).join('')
}

/** C0 and C1 controls, and the marks that turn the direction of writing. */
function isControl(char: string): boolean {
  if (char === '\n' || char === '\t') return false
  const code = char.codePointAt(0) ?? 0
  return (
    code < 0x20 ||
    (code >= 0x7f && code < 0xa0) ||
    (code >= 0x202a && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069)
  )
}

/** The text on one line, safe to print, cut to a width. */
export function oneLine(text: string, width: number): string {
  const line = printable(text).replaceAll(/\s+/g, ' ').trim()
  return line.length > width ? `${line.slice(0, Math.max(width - 1, 0))}…` : line
}

/** Breaks a line at spaces so that no part is longer than `width`; a longer word is cut. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const next = line === '' ? word : `${line} ${word}`
    if (next.length <= width) {
      line = next
      continue
    }
    if (line !== '') lines.push(line)
    line = word
    for (; line.length > width; line = line.slice(width)) lines.push(line.slice(0, width))
  }
  return [...lines, line]
}

/** Least width of the last column, however narrow the terminal. */
const NARROWEST = 16

/**
 * Rows as a table: columns as wide as what they hold, two spaces between them, the last one wrapped to the rest of the
 * width. The first row is the heading.
 */
export function table(rows: readonly (readonly string[])[], output: Output): string {
  const count = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: Math.max(count - 1, 0) }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  const indent = widths.reduce((sum, width) => sum + width + 2, 0)
  const rest = Math.max(NARROWEST, output.columns - indent)
  const lines = rows.flatMap((row, index) => {
    const start = widths.map((width, column) => (row[column] ?? '').padEnd(width + 2)).join('')
    const wrapped = wrap(row[count - 1] ?? '', rest)
    const whole = wrapped.map((part, line) => `${line === 0 ? start : ' '.repeat(indent)}${part}`.trimEnd())
    return index === 0 ? whole.map((line) => paint(output, 'bold', line)) : whole
  })
  return `${lines.join('\n')}\n`
}

/** Milliseconds as people write them: `250ms`, `1.5s`, `30s`, `2m`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`
  if (ms % 60_000 === 0) return `${ms / 60_000}m`
  return `${Math.round(ms / 100) / 10}s`
}
