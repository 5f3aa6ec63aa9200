import type { Backend } from '../backend/backend.ts'
import type { NamePolicy } from '../config/types.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { ListKind } from '../protocol/methods.ts'
import type { Entry } from './entry.ts'
import { type Source, type SourceState, createSource } from './source.ts'
import { type ExposedEntry, type View, mergedView, ownView } from './view.ts'

/** What the catalog needs to know and from outside. */
export interface CatalogPorts {
  readonly clock: Clock
  readonly log: Log
  readonly names: NamePolicy
  /** Milliseconds a list waits for slow backends. */
  readonly listDeadline: number
  /** Milliseconds for which the last known list of a silent backend is shown. */
  readonly staleFor: number
  /** Milliseconds for one fetch of the whole list of a backend. */
  readonly fetchTimeout: (backend: string) => number
}

/** A backend that does not answer, and what a list does about it. */
export interface AwayBackend {
  readonly backend: string
  readonly listed: 'stale' | 'omitted'
  readonly reason: string
}

/** One kind of list as one route shows it now. */
export interface Snapshot {
  readonly view: View
  /** Milliseconds for which clients may keep it. 0 as soon as one backend is away. */
  readonly ttlMs: number
  readonly cacheScope: 'public' | 'private'
  readonly away: readonly AwayBackend[]
}

/** The merged lists of the backends, and the tables by which exposed names are found. */
export interface Catalog {
  /** The list as it is now; asks the backends whose lists are not fresh and waits for them, but not longer than the deadline. */
  list(kind: ListKind, scope: CatalogScope): Promise<Snapshot>
  /** The entry of that exposed name; asks the backends again, at most once a second, before it gives up. */
  find(kind: ListKind, scope: CatalogScope, exposed: string): Promise<Found>
  /** Fetches one list of one backend again, as after a header mismatch. */
  refetch(kind: ListKind, backend: string): Promise<void>
  /** What is known of one list of one backend without asking. */
  known(kind: ListKind, backend: string): SourceState | undefined
  close(): void
}

/** Every backend with exposed names, or one with its own. */
export type CatalogScope =
  { readonly kind: 'aggregate' } | { readonly kind: 'backend'; readonly backend: string }

/** The outcome of a look-up. */
export type Found =
  | { readonly kind: 'found'; readonly shown: ExposedEntry }
  | { readonly kind: 'unknown'; readonly known: readonly string[]; readonly away: readonly AwayBackend[] }

const KINDS: readonly ListKind[] = ['tools', 'prompts', 'resources', 'resourceTemplates']

/** An unknown name makes the gateway ask the backends again, but not more often than this (milliseconds). */
const MISS_INTERVAL = 1000

