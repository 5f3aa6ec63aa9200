import { lookup } from 'node:dns/promises'
import { type Entrance, openEntrance } from './auth/entrance.ts'
import type { Fetch } from './auth/outbound.ts'
import { type Policy, createPolicy } from './auth/policy/policy.ts'
import type { Backend, BackendStatus } from './backend/backend.ts'
import { BUILTIN, createBuiltinBackend } from './backend/builtin/backend.ts'
import { healthTool } from './backend/builtin/health.ts'
import { type Sight, metricsTool } from './backend/builtin/metrics.ts'
import { joinTools } from './backend/builtin/join.ts'
import type { ToolSource } from './backend/builtin/tool.ts'
import type { BackendPorts } from './backend/ports.ts'
import { type Quota, createQuota } from './backend/quota.ts'
import { type BackendRegistry, createBackendRegistry } from './backend/registry.ts'
import type { ChildLedger, HostProcess } from './backend/stdio/ports.ts'
import { type CallPathParts, accountsOf, callPath } from './call-path.ts'
import type { Config } from './config/types.ts'
import { createFlights } from './filters/flights.ts'
import { createLaneStates } from './filters/lanes.ts'
import { countLimits } from './filters/limits/report.ts'
import type { CallObserver } from './filters/observe.ts'
import type { Answerer } from './filters/rescue.ts'
import { type Overload, createOverload } from './listener/overload.ts'
import { type Audit, auditToLog } from './pipeline/audit.ts'
import type { Principal } from './pipeline/call.ts'
import { type Clock, systemClock } from './pipeline/clock.ts'
import { type LoadGauge, systemLoad } from './pipeline/load.ts'
import { type Log, silentLog } from './pipeline/log.ts'
import { createCatalog } from './routing/catalog.ts'
import type { Integrity } from './routing/integrity/integrity.ts'
import { integrityPolicies, openIntegrity } from './routing/integrity/open.ts'
import { type FanIn, type FanInPorts, createFanIn } from './routing/subscriptions.ts'
import { createTaskIds } from './routing/tasks.ts'
import { sealingKeys } from './seal/key-file.ts'
import { createSealer } from './seal/seal.ts'
import { openStore } from './store/store.ts'
import type { Terminals } from './telemetry/calls.ts'
import { sightOf } from './telemetry/metrics/sight.ts'
import { type Signals, openSignals } from './telemetry/signals.ts'

/** What a gateway needs from the process that it runs in. */
export interface GatewayPorts {
  /** Version in `serverInfo` and `User-Agent`. */
  readonly version: string
  /** The process, for backends that are child processes. */
  readonly host: HostProcess
  /** Keeps account of child processes; undefined keeps none. */
  readonly children?: ChildLedger
  /** Default: the real clock. */
  readonly clock?: Clock
  /** Default: nothing is logged. */
  readonly log?: Log
  /** Folder for what outlives the gateway, such as API keys; undefined means that nothing does. */
  readonly stateDir?: string
  /** How issuers of tokens are reached. Default: the `fetch` of the runtime. */
  readonly fetch?: Fetch
  /** Where security decisions go. Default: the log. */
  readonly audit?: Audit
  /** A number in [0, 1). Default `Math.random`; used for jitter and balancing only. */
  readonly random?: () => number
  /** Default: measures the process. */
  readonly load?: LoadGauge
  /** Whoever follows calls beside metrics, traces and the access log. Default: nobody. */
  readonly observers?: readonly CallObserver[]
  /** What reads the standard streams, for an access log that people read. Default: no terminal. */
  readonly terminals?: Terminals
  /** Tools of an embedder, shown by exactly their names; they may come and go. Default: none. */
  readonly tools?: ToolSource
}

