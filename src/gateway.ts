import type { LookupAddress } from 'node:dns'
import { lookup } from 'node:dns/promises'
import type { Readable, Writable } from 'node:stream'
import { type BackendReport, reportOf } from './admin/backend-report.ts'
import { type Entrance, openEntrance } from './auth/entrance.ts'
import type { Fetch } from './auth/outbound.ts'
import { createPolicy } from './auth/policy/policy.ts'
import type { BackendOrder } from './admin/server.ts'
import type { Backend, BackendStatus } from './backend/backend.ts'
import { BUILTIN, createBuiltinBackend } from './backend/builtin/backend.ts'
import { healthTool } from './backend/builtin/health.ts'
import { type Sight, type ToolFigures, metricsTool } from './backend/builtin/metrics.ts'
import type { BuiltinTool } from './backend/builtin/tool.ts'
import { createBackend } from './backend/create.ts'
import type { BackendPorts } from './backend/ports.ts'
import { type Quota, createQuota } from './backend/quota.ts'
import type { ChildLedger, HostProcess } from './backend/stdio/ports.ts'
import { type CallPathParts, callPath } from './call-path.ts'
import type { Config } from './config/types.ts'
import { type LimitReport, countLimits } from './filters/limits/report.ts'
import { type Meter, refusalsTo } from './filters/observe.ts'
import type { Answerer } from './filters/rescue.ts'
import { createLaneStates } from './filters/lanes.ts'
import { type Overload, type OverloadState, createOverload } from './listener/overload.ts'
import { type HttpListener, listenHttp } from './listener/http/server.ts'
import type { ListenerPorts } from './listener/ports.ts'
import { type StdioListener, listenStdio } from './listener/stdio.ts'
import { type Audit, auditToLog } from './pipeline/audit.ts'
import type { Principal } from './pipeline/call.ts'
import { type Clock, systemClock } from './pipeline/clock.ts'
import { type LoadGauge, systemLoad } from './pipeline/load.ts'
import { type Log, silentLog } from './pipeline/log.ts'
import type { Implementation } from './protocol/meta.ts'
import { createCatalog } from './routing/catalog.ts'
import { type Definitions, definitionsIn } from './routing/integrity/definitions.ts'
import type { Integrity } from './routing/integrity/integrity.ts'
import { openIntegrity } from './routing/integrity/open.ts'
import { createTaskIds } from './routing/tasks.ts'
import { createFanIn } from './routing/subscriptions.ts'
import { sealingKeys } from './seal/key-file.ts'
import { createSealer } from './seal/seal.ts'
import { type StoreStatus, openStore } from './store/store.ts'
import { type CallTelling, type Terminals, openCallTelling } from './telemetry/calls.ts'
import { readLevels } from './telemetry/metrics/levels.ts'
import { type Metrics, createMetrics } from './telemetry/metrics/metrics.ts'
import { sightOf } from './telemetry/metrics/sight.ts'

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
  /** What reads the standard streams, for an access log that people read. Default: no terminal. */
  readonly terminals?: Terminals
}

/** A running gateway. */
export interface Gateway {
  readonly serverInfo: Implementation
  /** Connects to every backend and fetches its tools. Settles when all have answered or `ms` have passed; never rejects. */
  ready(ms: number): Promise<void>
  /** True once every backend has answered or its first deadline has passed. */
  readonly isReady: boolean
  /**
   * Serves HTTP at the configured address.
   *
   * @throws the error of binding, such as EADDRINUSE
   */
  listen(): Promise<HttpListener>
  /** Serves one client on a pair of streams. */
  serveStdio(input: Readable, output: Writable): StdioListener
  report(): readonly BackendReport[]
  readonly definitions: Definitions
  /** What each limit has done, in the order of the configuration. */
  limitReports(): readonly LimitReport[]
  readonly storeStatus: StoreStatus
  /** Isolates a backend, so that no new call reaches it, or restores it. False where there is no such backend. */
  order(order: BackendOrder, backend: string): boolean
  readonly meter: Readonly<Meter>
  /** What was counted and measured; undefined where nothing is. */
  readonly metrics: Metrics | undefined
  /** How busy the process is, and what is done about it; undefined where nobody watches. */
  readonly load: OverloadState | undefined
  /** Goes on with new files where the access log was moved away. */
  reopen(): void
  /** Stops accepting, lets calls in flight finish for the configured time, then ends everything. */
  close(): Promise<void>
}

/** Lists that are fetched once the tools of a backend are known. */
const OTHER_KINDS = ['prompts', 'resources', 'resourceTemplates'] as const

/** Everything that is built once per configuration. */
interface Parts extends CallPathParts {
  readonly integrity: Integrity
  readonly entrance: Entrance
  readonly overload: Overload | undefined
  readonly telling: CallTelling
  readonly metrics: Metrics | undefined
  readonly parking: Quota
  /** Measures the load for the metrics, where nothing else does. */
  readonly gauge: LoadGauge | undefined
}

