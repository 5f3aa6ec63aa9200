import type { Readable, Writable } from 'node:stream'
import { type BackendReport, reportOf } from './admin/backend-report.ts'
import type { BackendOrder } from './admin/server.ts'
import type { Backend } from './backend/backend.ts'
import type { Config, ListenAddress } from './config/types.ts'
import { GatewayError } from './errors.ts'
import type { LimitReport } from './filters/limits/report.ts'
import type { Meter } from './filters/observe.ts'
import type { Answerer } from './filters/rescue.ts'
import type { OverloadState } from './listener/overload.ts'
import { type FetchHandler, fetchFront } from './listener/http/fetch.ts'
import { type Front, createFront } from './listener/http/front.ts'
import { type NodeHandler, mountedFront } from './listener/http/mount.ts'
import { type HttpListener, listenHttp } from './listener/http/server.ts'
import type { ListenerPorts } from './listener/ports.ts'
import { type StdioListener, listenStdio } from './listener/stdio.ts'
import {
  type GatewayPorts,
  type Parts,
  type Snapshot,
  type Swapped,
  openParts,
  swapSnapshot,
} from './parts.ts'
import type { Implementation } from './protocol/meta.ts'
import { type Definitions, definitionsIn } from './routing/integrity/definitions.ts'
import type { StoreStatus } from './store/store.ts'
import { type Levels, readLevels } from './telemetry/metrics/levels.ts'
import type { Metrics } from './telemetry/metrics/metrics.ts'

export type { GatewayPorts } from './parts.ts'

/** The gateway behind a server that is not its own. */
export interface Mounted {
  readonly node: NodeHandler
  readonly fetch: FetchHandler
}

/** A running gateway. */
export interface Gateway {
  readonly serverInfo: Implementation
  /** Connects to every backend and fetches its tools. Settles when all have answered or `ms` have passed; never rejects. */
  ready(ms: number): Promise<void>
  /** True once every backend has answered or its first deadline has passed. */
  readonly isReady: boolean
  /**
   * Serves HTTP.
   *
   * @param address default: the configured one
   * @throws the error of binding, such as EADDRINUSE
   * @throws GatewayError DRAINING once the gateway is being closed
   */
  listen(address?: ListenAddress): Promise<HttpListener>
  /** Serves the HTTP exchanges of somebody else's server. */
  mount(): Mounted
  /** Answers a call that was made in this process, as one of a client. */
  readonly answer: Answerer
  /** The configuration in force. */
  readonly config: Config
  /**
   * Takes over the backends and the rules of authorization of another configuration; the rest stays as it was at the
   * start. Backends with the same settings stay what they are, with their connections, lists, circuits and sessions of
   * clients; subscriptions go on with what there is now. Calls in flight end where they began.
   *
   * @returns in force already; settles once backends that left have no calls any more, or the time to drain is over, and they are closed
   * @throws where the configuration cannot be put in force; nothing has changed then
   */
  apply(config: Config): Promise<void>
  /** Reads the list of the gateway's own tools again, after a change. Never rejects. */
  relist(): Promise<void>
  /** Asks every backend for its tools now. Settles when all have answered or `ms` have passed; never rejects. */
  ask(ms: number): Promise<void>
  /** The backend whose tool clients of the aggregate see by that name, as far as it is known. */
  ownerOf(tool: string): string | undefined
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
  /** How busy the process is, and what is done about it; undefined where nobody watches. */
  readonly load: OverloadState | undefined
  /** What was counted and measured; undefined where nothing is. */
  readonly metrics: Metrics | undefined
  /** Goes on with new files where the access log was moved away. */
  reopen(): void
  /** Stops accepting, lets calls in flight finish for the configured time, then ends everything. */
  close(): Promise<void>
}

/** Lists that are fetched once the tools of a backend are known. */
const OTHER_KINDS = ['prompts', 'resources', 'resourceTemplates'] as const

/** Milliseconds between two looks at whether calls in flight have ended. */
const LOOK = 20

