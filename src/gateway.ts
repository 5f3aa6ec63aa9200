import type { Readable, Writable } from 'node:stream'
import type { Backend, BackendStatus } from './backend/backend.ts'
import { createBackend } from './backend/create.ts'
import type { BackendPorts } from './backend/ports.ts'
import { createQuota } from './backend/quota.ts'
import type { ChildLedger, HostProcess } from './backend/stdio/ports.ts'
import type { Config, IntegrityPolicy } from './config/types.ts'
import { authorize } from './filters/authorize.ts'
import { dispatch } from './filters/dispatch.ts'
import { forward } from './filters/forward.ts'
import { quarantine } from './filters/quarantine.ts'
import { type Meter, observe } from './filters/observe.ts'
import { type Answerer, rescue } from './filters/rescue.ts'
import { timeout } from './filters/timeout.ts'
import { type HttpListener, listenHttp } from './listener/http/server.ts'
import type { ListenerPorts } from './listener/ports.ts'
import { type StdioListener, listenStdio } from './listener/stdio.ts'
import { type Audit, auditToLog } from './pipeline/audit.ts'
import { type Clock, systemClock } from './pipeline/clock.ts'
import { type Log, silentLog } from './pipeline/log.ts'
import type { Implementation } from './protocol/meta.ts'
import { type Catalog, createCatalog } from './routing/catalog.ts'
import { expose } from './routing/expose.ts'
import { type ListedDefinition, definitionsOf } from './routing/integrity/definitions.ts'
import { type Integrity, createIntegrity } from './routing/integrity/integrity.ts'
import { openLockFile } from './routing/integrity/lock-file.ts'
import type { IntegrityReport, LockReport } from './routing/integrity/report.ts'
import { merge } from './routing/merge.ts'
import { route } from './routing/route.ts'
import { createSearch } from './routing/search.ts'
import { type TaskIds, createTaskIds } from './routing/tasks.ts'
import { type FanIn, createFanIn } from './routing/subscriptions.ts'
import { type Sealer, createSealer, randomKey } from './seal/seal.ts'

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
  /** Where security decisions go. Default: the log. */
  readonly audit?: Audit
  /** A number in [0, 1). Default `Math.random`; used for jitter only. */
  readonly random?: () => number
}

/** A backend as the operator sees it. */
export interface BackendReport extends BackendStatus {
  /** Tools that are known of it; undefined while none were listed. */
  readonly tools: number | undefined
  /** How its definitions stand to what was approved. */
  readonly integrity: IntegrityReport
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
  /** How the file with the approved definitions is. */
  lockReport(): LockReport
  /**
   * What `toolgate pin` approves: every tool and prompt of each backend as it is defined there; undefined for a backend
   * whose lists are not known completely.
   */
  definitions(): ReadonlyMap<string, readonly ListedDefinition[] | undefined>
  readonly meter: Readonly<Meter>
  /** Stops accepting, lets calls in flight finish for the configured time, then ends everything. */
  close(): Promise<void>
}

/** Lists that are fetched once the tools of a backend are known. */
const OTHER_KINDS = ['prompts', 'resources', 'resourceTemplates'] as const

/** Everything that is built once per configuration. */
interface Parts {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  readonly backends: ReadonlyMap<string, Backend>
  readonly catalog: Catalog
  readonly integrity: Integrity
  readonly meter: Meter
  readonly sealer: Sealer
  readonly taskIds: TaskIds
  readonly fanIn: FanIn
}

/**
 * Builds a gateway. Nothing is connected or bound before `ready` and `listen`.
 *
 * @throws LockError if the file with the approved definitions (`integrity.lock`) is there and cannot be believed
 */
export function createGateway(config: Config, ports: GatewayPorts): Gateway {
  const clock = ports.clock ?? systemClock
  const log = ports.log ?? silentLog
  const audit = ports.audit ?? auditToLog(log)
  const serverInfo: Implementation = { name: config.gateway.name, version: ports.version }
  const sealer = createSealer(randomKey())
  const backends = createBackends(config, ports, { clock, log, sealer })
  const integrity = createIntegrity({
    policies: policiesOf(config),
    names: config.gateway.names,
    lock: openLockFile(config.integrity.lock, clock),
    audit,
    clock,
  })
  const catalog = createCatalog([...backends.values()], {
    clock,
    log,
    names: config.gateway.names,
    listDeadline: config.gateway.listDeadline,
    staleFor: config.gateway.staleFor,
    fetchTimeout: timeouts(config),
    integrity,
  })
  const taskIds = createTaskIds(sealer)
  const parts: Parts = {
    config,
    clock,
    log,
    audit,
    backends,
    catalog,
    integrity,
    sealer,
    taskIds,
    fanIn: createFanIn({
      catalog,
      backends,
      taskIds,
      clock,
      listDeadline: config.gateway.listDeadline,
      streams: config.gateway.limits.streams,
      queue: config.gateway.limits.queue,
    }),
    meter: { inFlight: 0, total: 0, refused: 0 },
  }
  return new RunningGateway(parts, serverInfo)
}