/**
 * Builds a gateway. Nothing is connected or bound before `ready` and `listen`.
 *
 * @throws UnusableFileError if the file of the access log cannot be written
 * @throws LockError if the file with the approved definitions (`integrity.lock`) is there and cannot be believed
 */
export function createGateway(config: Config, ports: GatewayPorts): Gateway {
  const clock = ports.clock ?? systemClock
  const log = ports.log ?? silentLog
  const audit = ports.audit ?? auditToLog(log)
  const serverInfo: Implementation = { name: config.gateway.name, version: ports.version }
  const sealer = createSealer(...sealingKeys(config.gateway.sealing, ports.stateDir, log))
  const fetch = ports.fetch ?? globalThis.fetch
  const { version, terminals } = ports
  const metrics = createMetrics(config, { clock, log, fetch, version, builtin: BUILTIN })
  const measures = metrics?.measures
  const parking = createQuota(config.gateway.limits.parked, config.gateway.limits.parkedTotal)
  const backends = createBackends(config, ports, { clock, log, sealer, parking, measures })
  const policy = createPolicy(config.authorization, { clock, backends: [...backends.keys()] })
  const seen = (principal: Principal): Sight => sightOf(principal, { policy, catalog })
  const all = withOwnTools(ownTools(config, { backends, metrics, seen }), backends, clock)
  const integrity = openIntegrity(config, { clock, audit, own: all.has(BUILTIN) ? BUILTIN : undefined })
  const { names, listDeadline, staleFor, limits } = config.gateway
  const shown = { names, listDeadline, staleFor, fetchTimeout: timeouts(config) }
  const catalog = createCatalog([...all.values()], { clock, log, integrity, ...shown })
  const taskIds = createTaskIds(sealer)
  const common = { clock, log, random: ports.random ?? Math.random }
  const telling = openCallTelling(config, { ...common, version, terminals, backends: () => config.backends })
  const parts: Parts = {
    config,
    clock,
    log,
    audit,
    backends: all,
    catalog,
    integrity,
    entrance: openEntrance(config, { clock, log, stateDir: ports.stateDir, fetch, resolve: resolveHost }),
    policy,
    sealer,
    taskIds,
    fanIn: createFanIn({
      catalog,
      backends: all,
      taskIds,
      clock,
      listDeadline,
      streams: limits.streams,
      queue: limits.queue,
      age: limits.streamAge,
    }),
    store: openStore(config.store, { ...common, measures }),
    limitCounts: countLimits(config.limits, { clock, log }),
    meter: { inFlight: 0, total: 0, refused: 0 },
    observers: metrics === undefined ? telling.observers : [metrics.observer, ...telling.observers],
    telling,
    metrics,
    parking,
    gauge: ownGauge(config, ports, metrics),
    overload: watchLoad(config, ports, { clock, log }),
    lanes: createLaneStates(config.backends, { clock, log }),
    random: common.random,
  }
  return new RunningGateway(parts, serverInfo)
}

const resolveHost = (host: string): Promise<LookupAddress[]> => lookup(host, { all: true })

function timeouts(config: Config): (backend: string) => number {
  const byName = new Map(config.backends.map((backend) => [backend.name, backend.timeout]))
  return (backend) => byName.get(backend) ?? 30_000
}

function createBackends(
  config: Config,
  ports: GatewayPorts,
  shared: Pick<BackendPorts, 'clock' | 'log' | 'sealer' | 'parking' | 'measures'>,
): ReadonlyMap<string, Backend> {
  const backendPorts = {
    ...shared,
    random: ports.random ?? Math.random,
    clientInfo: { name: config.gateway.name, version: ports.version },
    limits: config.gateway.limits,
    host: ports.host,
    children: ports.children,
  }
  return new Map(config.backends.map((backend) => [backend.name, createBackend(backend, backendPorts)]))
}

function watchLoad(
  config: Config,
  ports: GatewayPorts,
  shared: { readonly clock: Clock; readonly log: Log },
): Overload | undefined {
  const { overload } = config.gateway
  if (overload === undefined) return undefined
  const random = ports.random ?? Math.random
  return createOverload(overload, { ...shared, random, gauge: ports.load ?? systemLoad() })
}

function ownGauge(config: Config, ports: GatewayPorts, metrics: Metrics | undefined): LoadGauge | undefined {
  if (metrics === undefined || config.gateway.overload !== undefined) return undefined
  return ports.load ?? systemLoad()
}

interface OwnToolsPorts {
  readonly backends: ReadonlyMap<string, Backend>
  readonly metrics: Metrics | undefined
  readonly seen: (principal: Principal) => Sight
}

function ownTools({ gateway: { tools } }: Config, ports: OwnToolsPorts): readonly BuiltinTool[] {
  const { backends, metrics, seen } = ports
  const names = [...backends.keys()]
  const figures = (): readonly ToolFigures[] => metrics?.tools() ?? []
  return [
    ...(tools?.health === true ? [healthTool(() => statusesOf(backends), seen)] : []),
    ...(tools?.metrics === true && metrics !== undefined
      ? [metricsTool({ figures, backends: names, sightOf: seen })]
      : []),
  ]
}

