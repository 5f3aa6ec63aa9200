import type { BackendStatus, HealthStatus } from '../../backend/backend.ts'
import type { Quota } from '../../backend/quota.ts'
import type { LaneReport } from '../../filters/lanes.ts'
import type { LimitCounts, LimitReport } from '../../filters/limits/report.ts'
import type { Meter } from '../../filters/observe.ts'
import { type Load, type LoadGauge, type Memory, memoryNow } from '../../pipeline/load.ts'
import { type ListKind, METHOD_OF_KIND } from '../../protocol/methods.ts'
import type { CacheCount, Catalog } from '../../routing/catalog.ts'
import type { FanIn } from '../../routing/subscriptions.ts'
import type { GatewayStore, StoreStatus } from '../../store/store.ts'
import { OWN, type MetricKey } from './definitions.ts'
import { type Labels, NO_LABELS, labelsOf } from './labels.ts'

/** A backend as its level is read. */
export interface BackendLevel extends BackendStatus, Partial<LaneReport> {
  /** Tools that are known of it; undefined while none were listed. */
  readonly tools: number | undefined
}

/** How everything stands at this moment: read when somebody wants to know, and kept nowhere. */
export interface Levels {
  readonly inFlight: number
  readonly backends: readonly BackendLevel[]
  readonly limits: readonly LimitReport[]
  readonly lists: Readonly<Record<ListKind, CacheCount>>
  /** Open sessions, streams and subscriptions of clients, and calls that wait for input of theirs. */
  readonly sessions: number
  readonly streams: number
  readonly subscriptions: number
  readonly parked: number
  readonly store: StoreStatus
  /** Undefined where nobody watches it. */
  readonly load: Load | undefined
  /** Requests refused because there was too much to do; undefined where nobody watches. */
  readonly overloadRefusals: number | undefined
  readonly memory: Memory
}

/** Where levels are read. */
export interface LevelSources {
  readonly meter: Pick<Meter, 'inFlight'>
  readonly backends: readonly BackendLevel[]
  readonly limitCounts: Pick<LimitCounts, 'reports'>
  readonly catalog: Pick<Catalog, 'cacheCounts'>
  readonly store: Pick<GatewayStore, 'status'>
  readonly fanIn: Pick<FanIn, 'open'>
  readonly parking: Pick<Quota, 'taken'>
  /** Undefined as long as nobody is served over HTTP. */
  readonly http: { sessions(): number; streams(): number } | undefined
  /** Undefined where nobody refuses calls for it. */
  readonly overload: { readonly state: Load & { readonly refused: number } } | undefined
  /** Read where nobody else does; undefined where it is not measured. */
  readonly gauge: Pick<LoadGauge, 'read'> | undefined
}

/** Reads every level. */
export function readLevels(sources: LevelSources): Levels {
  const { meter, backends, limitCounts, catalog, store, fanIn, parking, http, overload, gauge } = sources
  return {
    inFlight: meter.inFlight,
    backends,
    limits: limitCounts.reports(),
    lists: catalog.cacheCounts(),
    sessions: http?.sessions() ?? 0,
    streams: http?.streams() ?? 0,
    subscriptions: fanIn.open,
    parked: parking.taken,
    store: store.status,
    load: overload?.state ?? gauge?.read(),
    overloadRefusals: overload?.state.refused,
    memory: memoryNow(),
  }
}

/** One number of a metric. */
export interface LevelPoint {
  readonly metric: MetricKey
  readonly labels: Labels
  readonly value: number
}

const HEALTH_STATES: readonly HealthStatus[] = [
  'connecting',
  'healthy',
  'degraded',
  'unhealthy',
  'unreachable',
]
const CIRCUIT_STATES = ['closed', 'open', 'half-open', 'isolated'] as const

type Attributes = readonly (readonly [string, string | undefined])[]

function point(metric: MetricKey, value: number, attributes: Attributes = []): LevelPoint {
  return { metric, labels: attributes.length === 0 ? NO_LABELS : labelsOf(attributes), value }
}

/** A point where there is a value. */
function known(
  metric: MetricKey,
  value: number | undefined,
  attributes: Attributes = [],
): readonly LevelPoint[] {
  return value === undefined ? [] : [point(metric, value, attributes)]
}

/** Every level as a number with its labels. */
export function levelPoints(levels: Levels): readonly LevelPoint[] {
  return [
    point('inFlight', levels.inFlight),
    point('sessions', levels.sessions),
    point('streams', levels.streams),
    point('subscriptions', levels.subscriptions),
    point('parked', levels.parked),
    ...levels.backends.flatMap(backendPoints),
    ...levels.limits.flatMap(limitPoints),
    ...Object.entries(levels.lists).flatMap(([kind, { hits, misses }]) => {
      const list: Attributes = [[OWN.list, METHOD_OF_KIND[kind as ListKind]]]
      return [point('cacheHits', hits, list), point('cacheMisses', misses, list)]
    }),
    ...storePoints(levels.store),
    ...processPoints(levels),
  ]
}

function backendPoints(backend: BackendLevel): readonly LevelPoint[] {
  const { name, health, circuit, calls, openTools } = backend
  const own: Attributes = [[OWN.backend, name]]
  const inState = (state: string): Attributes => [...own, [OWN.state, state]]
  const { latencyMs } = health
  return [
    ...HEALTH_STATES.map((state) => point('health', health.status === state ? 1 : 0, inState(state))),
    ...known('checkDuration', latencyMs === undefined ? undefined : latencyMs / 1000, own),
    ...(circuit === undefined
      ? []
      : CIRCUIT_STATES.map((state) => point('circuit', circuit === state ? 1 : 0, inState(state)))),
    ...known('openTools', openTools?.length, own),
    ...known('backendCalls', calls?.running, inState('running')),
    ...known('backendCalls', calls?.waiting, inState('waiting')),
    ...known('backendTools', backend.tools, own),
    point('backendSessions', backend.sessions, own),
    point('restarts', backend.restarts, own),
  ]
}

function limitPoints({ name, ...counts }: LimitReport): readonly LevelPoint[] {
  return (['refused', 'queued', 'shadow'] as const).map((effect) =>
    point('limits', counts[effect], [
      [OWN.limit, name],
      [OWN.effect, effect],
    ]),
  )
}

function storePoints(store: StoreStatus): readonly LevelPoint[] {
  if (store.kind === 'memory') return []
  return [point('storeUp', store.state === 'up' ? 1 : 0), point('storeReplicas', store.replicas)]
}

function processPoints({ load, memory, overloadRefusals }: Levels): readonly LevelPoint[] {
  return [
    ...known('loopDelay', load === undefined ? undefined : load.delayMs / 1000),
    point('memory', memory.heap, [[OWN.kind, 'heap']]),
    point('memory', memory.external, [[OWN.kind, 'external']]),
    point('memoryLimit', memory.limit),
    ...known('overloadRefusals', overloadRefusals),
  ]
}
