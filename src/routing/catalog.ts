import type { Backend, BackendSubscription } from '../backend/backend.ts'
import type { NamePolicy } from '../config/types.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { ListKind } from '../protocol/methods.ts'
import { EVERYBODY } from '../backend/subscriptions.ts'
import {
  CHANGING_LISTS,
  type Change,
  type ChangingList,
  KINDS_OF_CHANGE,
  type SubscriptionFilter,
} from '../protocol/subscription.ts'
import type { Entry } from './entry.ts'
import { type Integrity, believing } from './integrity/integrity.ts'
import { createRecheck } from './recheck.ts'
import { type Source, type SourceState, createSource } from './source.ts'
import { type UriSpace, createUriSpace } from './uris.ts'
import { type ExposedEntry, type QuarantineOf, type View, mergedView, ownView } from './view.ts'

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
  /** What lists are held against. Default: they are believed, except that hidden characters are made visible. */
  readonly integrity?: Integrity
  /** Whether a tool is shown by exactly its name. Default: none is. */
  readonly isExact?: (entry: Entry) => boolean
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
  /** The entry of that exposed name as far as it is known now; asks nobody. */
  peek(kind: ListKind, scope: CatalogScope, exposed: string): ExposedEntry | undefined
  /** The entry of that exposed name; asks the backends again, at most once a second, before it gives up. */
  find(kind: ListKind, scope: CatalogScope, exposed: string): Promise<Found>
  /** Fetches one list of one backend again, as after a header mismatch. */
  refetch(kind: ListKind, backend: string): Promise<void>
  /** The URIs of all backends as the aggregate shows them, as far as they are known now. */
  uris(): UriSpace
  /** What is known of one list of one backend without asking. */
  known(kind: ListKind, backend: string): SourceState | undefined
  /**
   * Calls back when a list turns out to be another one than it was although its backend did not say so. What
   * backends do say comes by their subscriptions. Returns the way to stop.
   */
  onNews(listener: NewsListener): () => void
  /** Goes on with these backends, in this order. What is known of those that stay is kept. Tells nobody of it. */
  serve(backends: readonly Backend[]): void
  /** How often lists of backends were known well enough when somebody listed, and how often not. */
  cacheCounts(): Readonly<Record<ListKind, CacheCount>>
  close(): void
}

/** Since the start. */
export interface CacheCount {
  readonly hits: number
  readonly misses: number
}

/** Takes news about a list of a backend. */
export type NewsListener = (backend: string, list: ChangingList) => void

/** Every backend with exposed names, or one with its own. */
export type CatalogScope =
  { readonly kind: 'aggregate' } | { readonly kind: 'backend'; readonly backend: string }

/** The outcome of a look-up. */
export type Found =
  | { readonly kind: 'found'; readonly shown: ExposedEntry }
  | {
      readonly kind: 'unknown'
      /** What is known instead. */
      readonly view: View
      readonly away: readonly AwayBackend[]
    }

const ALL: CatalogScope = { kind: 'aggregate' }

/** Lists that are shown in another way when a URI gets another owner. */
const URI_KINDS: readonly ListKind[] = ['tools', 'resources', 'resourceTemplates']

const KINDS: readonly ListKind[] = ['tools', 'prompts', 'resources', 'resourceTemplates']

const EVERY_CHANGE: SubscriptionFilter = { lists: CHANGING_LISTS, resources: [], tasks: [] }

/** An unknown name makes the gateway ask the backends again, but not more often than this (milliseconds). */
const MISS_INTERVAL = 1000

/** Milliseconds that a list waits for a backend that is known to be sick. */
const SICK_PATIENCE = 250

/** Creates the catalog of the backends, in the order of the configuration. Nothing is fetched yet. */
export function createCatalog(backends: readonly Backend[], ports: CatalogPorts): Catalog {
  return new SourceCatalog(backends, ports)
}