/** The life of every call, outermost first. */
function pipeline(parts: Parts): Answerer {
  const { config, clock, log, backends, catalog, meter, sealer, taskIds, fanIn } = parts
  const { pageSize, listDeadline, limits } = config.gateway
  // One backend: bounded in time, then sent; URIs and task ids come back as clients know them.
  const exposing = { catalog, taskIds }
  const one = expose(exposing)(timeout(timeouts(config), clock)(forward(backends, catalog)))
  // Several backends: asked together, merged, with their own deadline.
  const search = createSearch({ ...exposing, backends, clock, askTimeout: listDeadline })
  const many = merge({ catalog, backends, sealer, clock, pageSize, listDeadline, search })
  const routed = route({ ...exposing, backends })(
    // Nothing passes without a permit, and only this mints one.
    authorize()(
      // What is not as it was approved is refused, but only to those who may know that it is there.
      quarantine()(dispatch({ one, many, listen: fanIn.listen })),
    ),
  )
  // The one place where errors become answers, seen from outside like every other answer.
  return observe(rescue(routed, log), { meter, clock, log, maxCalls: limits.calls })
}

function timeouts(config: Config): (backend: string) => number {
  const byName = new Map(config.backends.map((backend) => [backend.name, backend.timeout]))
  return (backend) => byName.get(backend) ?? 30_000
}

/** The general policy, with what each backend has of its own. */
function policiesOf({ backends, integrity }: Config): ReadonlyMap<string, IntegrityPolicy> {
  const { lock: _, ...general } = integrity
  return new Map(backends.map((backend) => [backend.name, { ...general, ...backend.integrity }]))
}

function createBackends(
  config: Config,
  ports: GatewayPorts,
  shared: Pick<BackendPorts, 'clock' | 'log' | 'sealer'>,
): ReadonlyMap<string, Backend> {
  const backendPorts = {
    ...shared,
    random: ports.random ?? Math.random,
    clientInfo: { name: config.gateway.name, version: ports.version },
    limits: config.gateway.limits,
    parking: createQuota(config.gateway.limits.parked),
    host: ports.host,
    children: ports.children,
  }
  return new Map(config.backends.map((backend) => [backend.name, createBackend(backend, backendPorts)]))
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
    this.#answer = pipeline(parts)
  }

  get isReady(): boolean {
    return this.#isReady
  }

  get meter(): Readonly<Meter> {
    return this.#parts.meter
  }

  async ready(ms: number): Promise<void> {
    const { backends, clock } = this.#parts
    const deadline = Promise.withResolvers<void>()
    const cancel = clock.after(ms, deadline.resolve)
    // Not only the tools: which URIs collide has to be known before the first result that mentions one.
    const all = Promise.all([...backends.keys()].map((name) => this.#fetchLists(name)))
    await Promise.race([all, deadline.promise])
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
    const { backends, catalog, integrity } = this.#parts
    return [...backends.values()].map((backend) => {
      const known = catalog.known('tools', backend.name)
      const tools = known === undefined || known.kind === 'omitted' ? undefined : known.listing.entries.length
      return { ...backend.status(), tools, integrity: integrity.report(backend.name) }
    })
  }

  lockReport(): LockReport {
    return this.#parts.integrity.lockReport()
  }

  definitions(): ReadonlyMap<string, readonly ListedDefinition[] | undefined> {
    const { backends, catalog } = this.#parts
    return new Map([...backends.keys()].map((backend) => [backend, definitionsOf(catalog, backend)]))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { backends, catalog, integrity, fanIn } = this.#parts
    this.#http?.drain()
    // Subscriptions would last for ever: they are ended, not waited for.
    fanIn.drain()
    this.#stdio?.drain()
    await this.#drained()
    catalog.close()
    integrity.close()
    await Promise.all([this.#http?.close(), this.#stdio?.close()])
    await Promise.all([...backends.values()].map((backend) => backend.close()))
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
    const { clock, log, config, backends } = this.#parts
    return {
      answer: this.#answer,
      clock,
      log,
      settings: config.gateway,
      serverInfo: this.serverInfo,
      backends: [...backends.keys()],
    }
  }
}