/** Creates the catalog of the backends, in the order of the configuration. Nothing is fetched yet. */
export function createCatalog(backends: readonly Backend[], ports: CatalogPorts): Catalog {
  // A view is forgotten when a source changes, and runs out when a stale list in it does.
  const views = new Map<string, { readonly view: View; readonly until: number }>()
  const sources = new Map<ListKind, readonly Source[]>()
  for (const kind of KINDS) {
    const create = (backend: Backend): Source =>
      createSource(backend, kind, { ...ports, fetchTimeout: ports.fetchTimeout(backend.name) }, () =>
        forget(kind, backend.name),
      )
    sources.set(kind, backends.map(create))
  }
  const stops = backends.map((backend) =>
    backend.onListChanged((kind) =>
      sourcesOf(kind, { kind: 'backend', backend: backend.name }).forEach((source) => source.invalidate()),
    ),
  )

  const forget = (kind: ListKind, backend: string): void => {
    views.delete(viewKey(kind, undefined))
    views.delete(viewKey(kind, backend))
  }

  const sourcesOf = (kind: ListKind, scope: CatalogScope): readonly Source[] => {
    const all = sources.get(kind) ?? []
    return scope.kind === 'aggregate' ? all : all.filter((source) => source.backend === scope.backend)
  }

  /** Waits until every source has answered or the deadline has passed, and says which answered in time. */
  const refresh = async (asked: readonly Source[]): Promise<ReadonlySet<Source>> => {
    const inTime = new Set(asked.filter((source) => source.isFresh()))
    const waiting = asked.filter((source) => !inTime.has(source))
    if (waiting.length === 0) return inTime
    const deadline = Promise.withResolvers<void>()
    const cancel = ports.clock.after(ports.listDeadline, deadline.resolve)
    const all = Promise.all(waiting.map(async (source) => inTime.add((await source.refresh(), source))))
    await Promise.race([all, deadline.promise])
    cancel()
    return new Set(inTime)
  }

  const viewOf = (kind: ListKind, scope: CatalogScope): View => {
    const key = viewKey(kind, scope.kind === 'backend' ? scope.backend : undefined)
    const kept = views.get(key)
    if (kept !== undefined && ports.clock.now() < kept.until) return kept.view
    const states = sourcesOf(kind, scope).map((source) => source.state(true))
    const entries = states.flatMap((state): readonly Entry[] =>
      state.kind === 'omitted' ? [] : state.listing.entries,
    )
    const view = scope.kind === 'backend' ? ownView(entries) : mergedView(kind, entries, ports.names)
    views.set(key, { view, until: Math.min(...states.map((state) => expiry(state, ports.staleFor))) })
    return view
  }

  const list = async (kind: ListKind, scope: CatalogScope): Promise<Snapshot> => {
    const asked = sourcesOf(kind, scope)
    const inTime = await refresh(asked)
    const states = asked.map((source) => ({ source, state: source.state(inTime.has(source)) }))
    return { view: viewOf(kind, scope), ...freshness(states, ports.clock.now()) }
  }

  return {
    list,
    async find(kind, scope, exposed) {
      const first = viewOf(kind, scope).byName.get(exposed)
      if (first !== undefined) return { kind: 'found', shown: first }
      const due = sourcesOf(kind, scope).filter((source) => source.age() >= MISS_INTERVAL)
      due.forEach((source) => source.invalidate())
      await refresh(due)
      const view = viewOf(kind, scope)
      const second = view.byName.get(exposed)
      if (second !== undefined) return { kind: 'found', shown: second }
      const states = sourcesOf(kind, scope).map((source) => ({ source, state: source.state(true) }))
      return {
        kind: 'unknown',
        known: [...view.byName.keys()],
        away: freshness(states, ports.clock.now()).away,
      }
    },
    async refetch(kind, backend) {
      const [source] = sourcesOf(kind, { kind: 'backend', backend })
      source?.invalidate()
      await source?.refresh()
    },
    known: (kind, backend) => sourcesOf(kind, { kind: 'backend', backend })[0]?.state(true),
    close: () => stops.forEach((stop) => stop()),
  }
}

function viewKey(kind: ListKind, backend: string | undefined): string {
  return backend === undefined ? kind : `${kind} ${backend}`
}

function expiry(state: SourceState, staleFor: number): number {
  return state.kind === 'stale' ? state.listing.at + staleFor : Number.POSITIVE_INFINITY
}

/** The merged cache hints: the shortest life and the narrowest scope of what the list is made of. */
function freshness(
  states: readonly { readonly source: Source; readonly state: SourceState }[],
  now: number,
): Pick<Snapshot, 'ttlMs' | 'cacheScope' | 'away'> {
  const away: AwayBackend[] = []
  let ttlMs = Number.POSITIVE_INFINITY
  let cacheScope: 'public' | 'private' = 'public'
  for (const { source, state } of states) {
    if (state.kind !== 'current') {
      away.push({ backend: source.backend, listed: state.kind, reason: state.reason })
      continue
    }
    if (!state.listing.offered) continue
    ttlMs = Math.min(ttlMs, Math.max(0, state.listing.at + state.listing.ttlMs - now))
    if (state.listing.cacheScope === 'private') cacheScope = 'private'
  }
  if (away.length > 0) return { ttlMs: 0, cacheScope: 'private', away }
  return { ttlMs: Number.isFinite(ttlMs) ? Math.floor(ttlMs) : 0, cacheScope, away }
}
