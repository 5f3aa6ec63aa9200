import type { Backend } from '../backend/backend.ts'
import { GatewayError, toGatewayError } from '../errors.ts'
import type { IntegrityPolicy } from '../config/types.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { ListKind } from '../protocol/methods.ts'
import { type Entry, type InvalidEntry, readEntry } from './entry.ts'
import { escapeHidden } from './integrity/hidden.ts'
import { type Invisible, inspect } from './integrity/inspect.ts'

/** What one backend listed last. */
export interface Listing {
  readonly entries: readonly Entry[]
  /** Definitions with characters that nobody sees, with what was done about them. */
  readonly invisible: readonly Invisible[]
  /** Clock milliseconds when it arrived. */
  readonly at: number
  readonly ttlMs: number
  readonly cacheScope: 'public' | 'private'
  readonly offered: boolean
}

/** How a source stands after it was asked. */
export type SourceState =
  | { readonly kind: 'current'; readonly listing: Listing }
  /** The backend does not answer; what it listed last is shown until that moment of the clock. */
  | { readonly kind: 'stale'; readonly listing: Listing; readonly reason: string; readonly until: number }
  /** The backend does not answer, and nothing is known of it or it has not answered for too long. */
  | { readonly kind: 'omitted'; readonly reason: string }

/** What a source needs from outside. */
export interface SourcePorts {
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds for which the last known list of a backend is shown, from when it was first found silent. */
  readonly staleFor: number
  /** Milliseconds for one fetch of the whole list, whoever waits for it. */
  readonly fetchTimeout: number
  /** What to do about texts with characters that nobody sees. */
  readonly onInvisible: IntegrityPolicy['onInvisible']
  /** Called with every list that arrives, before anybody is told of it. */
  readonly onListed: (listing: Listing) => void
  /** Called when other entries are to be shown than before. */
  readonly onChange: () => void
  /** Called when the backend lists something else than it did, or nothing any more, without having said so. */
  readonly onNews: () => void
}

/** One kind of list of one backend, fetched when it is needed and remembered. */
export interface Source {
  readonly backend: string
  /** Fetches unless what is known is fresh. Callers at the same time share one fetch. Never rejects. */
  refresh(): Promise<void>
  /** Fetches even what is fresh; joins a fetch that is under way. Never rejects. */
  refetch(): Promise<void>
  /** True while the last list may be used without asking (2026-07-28, server/utilities/caching). */
  isFresh(): boolean
  /** Whether its backend is known not to answer as it should: nobody need wait long for its list. */
  readonly isSick: boolean
  /**
   * Clock milliseconds since the last fetch ended, well or not; endless once a change was announced, or the backend came
   * up after a fetch that failed had begun.
   */
  age(): number
  /** @param told whether clients were told that the list changed. Default false */
  invalidate(told?: boolean): void
  /** @param inTime whether the last refresh ended before whoever asks had to answer */
  state(inTime: boolean): SourceState
  /** Says nothing more by itself. */
  close(): void
}

/** Creates a source. Nothing is fetched yet. */
export function createSource(backend: Backend, kind: ListKind, ports: SourcePorts): Source {
  return new BackendSource(backend, kind, ports)
}

interface Failure {
  readonly reason: string
  /** Clock milliseconds of the first failure since the last success. */
  readonly since: number
  /** Wall-clock milliseconds at which the fetch began that failed last. */
  readonly begun: number
}

class BackendSource implements Source {
  readonly backend: string
  readonly #from: Backend
  readonly #kind: ListKind
  readonly #ports: SourcePorts
  #listing: Listing | undefined
  #failure: Failure | undefined
  #lastFetch = Number.NEGATIVE_INFINITY
  #invalid = false
  /** Whether clients know that the next list may be another one. */
  #told = false
  #cancelOmission: (() => void) | undefined
  #fetching: Promise<void> | undefined
  /** What was left out last time: it is told once, not with every fetch. */
  #problems: ReadonlySet<string> = new Set()
  /** What was read last time, by what was written: a definition that stays is not read again. */
  #known: ReadonlyMap<string, Definition> = new Map()

  constructor(backend: Backend, kind: ListKind, ports: SourcePorts) {
    this.backend = backend.name
    this.#from = backend
    this.#kind = kind
    this.#ports = ports
  }