function statusesOf(backends: ReadonlyMap<string, Backend>): readonly BackendStatus[] {
  return [...backends.values()].map((backend) => backend.status())
}

/** The gateway's own tools are those of one more backend, the last in every list. */
function withOwnTools(
  tools: readonly BuiltinTool[],
  backends: ReadonlyMap<string, Backend>,
  clock: Clock,
): ReadonlyMap<string, Backend> {
  if (tools.length === 0) return backends
  return new Map([...backends, [BUILTIN, createBuiltinBackend(tools, { clock })]])
}

class RunningGateway implements Gateway {
  readonly serverInfo: Implementation
  readonly #parts: Parts
  readonly #answer: Answerer
  #http: HttpListener | undefined
  #stdio: StdioListener | undefined
  #isReady = false
  #closing: Promise<void> | undefined

  constructor(parts: Parts, serverInfo: Implementation) {
    this.#parts = parts
    this.serverInfo = serverInfo
    this.#answer = callPath(parts)
    parts.metrics?.start(() => readLevels({ ...parts, backends: this.report(), http: this.#http }))
  }

  get isReady(): boolean {
    return this.#isReady
  }

  get storeStatus(): StoreStatus {
    return this.#parts.store.status
  }

  limitReports(): readonly LimitReport[] {
    return this.#parts.limitCounts.reports()
  }

  get meter(): Readonly<Meter> {
    return this.#parts.meter
  }

  get metrics(): Metrics | undefined {
    return this.#parts.metrics
  }

  get load(): OverloadState | undefined {
    return this.#parts.overload?.state
  }

  async ready(ms: number): Promise<void> {
    const { backends, clock, store } = this.#parts
    const deadline = Promise.withResolvers<void>()
    const cancel = clock.after(ms, deadline.resolve)
    // Not only the tools: which URIs collide has to be known before the first result that mentions one.
    const all = Promise.all([...backends.keys()].map((name) => this.#fetchLists(name)))
    await Promise.race([Promise.all([all, store.ready()]), deadline.promise])
    cancel()
    this.#isReady = true
  }

  async #fetchLists(backend: string): Promise<void> {
    const { catalog } = this.#parts
    await catalog.refetch('tools', backend)
    await Promise.all(OTHER_KINDS.map((kind) => catalog.refetch(kind, backend)))
  }

  async listen(): Promise<HttpListener> {
    this.#http = await listenHttp(this.#listenerPorts(), () => this.#isReady)
    return this.#http
  }

  serveStdio(input: Readable, output: Writable): StdioListener {
    this.#stdio = listenStdio({ input, output }, this.#listenerPorts())
    return this.#stdio
  }

  report(): readonly BackendReport[] {
    const configured = [...this.#parts.backends.values()].filter(({ name }) => name !== BUILTIN)
    return configured.map((backend) => reportOf(backend, this.#parts))
  }

  get definitions(): Definitions {
    const { backends, catalog, integrity } = this.#parts
    return definitionsIn(
      catalog,
      integrity,
      [...backends.keys()].filter((name) => name !== BUILTIN),
    )
  }

  order(order: BackendOrder, backend: string): boolean {
    const circuits = this.#parts.lanes.get(backend)?.circuits
    circuits?.[order]()
    return circuits !== undefined
  }

  reopen(): void {
    this.#parts.telling.reopen()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { backends, catalog, integrity, entrance, fanIn, overload, gauge, store, telling } = this.#parts
    overload?.close()
    this.#http?.drain()
    // Subscriptions would last for ever: they are ended, not waited for.
    fanIn.drain()
    this.#stdio?.drain()
    await this.#drained()
    catalog.close()
    integrity.close()
    await Promise.all([this.#http?.close(), this.#stdio?.close(), entrance.close()])
    await Promise.all([...backends.values()].map((backend) => backend.close()))
    await store.close()
    // The timers of the clock keep no process alive, which must not end before what is left is told.
    const awake = setInterval(() => undefined, 1000)
    await Promise.all([this.#parts.metrics?.close(), telling.close()]).finally(() => clearInterval(awake))
    gauge?.close()
  }

  /** Waits for the calls in flight, as long as the configuration grants. */
  async #drained(): Promise<void> {
    const { clock, config, meter } = this.#parts
    const until = clock.now() + config.gateway.drain
    while (meter.inFlight > 0 && clock.now() < until) {
      const pause = Promise.withResolvers<void>()
      clock.after(20, pause.resolve)
      await pause.promise
    }
  }

  #listenerPorts(): ListenerPorts {
    const { clock, log, config, backends, entrance, overload, observers, telling, metrics } = this.#parts
    return {
      overload,
      measures: metrics?.measures,
      traced: telling.observers.length > 0,
      onRefused: refusalsTo(observers),
      answer: this.#answer,
      door: entrance.door,
      clock,
      log,
      settings: config.gateway,
      serverInfo: this.serverInfo,
      backends: [...backends.keys()],
    }
  }
}
