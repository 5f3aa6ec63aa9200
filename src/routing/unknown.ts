import { GatewayError } from '../errors.ts'
import type { Rights } from '../pipeline/rights.ts'
import type { ListKind } from '../protocol/methods.ts'
import { narrowed } from './narrow.ts'
import type { AwayBackend, CatalogScope, Found } from './catalog.ts'

const NOUN: Readonly<Record<ListKind, string>> = {
  tools: 'tool',
  prompts: 'prompt',
  resources: 'resource',
  resourceTemplates: 'resource template',
}

/** What somebody asked for. */
export interface Wanted {
  readonly kind: ListKind
  readonly name: string
  readonly scope: CatalogScope
  /** Of whoever asks; undefined lets everything be told. */
  readonly rights: Rights | undefined
}

/**
 * The refusal of a name that no backend lists, or none that whoever asks may see: it says what is close to it, and who is
 * away, as far as that may be known.
 */
export function unknownName(
  wanted: Wanted,
  found: Pick<Extract<Found, { kind: 'unknown' }>, 'view' | 'away'>,
): GatewayError {
  const { kind, name, scope, rights } = wanted
  const gone = found.away.filter(({ backend }) => rights?.reaches(backend, kind) ?? true)
  const culprit = awayOwner(name, gone, scope)
  if (culprit !== undefined) {
    const message = `${NOUN[kind]} ${printable(name)} may belong to backend ${culprit.backend}, which is away: ${culprit.reason}`
    return new GatewayError('BACKEND_UNAVAILABLE', message, {
      backend: culprit.backend,
      outcome: 'not-executed',
    })
  }
  const noun = NOUN[kind]
  const away = gone.length === 0 ? '' : ` Away: ${gone.map((entry) => entry.backend).join(', ')}.`
  const names = narrowed(found.view, rights).entries.map(({ exposed }) => exposed)
  const message = `Unknown ${noun}: ${printable(name)}. ${suggestion(noun, name, names)}${away}`
  if (kind === 'resources') return new GatewayError('UNKNOWN_NAME', message, { data: { uri: name } })
  return new GatewayError(kind === 'tools' ? 'UNKNOWN_TOOL' : 'UNKNOWN_NAME', message)
}

/** Only for the message: the away backend that the name seems to be meant for. */
function awayOwner(name: string, away: readonly AwayBackend[], scope: CatalogScope): AwayBackend | undefined {
  return away.find((entry) => scope.kind === 'backend' || name.startsWith(`${entry.backend}_`))
}

function suggestion(noun: string, name: string, names: readonly string[]): string {
  if (names.length === 0) return `There is no ${noun}.`
  const close = closeTo(name, names)
  const shown = (close.length > 0 ? close : names).slice(0, SHOWN)
  const rest =
    close.length > 0 ? '' : names.length > shown.length ? ` and ${names.length - shown.length} more` : ''
  return `${close.length > 0 ? 'Close to it' : 'There is'}: ${listed(shown)}${rest}.`
}

/** Names that are suggested at most, and names that a wrong one is compared with: anybody can ask for any, at any rate. */
const SHOWN = 10
const COMPARED = 2000

function closeTo(name: string, names: readonly string[]): readonly string[] {
  if (name.length > LONGEST) return []
  const close: string[] = []
  for (const other of names.slice(0, COMPARED)) {
    if (!other.includes(name) && !name.includes(other) && !isNear(name, other)) continue
    if (close.push(other) === SHOWN) break
  }
  return close
}

/** Names in a sentence. */
export function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}

/** What a client wrote, short and without characters that could forge a log line. */
export function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 128)
}

/** Most letters that may differ between names that are suggested for each other, and the longest that are compared. */
const NEAR = 3
const LONGEST = 128

/** Whether the Levenshtein distance is small. Gives up as soon as it cannot be: there may be many names to compare with. */
function isNear(a: string, b: string): boolean {
  if (a.length > 64 || Math.abs(a.length - b.length) > NEAR) return false
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substituted))
    }
    if (Math.min(...current) > NEAR) return false
    previous = current
  }
  return (previous[b.length] ?? 0) <= NEAR
}