/** What is built from one configuration, and never changes. */
export interface Snapshot {
  readonly config: Config
  /** Those of the configuration, by name and in its order. */
  readonly configured: ReadonlyMap<string, Backend>
  /** With that of the gateway's own tools, which is the last. */
  readonly backends: ReadonlyMap<string, Backend>
  readonly names: readonly string[]
  /** Undefined where there is neither a rule nor a scope. */
  readonly policy: Policy | undefined
  readonly answer: Answerer
}

/** What outlives a snapshot: connections, what is known and remembered of backends, counts, keys. */
export interface Parts extends Omit<CallPathParts, 'config' | 'backends' | 'policy'> {
  readonly registry: BackendRegistry
  /** The backend of the gateway's own tools, where it has any. */
  readonly own: Backend | undefined
  readonly integrity: Integrity
  readonly entrance: Entrance
  readonly overload: Overload | undefined
  readonly signals: Signals
  readonly parking: Quota
  /** What is in force; there is no snapshot before the first. */
  readonly live: { config: Config; snapshot: Snapshot | undefined }
}

/**
 * Opens what outlives snapshots.
 *
 * @throws UnusableFileError if the file of the access log cannot be written
 * @throws LockError if the file with the approved definitions is there and cannot be believed
 */
export function openParts(config: Config, ports: GatewayPorts & { readonly fetch: Fetch }): Parts {
  const { clock = systemClock, log = silentLog, random = Math.random, stateDir } = ports
  const { audit = auditToLog(log), fetch, observers = [] } = ports
  const live: Parts['live'] = { config, snapshot: undefined }
  const backends = (): ReadonlyMap<string, Backend> => live.snapshot?.backends ?? NO_BACKENDS
  const { version, terminals, load } = ports
  const told = { clock, log, random, fetch, observers, version, terminals, load, builtin: BUILTIN }
  const signals = openSignals(config, told)
  const { limits } = config.gateway
  const sealer = createSealer(...sealingKeys(config.gateway.sealing, stateDir, log))
  const shared = {
    clock,
    log,
    audit,
    random,
    sealer,
    signals,
    observers: signals.observers,
    parking: createQuota(limits.parked, limits.parkedTotal),
    live,
    stateDir,
    taskIds: createTaskIds(sealer),
  }
  const seen = (principal: Principal): Sight => sightOf(principal, { policy: live.snapshot?.policy, catalog })
  const own = ownBackend(config, ports, { ...shared, seen })
  const integrity = openIntegrity(config, { clock, audit, own: own?.name })
  const catalog = openCatalog(config, ports, { ...shared, integrity })
  const store = openStore(config.store, { clock, log, random, measures: signals.metrics?.measures })
  const limitCounts = countLimits(config.limits, { clock, log })
  return {
    ...shared,
    own,
    integrity,
    catalog,
    store,
    limitCounts,
    registry: createBackendRegistry(backendPorts(config, ports, shared)),
    entrance: openEntrance(config, {
      ...shared,
      fetch,
      resolve: (host) => lookup(host, { all: true }),
      backends: () => live.snapshot?.names ?? [],
    }),
    fanIn: openFanIn(config, { ...shared, catalog, backends: backends() }),
    accounts: accountsOf(config, { clock, store, limitCounts, backends }),
    meter: { inFlight: 0, total: 0, refused: 0 },
    overload: watchLoad(config, ports, shared),
    lanes: createLaneStates([], shared),
    flights: createFlights(),
  }
}

function openFanIn(
  { gateway: { listDeadline, limits } }: Config,
  shared: Pick<FanInPorts, 'catalog' | 'backends' | 'taskIds' | 'clock'>,
): FanIn {
  const { streams, queue, streamAge: age } = limits
  return createFanIn({ ...shared, listDeadline, streams, queue, age })
}

/** Milliseconds for the list of a backend that no configuration has. */
const DEFAULT_TIMEOUT = 30_000

const NO_BACKENDS: ReadonlyMap<string, Backend> = new Map()