class SourceCatalog implements Catalog {
  readonly #ports: CatalogPorts
  readonly #integrity: Integrity
  readonly #quarantineOf: QuarantineOf
  readonly #recheck: (source: Source) => void
  #sources: ReadonlyMap<ListKind, readonly Source[]> = new Map()
  #backends: ReadonlyMap<Backend, Followed> = new Map()
  /** A view is forgotten when a source changes, and runs out when a stale list in it does. */
  readonly #views = new Map<string, { readonly view: View; readonly until: number }>()
  #space: { readonly uris: UriSpace; readonly until: number } | undefined
  readonly #listeners = new Set<NewsListener>()
  readonly #counts = {
    tools: { hits: 0, misses: 0 },
    prompts: { hits: 0, misses: 0 },
    resources: { hits: 0, misses: 0 },
    resourceTemplates: { hits: 0, misses: 0 },
  }

  constructor(backends: readonly Backend[], ports: CatalogPorts) {
    this.#ports = ports
    const { integrity = believing } = ports
    this.#integrity = integrity
    this.#quarantineOf = (entry) => integrity.quarantineOf(entry)
    this.#recheck = createRecheck(ports.clock)
    this.serve(backends)
    integrity.onVerdict((backend, kind) => {
      this.#forget(kind, backend)
      this.#tell(backend, listOf(kind))
    })
  }

  serve(backends: readonly Backend[]): void {
    const before = this.#backends
    this.#backends = new Map(backends.map((one) => [one, before.get(one) ?? this.#follow(one)]))
    for (const [backend, followed] of before) if (!this.#backends.has(backend)) end(followed)
    const all = [...this.#backends.values()]
    this.#sources = new Map(
      KINDS.map((kind) => [kind, all.flatMap(({ sources }) => sources.get(kind) ?? [])]),
    )
    this.#views.clear()
    this.#space = undefined
  }

  #follow(backend: Backend): Followed {
    return {
      sources: new Map(KINDS.map((kind) => [kind, this.#createSource(backend, kind)])),
      // What a list holds is the same for everybody as long as there is one context for all.
      subscription: backend.subscribe(EVERY_CHANGE, {
        context: EVERYBODY,
        onChange: (change) => this.#suspect(backend.name, change),
      }),
    }
  }

  #createSource(backend: Backend, kind: ListKind): Source {
    const integrity = this.#integrity
    return createSource(backend, kind, {
      ...this.#ports,
      fetchTimeout: this.#ports.fetchTimeout(backend.name),
      onInvisible: integrity.policyOf(backend.name).onInvisible,
      onListed: (listing) => {
        // A list that comes after its backend was taken out is nobody's.
        if (this.#backends.has(backend)) integrity.update(backend.name, kind, listing)
      },
      onChange: () => this.#forget(kind, backend.name),
      onNews: () => this.#tell(backend.name, listOf(kind)),
    })
  }

  async list(kind: ListKind, scope: CatalogScope): Promise<Snapshot> {
    const asked = this.#sourcesOf(kind, scope)
    const old = asked.filter((source) => !source.isFresh())
    this.#counts[kind].hits += asked.length - old.length
    this.#counts[kind].misses += old.length
    const late = await this.#late(old, (source) => source.refresh())
    const states = asked.map((source) => ({ source, state: source.state(!late.has(source)) }))
    return { view: this.#viewOf(kind, scope), ...freshness(states, this.#ports.clock.now()) }
  }

  peek(kind: ListKind, scope: CatalogScope, exposed: string): ExposedEntry | undefined {
    return this.#viewOf(kind, scope).byName.get(exposed)
  }

  async find(kind: ListKind, scope: CatalogScope, exposed: string): Promise<Found> {
    const first = this.peek(kind, scope, exposed)
    if (first !== undefined) return { kind: 'found', shown: first }
    const asked = this.#sourcesOf(kind, scope)
    const due = asked.filter((source) => source.age() >= MISS_INTERVAL)
    await this.#late(due, (source) => source.refetch())
    const view = this.#viewOf(kind, scope)
    const second = view.byName.get(exposed)
    if (second !== undefined) return { kind: 'found', shown: second }
    const states = asked.map((source) => ({ source, state: source.state(true) }))
    return {
      kind: 'unknown',
      view,
      away: freshness(states, this.#ports.clock.now()).away,
    }
  }

  async refetch(kind: ListKind, backend: string): Promise<void> {
    const source = this.#source(kind, backend)
    source?.invalidate()
    await source?.refresh()
  }

  known(kind: ListKind, backend: string): SourceState | undefined {
    return this.#source(kind, backend)?.state(true)
  }

  cacheCounts(): Readonly<Record<ListKind, CacheCount>> {
    return this.#counts
  }

  close(): void {
    for (const followed of this.#backends.values()) end(followed)
  }

  #suspect(backend: string, change: Change): void {
    if (change.kind !== 'list') return
    for (const kind of KINDS_OF_CHANGE[change.list]) {
      const source = this.#source(kind, backend)
      source?.invalidate(true)
      // Calls must not go on reaching what was approved as something else until somebody lists.
      if (source !== undefined && this.#integrity.isWatching(backend)) this.#recheck(source)
    }
  }

  onNews(listener: NewsListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(backend: string, list: ChangingList): void {
    for (const listener of this.#listeners) listener(backend, list)
  }

  uris(): UriSpace {
    return this.#spaceNow().uris
  }

  #spaceNow(): { readonly uris: UriSpace; readonly until: number } {
    const kept = this.#space
    if (kept !== undefined && this.#ports.clock.now() < kept.until) return kept
    const resources = this.#known('resources', ALL)
    const templates = this.#known('resourceTemplates', ALL)
    const tools = this.#known('tools', ALL)
    const listed = resources.entries.map(({ backend, key }) => ({ backend, uri: key }))
    const referred = tools.entries
      .filter((entry) => entry.refersTo.length > 0 && this.#quarantineOf(entry) === undefined)
      .flatMap(({ backend, refersTo }) => refersTo.map((uri) => ({ backend, uri })))
    const uris = createUriSpace({
      backends: this.#sourcesOf('tools', ALL).map(({ backend }) => backend),
      uris: [...listed, ...referred],
      templates: templates.entries.map(({ backend, key }) => ({ backend, uri: key })),
    })
    this.#space = { uris, until: Math.min(resources.until, templates.until, tools.until) }
    return this.#space
  }

  #forget(kind: ListKind, backend: string): void {
    this.#views.delete(viewKey(kind, backend))
    this.#views.delete(viewKey(kind, undefined))
    if (kind === 'prompts') return
    // Tools refer to resources, and who lists a URI first decides how the others are shown.
    this.#space = undefined
    for (const other of URI_KINDS) this.#views.delete(viewKey(other, undefined))
  }

  /** What is listed without asking, and until when that stays so. */
  #known(
    kind: ListKind,
    scope: CatalogScope,
  ): { readonly entries: readonly Entry[]; readonly until: number } {
    const states = this.#sourcesOf(kind, scope).map((source) => source.state(true))
    return {
      entries: states.flatMap((state) => (state.kind === 'omitted' ? [] : state.listing.entries)),
      until: Math.min(...states.map((state) => (state.kind === 'stale' ? state.until : Infinity))),
    }
  }

  #sourcesOf(kind: ListKind, scope: CatalogScope): readonly Source[] {
    const all = this.#sources.get(kind) ?? []
    return scope.kind === 'aggregate' ? all : all.filter((source) => source.backend === scope.backend)
  }

  #source(kind: ListKind, backend: string): Source | undefined {
    return this.#sourcesOf(kind, { kind: 'backend', backend })[0]
  }

  /**
   * Waits until every source has answered or the deadline has passed, and yields those that did not answer in time. Those
   * of backends that are known to be sick get a moment only: they may be back.
   */
  async #late(
    asked: readonly Source[],
    ask: (source: Source) => Promise<void>,
  ): Promise<ReadonlySet<Source>> {
    const late = new Set(asked)
    if (asked.length === 0) return late
    const { clock, listDeadline } = this.#ports
    const [deadline, moment] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const cancels = [clock.after(listDeadline, deadline.resolve), clock.after(SICK_PATIENCE, moment.resolve)]
    const all = asked.map((source) => {
      const answered = ask(source).then(() => void late.delete(source))
      return source.isSick ? Promise.race([answered, moment.promise]) : answered
    })
    await Promise.race([Promise.all(all), deadline.promise])
    cancels.forEach((cancel) => cancel())
    return new Set(late)
  }

  #viewOf(kind: ListKind, scope: CatalogScope): View {
    const key = viewKey(kind, scope.kind === 'backend' ? scope.backend : undefined)
    const kept = this.#views.get(key)
    if (kept !== undefined && this.#ports.clock.now() < kept.until) return kept.view
    const { entries, until } = this.#known(kind, scope)
    if (scope.kind === 'backend') {
      const view = ownView(entries, this.#quarantineOf)
      this.#views.set(key, { view, until })
      return view
    }
    const space = this.#spaceNow()
    const view = mergedView(kind, entries, {
      names: this.#ports.names,
      uris: space.uris,
      quarantineOf: this.#quarantineOf,
      ...(this.#ports.isExact && { isExact: this.#ports.isExact }),
    })
    this.#views.set(key, { view, until: Math.min(until, space.until) })
    return view
  }
}

/** What is known of one backend. */
interface Followed {
  readonly sources: ReadonlyMap<ListKind, Source>
  readonly subscription: BackendSubscription
}

function end({ sources, subscription }: Followed): void {
  subscription.close()
  for (const source of sources.values()) source.close()
}

/** The list by whose name changes of a kind are announced. */
function listOf(kind: ListKind): ChangingList {
  return kind === 'resourceTemplates' ? 'resources' : kind
}

function viewKey(kind: ListKind, backend: string | undefined): string {
  return backend === undefined ? kind : `${kind} ${backend}`
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