/**
 * Builds a gateway. Nothing is connected or bound before `ready` and `listen`.
 *
 * @throws UnusableFileError if the file of the access log cannot be written
 * @throws LockError if the file with the approved definitions (`integrity.lock`) is there and cannot be believed
 */
export function createGateway(config: Config, ports: GatewayPorts): Gateway {
  const parts = openParts(config, { ...ports, fetch: ports.fetch ?? globalThis.fetch })
  return new RunningGateway(parts, swapSnapshot(parts, config), {
    name: config.gateway.name,
    version: ports.version,
  })
}

class RunningGateway implements Gateway {
  readonly serverInfo: Implementation
  readonly answer: Answerer
  readonly #parts: Parts
  #snapshot: Snapshot
  readonly #http = new Set<HttpListener>()
  #mounted: { readonly front: Front; readonly mounted: Mounted } | undefined
  /** Backends that left and are being closed. */
  readonly #leaving = new Set<Promise<void>>()
  #stdio: StdioListener | undefined
  #isReady = false
  #closing: Promise<void> | undefined

  constructor(parts: Parts, { snapshot }: Swapped, serverInfo: Implementation) {
    this.#parts = parts
    this.#snapshot = snapshot
    this.serverInfo = serverInfo
    this.answer = (call, out) => this.#snapshot.answer(call, out)
    parts.signals.start(() => this.#levels())
  }

  get config(): Config {
    return this.#snapshot.config
  }

  apply(config: Config): Promise<void> {
    if (this.#closing !== undefined) throw shuttingDown()
    const { snapshot, gone, added } = swapSnapshot(this.#parts, config)
    this.#snapshot = snapshot
    // Which URIs collide has to be known before the first result that mentions one.
    for (const name of added) void this.#fetchLists(name)
    const closing = Promise.all(gone.map(async (backend) => this.#leave(backend))).then(() => undefined)
    this.#leaving.add(closing)
    const forget = (): void => void this.#leaving.delete(closing)
    closing.then(forget, forget)
    return closing
  }

  async relist(): Promise<void> {
    const { own, catalog } = this.#parts
    if (own !== undefined) await catalog.refetch('tools', own.name)
  }

  async ask(ms: number): Promise<void> {
    const { catalog } = this.#parts
    await this.#within(
      ms,
      [...this.#snapshot.configured.keys()].map((name) => catalog.refetch('tools', name)),
    )
  }

  ownerOf(tool: string): string | undefined {
    return this.#parts.catalog.peek('tools', { kind: 'aggregate' }, tool)?.entry.backend
  }

  /** Closes a backend once nobody uses it. */
  async #leave(backend: Backend): Promise<void> {
    const flight = this.#parts.flights.of(backend)
    await this.#until(() => flight.running === 0)
    await backend.close()
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

  get load(): OverloadState | undefined {
    return this.#parts.overload?.state
  }

  async ready(ms: number): Promise<void> {
    // Not only the tools: which URIs collide has to be known before the first result that mentions one.
    const lists = this.#snapshot.names.map((name) => this.#fetchLists(name))
    await this.#within(ms, [...lists, this.#parts.store.ready()])
    this.#isReady = true
  }

  async #within(ms: number, work: readonly Promise<void>[]): Promise<void> {
    const deadline = Promise.withResolvers<void>()
    const cancel = this.#parts.clock.after(ms, deadline.resolve)
    await Promise.race([Promise.all(work), deadline.promise])
    cancel()
  }

  async #fetchLists(backend: string): Promise<void> {
    const { catalog } = this.#parts
    await catalog.refetch('tools', backend)
    await Promise.all(OTHER_KINDS.map((kind) => catalog.refetch(kind, backend)))
  }

  async listen(address?: ListenAddress): Promise<HttpListener> {
    if (this.#closing !== undefined) throw shuttingDown()
    const ports = this.#listenerPorts()
    const settings = { ...ports.settings, ...(address && { listen: address }) }
    const listener = await listenHttp({ ...ports, settings }, () => this.#isReady)
    // Whoever closes the gateway closes what it listens on: not what was only being bound.
    if (this.#closing !== undefined) {
      await listener.close()
      throw shuttingDown()
    }
    this.#http.add(listener)
    const close = async (): Promise<void> => {
      this.#http.delete(listener)
      await listener.close()
    }
    return { ...listener, close }
  }

  mount(): Mounted {
    if (this.#mounted !== undefined) return this.#mounted.mounted
    const ports = this.#listenerPorts()
    const front = createFront(ports, () => this.#isReady)
    const mounted = {
      node: mountedFront(front),
      fetch: fetchFront(front, ports.settings.limits.headers),
    }
    this.#mounted = { front, mounted }
    if (this.#closing !== undefined) front.close(shuttingDown())
    return mounted
  }

  serveStdio(input: Readable, output: Writable): StdioListener {
    this.#stdio = listenStdio({ input, output }, this.#listenerPorts())
    return this.#stdio
  }

  report(): readonly BackendReport[] {
    const { policy } = this.#snapshot
    return [...this.#snapshot.configured.values()].map((backend) =>
      reportOf(backend, { ...this.#parts, policy }),
    )
  }

  get definitions(): Definitions {
    const { catalog, integrity } = this.#parts
    return definitionsIn(catalog, integrity, [...this.#snapshot.configured.keys()])
  }

  order(order: BackendOrder, backend: string): boolean {
    const circuits = this.#parts.lanes.get(backend)?.circuits
    circuits?.[order]()
    return circuits !== undefined
  }

  get metrics(): Metrics | undefined {
    return this.#parts.signals.metrics
  }

  reopen(): void {
    this.#parts.signals.reopen()
  }

  #levels(): Levels {
    const fronts = [...this.#http].map((one) => ({ sessions: one.sessions(), streams: one.streams() }))
    if (this.#mounted !== undefined) fronts.push(this.#mounted.front)
    const sum = (of: 'sessions' | 'streams'): number => fronts.reduce((all, front) => all + front[of], 0)
    const http = { sessions: () => sum('sessions'), streams: () => sum('streams') }
    return readLevels({ ...this.#parts, gauge: this.#parts.signals.gauge, backends: this.report(), http })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { catalog, integrity, entrance, fanIn, overload, store } = this.#parts
    const listeners = [...this.#http]
    overload?.close()
    listeners.forEach((listener) => listener.drain())
    this.#mounted?.front.drain()
    // Subscriptions would last for ever: they are ended, not waited for.
    fanIn.drain()
    this.#stdio?.drain()
    await this.#until(() => this.#parts.meter.inFlight === 0)
    catalog.close()
    integrity.close()
    this.#mounted?.front.close(shuttingDown())
    await Promise.all([...listeners.map((one) => one.close()), this.#stdio?.close(), entrance.close()])
    await Promise.all([...this.#snapshot.backends.values()].map((backend) => backend.close()))
    await Promise.all(this.#leaving)
    await store.close()
    // The timers of the clock keep no process alive, which must not end before what is left is told.
    const awake = setInterval(() => undefined, 1000)
    await this.#parts.signals.close().finally(() => clearInterval(awake))
  }

  /** Waits for calls in flight, as long as the configuration grants. */
  async #until(isDone: () => boolean): Promise<void> {
    const { clock } = this.#parts
    const until = clock.now() + this.#snapshot.config.gateway.drain
    while (!isDone() && clock.now() < until) {
      const pause = Promise.withResolvers<void>()
      clock.after(LOOK, pause.resolve)
      await pause.promise
    }
  }

  #listenerPorts(): ListenerPorts {
    const { clock, log, entrance, overload, signals } = this.#parts
    return {
      overload,
      measures: signals.metrics?.measures,
      traced: signals.traced,
      onRefused: signals.onRefused,
      answer: this.answer,
      door: entrance.door,
      clock,
      log,
      settings: this.#snapshot.config.gateway,
      serverInfo: this.serverInfo,
      backends: () => this.#snapshot.names,
    }
  }
}

function shuttingDown(): GatewayError {
  return new GatewayError('DRAINING', 'The gateway is shutting down')
}
