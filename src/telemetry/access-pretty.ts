import { styleText } from 'node:util'
import type { LineWriter } from './access-json.ts'
import type { CallEntry, Entry } from './access-entry.ts'
import type { Ending } from './outcome.ts'

/** What a terminal can do. */
export interface Terminal {
  readonly isTTY: boolean
  /** Width in characters. */
  readonly columns: number
  /** Whether colours are understood and wanted. */
  readonly color: boolean
}

const COLOR = {
  ok: 'green',
  input_required: 'cyan',
  tool_error: 'yellow',
  backend_error: 'yellow',
  refused: 'yellow',
  cancelled: 'dim',
  failed: 'red',
} as const satisfies Readonly<Record<Ending, unknown>>

/** Longer endings are rare. */
const ENDING = 'tool_error'.length

/** Makes lines for people: what matters first, and no more than fits on the line. */
export function createPrettyLines(terminal: Terminal): LineWriter {
  return (entry) => {
    const time = clock(entry.kind === 'call' ? entry.record.begunAt : entry.at)
    const ending = entry.ending.padEnd(ENDING)
    const room = Math.max(20, terminal.columns - time.length - ending.length - 2)
    const facts = plain(factsOf(entry).join(' '))
    const shown = facts.length > room ? `${facts.slice(0, room - 1)}…` : facts
    if (!terminal.color) return `${time} ${ending} ${shown}\n`
    const style = (kind: Parameters<typeof styleText>[0], text: string): string =>
      styleText(kind, text, { validateStream: false })
    return `${style('dim', time)} ${style(COLOR[entry.ending], ending)} ${shown}\n`
  }
}

function factsOf(entry: Entry): readonly string[] {
  if (entry.kind === 'http') {
    const { exchange, code } = entry
    return [exchange.method, exchange.path, String(exchange.refusal.status), code, exchange.address ?? '']
  }
  const { record, subject, duration, backend } = entry
  const { call } = record
  const about = subject === undefined ? [] : [subject.kind === 'resource' ? subject.uri : subject.name]
  return [
    call.method,
    ...about,
    shownTime(duration),
    ...codesOf(entry),
    ...(backend === undefined ? [] : [backend]),
    whoOf(entry),
  ]
}

function codesOf({ outcome, record }: CallEntry): readonly string[] {
  const tries = record.attempts.length > 1 ? [`${record.attempts.length} tries`] : []
  if (outcome.kind === 'error') return [String(outcome.code), ...tries]
  if (outcome.kind === 'result') return tries
  const { code } = outcome.error.data as { readonly code?: unknown }
  return [String(outcome.status), String(code), ...tries]
}

function whoOf({ record }: CallEntry): string {
  const { principal, downstream } = record.call
  return principal.anonymous ? (downstream.address ?? '') : principal.subject
}

function shownTime(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
}

/** The time of day where the gateway is. */
function clock(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8)
}

/** Texts of others must not steer the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?')
}