  isFresh(): boolean {
    const listing = this.#listing
    if (listing === undefined || this.#failure !== undefined || this.#invalid) return false
    return this.#ports.clock.now() < listing.at + listing.ttlMs
  }

  get isSick(): boolean {
    const { status } = this.#from.status().health
    return status === 'unhealthy' || status === 'unreachable'
  }

  age(): number {
    if (this.#invalid || this.#hasComeBack()) return Number.POSITIVE_INFINITY
    return this.#ports.clock.now() - this.#lastFetch
  }

  /** Whether what the last fetch failed of may be over. */
  #hasComeBack(): boolean {
    if (this.#failure === undefined) return false
    const { condition, since } = this.#from.status()
    return condition.state === 'up' && since > this.#failure.begun
  }

  invalidate(told = false): void {
    this.#invalid = true
    this.#told ||= told
  }

  refresh(): Promise<void> {
    return this.isFresh() ? Promise.resolve() : this.refetch()
  }

  refetch(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  close(): void {
    this.#cancelOmission?.()
  }

  state(inTime: boolean): SourceState {
    const listing = this.#listing
    const failure = this.#failure
    if (listing === undefined) return { kind: 'omitted', reason: failure?.reason ?? NO_ANSWER }
    if (failure === undefined) {
      if (inTime) return { kind: 'current', listing }
      return { kind: 'stale', listing, reason: NO_ANSWER, until: Number.POSITIVE_INFINITY }
    }
    const { reason, since } = failure
    const until = since + this.#ports.staleFor
    if (this.#ports.clock.now() < until) return { kind: 'stale', listing, reason, until }
    return { kind: 'omitted', reason }
  }

  async #fetch(): Promise<void> {
    const { clock, fetchTimeout } = this.#ports
    const controller = new AbortController()
    const cancel = clock.after(fetchTimeout, () => controller.abort(this.#tooSlow()))
    const begun = clock.wallTime()
    // A change that is announced while the list is on its way must not be lost.
    this.#invalid = false
    try {
      const list = await this.#from.list(this.#kind, controller.signal)
      this.#succeeded({ ...list, at: clock.now(), ...this.#read(list.entries) })
    } catch (error) {
      this.#failed(error, begun)
    } finally {
      cancel()
      this.#lastFetch = clock.now()
    }
  }

  #succeeded(listing: Listing): void {
    const before = this.#failure === undefined ? this.#listing : undefined
    const last = this.#listing
    this.#listing = listing
    this.#failure = undefined
    this.#cancelOmission?.()
    this.#ports.onListed(listing)
    if (before === undefined || !sameEntries(before.entries, listing.entries)) this.#ports.onChange()
    const told = this.#told
    this.#told = false
    if (!told && last !== undefined && !sameEntries(last.entries, listing.entries)) this.#ports.onNews()
  }

  #failed(error: unknown, begun: number): void {
    const { clock, log, onChange } = this.#ports
    const before = this.#failure
    // Clients are told the reason: what was not foreseen is for the log alone.
    const { message } = toGatewayError(error)
    this.#failure = { reason: message, since: before?.since ?? clock.now(), begun }
    if (before === undefined) {
      onChange()
      this.#omitLater()
    }
    const reason = error instanceof Error ? error.message : String(error)
    log('debug', 'could not list', { backend: this.backend, kind: this.#kind, reason })
  }

  /** What is shown of a silent backend is not shown for ever; that it is not any more is news. */
  #omitLater(): void {
    if (this.#listing === undefined || this.#listing.entries.length === 0) return
    this.#cancelOmission = this.#ports.clock.after(this.#ports.staleFor, () => this.#ports.onNews())
  }

  #read(texts: readonly string[]): Pick<Listing, 'entries' | 'invisible'> {
    const entries = new Map<string, Entry>()
    const invisible: Invisible[] = []
    const problems = new Set<string>()
    const known = new Map<string, Definition>()
    for (const text of texts) {
      const definition = this.#known.get(text) ?? this.#readOne(text)
      known.set(text, definition)
      const { entry } = definition
      if ('invalid' in entry) problems.add(entry.invalid)
      else if (entries.has(entry.key)) problems.add(`${entry.key.slice(0, 100)} is listed twice`)
      else entries.set(entry.key, entry)
      if (definition.invisible !== undefined) invisible.push(definition.invisible)
    }
    this.#known = known
    this.#warn([...problems.difference(this.#problems)])
    this.#problems = problems
    return { entries: [...entries.values()], invisible }
  }

  #readOne(text: string): Definition {
    const kind = this.#kind
    const entry = readEntry(this.backend, kind, text)
    if ('invalid' in entry) return { entry }
    const inspection = inspect({ kind, key: entry.key, text }, this.#ports.onInvisible)
    if (inspection.kind === 'clean') return { entry }
    const { finding, kind: action } = inspection
    const invisible: Invisible = { key: entry.key, finding, action }
    if (inspection.kind === 'excluded') return { entry: { invalid: holding(invisible) }, invisible }
    const escaped = readEntry(this.backend, kind, inspection.text)
    return { entry: 'invalid' in escaped ? escaped : { ...escaped, original: text }, invisible }
  }

  /** One line per problem, as long as they are few: a backend that lists nothing but nonsense must not fill the log. */
  #warn(problems: readonly string[]): void {
    const { backend } = this
    const kind = this.#kind
    for (const problem of problems.slice(0, MAX_WARNINGS))
      this.#ports.log('warn', 'left out of the list', { backend, kind, problem })
    const more = problems.length - MAX_WARNINGS
    if (more > 0) this.#ports.log('warn', 'more was left out of the list', { backend, kind, more })
  }

  #tooSlow(): GatewayError {
    const { backend } = this
    const message = `Backend ${backend} did not list within ${this.#ports.fetchTimeout} ms`
    return new GatewayError('BACKEND_TIMEOUT', message, { backend })
  }
}

/** Problems of one list that get a line of their own in the log. */
const MAX_WARNINGS = 10

const NO_ANSWER = 'has not answered yet'

/** A definition of the list as it was read. */
interface Definition {
  readonly entry: Entry | InvalidEntry
  readonly invisible?: Invisible
}

function holding({ key, finding }: Invisible): string {
  return `${escapeHidden(key.slice(0, 100))} holds ${finding}`
}

function sameEntries(before: readonly Entry[], after: readonly Entry[]): boolean {
  return before.length === after.length && before.every((entry, index) => isSame(entry, after[index]))
}

function isSame(a: Entry, b: Entry | undefined): boolean {
  return a === b || (a.text === b?.text && a.original === b.original && a.execution === b.execution)
}
