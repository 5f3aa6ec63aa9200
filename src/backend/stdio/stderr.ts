import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'
import { createEventRate } from './rate.ts'

/** Characters of one line that are kept; the rest of the line is dropped. */
const MAX_LINE = 2_000

/** Characters of the last line that are kept as the reason of an end. */
const LAST_LINE = 300

/** Lines per backend: so many at once, filled up again over the window in milliseconds. */
const LINES = 100
const WINDOW = 10_000

/** Takes what a process writes to its standard error. */
export interface StderrReader {
  push(chunk: Uint8Array): void
  /** Takes the last line, finished or not. */
  end(): void
  /** The last line that says something: no blank or indented lines, no closing brackets, no banner of Node. */
  lastLine(): string | undefined
}

/**
 * Puts the standard error of a backend into the log at `info`, line by line: the specification says not to take it
 * for errors (2026-07-28, basic/transports/stdio). Length and rate are bounded, invalid UTF-8 is replaced and
 * control characters are escaped, so that a backend can neither flood nor forge the log.
 */
export function createStderrReader(backend: string, ports: { clock: Clock; log: Log }): StderrReader {
  const { clock, log } = ports
  const decoder = new TextDecoder('utf-8')
  const rate = createEventRate(clock, LINES, WINDOW)
  let line = ''
  let cut = false
  let last: string | undefined

  const reportHeldBack = (): void => {
    const lines = rate.heldBack()
    if (lines > 0) log('warn', 'Lines on standard error were too many to log', { backend, lines })
  }
  const finishLine = (): void => {
    const text = escapeControls(line.endsWith('\r') ? line.slice(0, -1) : line) + (cut ? '…' : '')
    line = ''
    cut = false
    if (text.trim() === '') return
    if (/^[^\s}\])^]/.test(text) && !/^Node\.js v\d/.test(text)) last = text.slice(0, LAST_LINE)
    if (!rate.allow()) return
    reportHeldBack()
    log('info', text, { backend, stream: 'stderr' })
  }
  const append = (part: string): void => {
    const room = MAX_LINE - line.length
    cut ||= part.length > room
    line += part.slice(0, room)
  }
  const take = (text: string): void => {
    const [first = '', ...others] = text.split('\n')
    append(first)
    for (const part of others) {
      finishLine()
      append(part)
    }
  }
  return {
    push: (chunk) => take(decoder.decode(chunk, { stream: true })),
    end: () => {
      take(decoder.decode())
      finishLine()
      reportHeldBack()
    },
    lastLine: () => last,
  }
}

/** C0 and C1 controls, line and paragraph separators, and the marks that reorder text on a screen. */
// oxlint-disable-next-line no-control-regex -- controls are what this is about
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** The text with control characters (all but the tab) written as `\xNN` or `\uNNNN`. */
export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => {
    const hex = character.charCodeAt(0).toString(16)
    return hex.length <= 2 ? `\\x${hex.padStart(2, '0')}` : `\\u${hex}`
  })
}
