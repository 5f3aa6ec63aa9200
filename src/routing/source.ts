import type { Backend } from '../backend/backend.ts'
import { toGatewayError } from '../errors.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { ListKind } from '../protocol/methods.ts'
import { type Entry, readEntry } from './entry.ts'

/** What one backend listed last. */
export interface Listing {
  readonly entries: readonly Entry[]
  /** Clock milliseconds when it arrived. */
  readonly at: number
  readonly ttlMs: number
  readonly cacheScope: 'public' | 'private'
  readonly offered: boolean
}

/** How a source stands after it was asked. */
export type SourceState =
  | { readonly kind: 'current'; readonly listing: Listing }
  /** The backend does not answer; what it listed last is still shown. */
  | { readonly kind: 'stale'; readonly listing: Listing; readonly reason: string }
  /** The backend does not answer and nothing recent is known of it. */
  | { readonly kind: 'omitted'; readonly reason: string }

/** What a source needs from outside. */
export interface SourcePorts {
  readonly clock: Clock
  readonly log: Log
  /** Milliseconds for which the last known list of a silent backend is shown. */
  readonly staleFor: number
  /** Milliseconds for one fetch of the whole list, whoever waits for it. */
  readonly fetchTimeout: number
}

/** One kind of list of one backend, fetched when it is needed and remembered. */
export interface Source {
  readonly backend: string
  /** Fetches unless what is known is fresh. Callers at the same time share one fetch. Never rejects. */
  refresh(): Promise<void>
  /** True while the last list may be used without asking (2026-07-28, server/utilities/caching). */
  isFresh(): boolean
  /** Clock milliseconds since the last fetch ended, well or not. */
  age(): number
  invalidate(): void
  /** @param inTime whether the last refresh ended before whoever asks had to answer */
  state(inTime: boolean): SourceState
}

/** Creates a source; `onChange` is called when other entries are to be shown than before. */
export function createSource(
  backend: Backend,
  kind: ListKind,
  ports: SourcePorts,
  onChange: () => void,
): Source {
  const { clock, log } = ports
  let listing: Listing | undefined
  let failure: string | undefined
  let lastFetch = Number.NEGATIVE_INFINITY
  let invalid = false
  let fetching: Promise<void> | undefined

  const fetch = async (): Promise<void> => {
    const controller = new AbortController()
    const cancel = clock.after(ports.fetchTimeout, () =>
      controller.abort(new Error(`no list within ${ports.fetchTimeout} ms`)),
    )
    // A change that is announced while the list is on its way must not be lost.
    invalid = false
    try {
      const list = await backend.list(kind, controller.signal)
      const before = failure === undefined ? listing : undefined
      listing = { ...list, at: clock.now(), entries: read(list.entries) }
      failure = undefined
      if (before === undefined || !sameEntries(before.entries, listing.entries)) onChange()
    } catch (error) {
      const wasFine = failure === undefined
      failure = reasonOf(error)
      if (wasFine) onChange()
      log('debug', 'could not list', { backend: backend.name, kind, reason: failure })
    } finally {
      cancel()
      lastFetch = clock.now()
    }
  }

  const read = (texts: readonly string[]): readonly Entry[] => {
    const entries = new Map<string, Entry>()
    for (const text of texts) {
      const entry = readEntry(backend.name, kind, text)
      const problem =
        'invalid' in entry
          ? entry.invalid
          : entries.has(entry.key)
            ? `${entry.key.slice(0, 100)} is listed twice`
            : undefined
      if (problem !== undefined) log('warn', 'left out of the list', { backend: backend.name, kind, problem })
      else if (!('invalid' in entry)) entries.set(entry.key, entry)
    }
    return [...entries.values()]
  }

  const isFresh = (): boolean =>
    listing !== undefined && failure === undefined && !invalid && clock.now() < listing.at + listing.ttlMs

  return {
    backend: backend.name,
    isFresh,
    age: () => clock.now() - lastFetch,
    invalidate: () => {
      invalid = true
    },
    refresh() {
      if (isFresh()) return Promise.resolve()
      fetching ??= fetch().finally(() => {
        fetching = undefined
      })
      return fetching
    },
    state(inTime) {
      if (listing !== undefined && failure === undefined && inTime) return { kind: 'current', listing }
      const reason = failure ?? 'has not answered yet'
      if (listing !== undefined && clock.now() - listing.at <= ports.staleFor)
        return { kind: 'stale', listing, reason }
      return { kind: 'omitted', reason }
    },
  }
}

function reasonOf(error: unknown): string {
  const known = toGatewayError(error)
  if (known.code !== 'INTERNAL') return known.message
  return error instanceof Error ? error.message : 'unknown failure'
}

function sameEntries(before: readonly Entry[], after: readonly Entry[]): boolean {
  return before.length === after.length && before.every((entry, index) => entry.text === after[index]?.text)
}