/** What came of a change of the configuration. */
export interface Swapped {
  readonly snapshot: Snapshot
  /** Backends that no snapshot has any more: to be closed once nobody uses them. */
  readonly gone: readonly Backend[]
  /** Names of those that came. */
  readonly added: readonly string[]
}

/**
 * Builds the snapshot of a configuration and puts it in force. Its backends and rules of authorization are those of
 * that configuration; everything else is as it was opened.
 *
 * @throws before anything is changed
 */
export function swapSnapshot(parts: Parts, config: Config): Swapped {
  const { registry, own, live, integrity, catalog, lanes, fanIn, clock } = parts
  const names = config.backends.map(({ name }) => name)
  const policy = createPolicy(config.authorization, { clock, backends: names })
  const before = live.snapshot?.configured ?? NO_BACKENDS
  const { backends: configured, gone } = registry.keep(config.backends)
  const backends = own === undefined ? configured : new Map([...configured, [own.name, own]])
  live.config = config
  integrity.govern(integrityPolicies(config, own?.name))
  lanes.keep(config.backends)
  parts.signals.serve(config.backends)
  catalog.serve([...backends.values()])
  const answer = callPath({ ...parts, config, backends, policy })
  const snapshot = { config, configured, backends, names: [...backends.keys()], policy, answer }
  live.snapshot = snapshot
  fanIn.serve({ backends, rightsOf: policy?.rightsOf })
  const added = names.filter((name) => configured.get(name) !== before.get(name))
  return { snapshot, gone, added }
}

type Shared = Pick<Parts, 'clock' | 'log' | 'sealer' | 'random' | 'live' | 'signals' | 'parking'>

function openCatalog(
  config: Config,
  { tools }: GatewayPorts,
  shared: Shared & { readonly integrity: Integrity },
): Parts['catalog'] {
  const { names, listDeadline, staleFor } = config.gateway
  const timeoutOf = (name: string): number | undefined =>
    shared.live.config.backends.find((backend) => backend.name === name)?.timeout
  return createCatalog([], {
    ...shared,
    names,
    listDeadline,
    staleFor,
    fetchTimeout: (name) => timeoutOf(name) ?? DEFAULT_TIMEOUT,
    ...(tools && {
      isExact: ({ backend, key }) => backend === BUILTIN && tools.current().some(({ name }) => name === key),
    }),
  })
}

function backendPorts(config: Config, ports: GatewayPorts, shared: Shared): BackendPorts {
  const { name, limits } = config.gateway
  return {
    ...shared,
    clientInfo: { name, version: ports.version },
    limits,
    measures: shared.signals.metrics?.measures,
    host: ports.host,
    children: ports.children,
  }
}

function watchLoad(config: Config, ports: GatewayPorts, shared: Shared): Overload | undefined {
  const { overload } = config.gateway
  return overload && createOverload(overload, { ...shared, gauge: ports.load ?? systemLoad() })
}

/** The gateway's own tools are those of one more backend, the last in every list. */
function ownBackend(
  config: Config,
  { tools }: GatewayPorts,
  { clock, live, signals, seen }: Shared & { readonly seen: (principal: Principal) => Sight },
): Backend | undefined {
  const configured = (): ReadonlyMap<string, Backend> => live.snapshot?.configured ?? NO_BACKENDS
  const statuses = (): readonly BackendStatus[] =>
    [...configured().values()].map((backend) => backend.status())
  const wanted = config.gateway.tools
  const { metrics } = signals
  const backends = (): readonly string[] => [...configured().keys()]
  const builtin = [
    ...(wanted?.health === true ? [healthTool(statuses, seen)] : []),
    ...(wanted?.metrics === true && metrics !== undefined
      ? [metricsTool({ figures: () => metrics.tools(), backends, sightOf: seen })]
      : []),
  ]
  if (builtin.length === 0 && tools === undefined) return undefined
  return createBuiltinBackend(joinTools(builtin, tools), { clock })
}
