import { resolve } from 'node:path'
import type { Fetch } from '../auth/outbound.ts'
import type { HealthStatus } from '../backend/backend.ts'
import type { JsonSchema } from '../backend/builtin/tool.ts'
import { GatewayError } from '../errors.ts'
import { type Gateway as InnerGateway, createGateway as createInner } from '../gateway.ts'
import { processHost, readManifest } from '../host.ts'
import type { FetchHandler } from '../listener/http/fetch.ts'
import type { NodeHandler } from '../listener/http/mount.ts'
import type { Audit } from '../pipeline/audit.ts'
import type { Clock } from '../pipeline/clock.ts'
import { type Log, silentLog } from '../pipeline/log.ts'
import type { ArgumentSchemas, ArgumentsOf } from './arguments.ts'
import { type CallPorts, type CallRequest, callTool } from './call.ts'
import { type Caller, callerOf } from './callers.ts'
import type { BackendInput, GatewayInput, NamedBackendInput } from './input.ts'
import { type GatewayMetrics, metricsOf } from './metrics.ts'
import type { ToolResult } from './result.ts'
import { type LiveSettings, readSettings } from './settings.ts'
import { type OwnTools, type ToolDefinition, type ToolHandler, createOwnTools } from './tools.ts'

/** What a gateway takes from its surroundings. */
export interface GatewayOptions {
  /** Takes what the operator should know. Default: nothing is logged. */
  readonly log?: Log
  /** Takes security decisions. Default: the log. */
  readonly audit?: Audit
  /** Folder that relative paths in the configuration start from. Default: the working folder. */
  readonly baseDir?: string
  /** Default: the real clock. */
  readonly clock?: Clock
  /** How issuers of tokens are reached. Default: the `fetch` of the runtime. */
  readonly fetch?: Fetch
}

/** A bound listener. */
export interface Listener {
  readonly host: string
  readonly port: number
  /** Where clients connect: `http://127.0.0.1:8080/mcp`. */
  readonly url: string
  /** Ends its connections at once. Closing the gateway lets calls finish first. */
  close(): Promise<void>
}

/** How one backend is. */
export interface BackendHealth {
  readonly status: HealthStatus
  /** Milliseconds that the last good check took. */
  readonly latencyMs?: number
  /** Why it is not healthy. */
  readonly error?: string
}

/** A gateway in this process. Made by {@link createGateway}. */
export interface Gateway extends AsyncDisposable {
  /**
   * Puts a backend behind the gateway, also while it serves: clients that follow lists are told.
   *
   * @throws ConfigError if the name is taken, or with everything that is wrong with the settings; nothing has changed then
   */
  registerBackend(name: string, backend: BackendInput): void
  registerBackend(backend: NamedBackendInput): void
  /**
   * Takes a backend out. Calls that it works on get the time of `gateway.drain` to finish. Its name is free again at once.
   *
   * @returns settles when its connections and processes are closed
   * @throws GatewayError UNKNOWN_BACKEND, as a rejection
   */
  removeBackend(name: string): Promise<void>
  /** Names of the backends, in their order. */
  readonly backends: readonly string[]
  /**
   * Adds a tool of the gateway itself, also while it serves. Clients see exactly its name; rules, limits and everything
   * else treat it as the tool of that name of the backend `gateway`.
   *
   * @throws TypeError for a definition that cannot be taken, such as one whose name is taken
   */
  tool<const S extends ArgumentSchemas>(
    definition: ToolDefinition & { readonly schema: S; readonly inputSchema?: undefined },
    handler: ToolHandler<ArgumentsOf<S>>,
  ): void
  tool(
    definition: ToolDefinition & { readonly inputSchema?: JsonSchema; readonly schema?: undefined },
    handler: ToolHandler<Readonly<Record<string, unknown>>>,
  ): void
  /** @returns whether there was one */
  removeTool(name: string): boolean
  /**
   * Calls a tool: through every filter, like a call of a client.
   *
   * @throws GatewayError where the gateway refuses or fails it, with a code such as `RATE_LIMITED`
   * @throws BackendError where the backend answers with an error of its own
   */
  call(request: CallRequest): Promise<ToolResult>
  /** What was called since the gateway was made. */
  metrics(): GatewayMetrics
  /**
   * How every backend is, by name, from what checks and traffic have shown.
   *
   * @param options `check: true` asks every backend now, for at most 5 s
   */
  health(options?: { readonly check?: boolean }): Promise<Readonly<Record<string, BackendHealth>>>
  /** Connects to every backend and reads its lists. Settles when all have answered or `ms` have passed, by default 10 s. */
  ready(ms?: number): Promise<void>
  /**
   * Listens for clients.
   *
   * @param address what differs from `gateway.listen`; port 0 lets the system choose
   * @throws ConfigError where it is not safe to listen there without authentication
   * @throws the error of binding, such as EADDRINUSE
   * @throws GatewayError DRAINING once the gateway is being closed
   */
  listen(address?: { readonly host?: string; readonly port?: number }): Promise<Listener>
  /** Serves requests of your own Node server, alone or mounted in a framework such as Express. */
  readonly handler: NodeHandler
  /** Serves a `Request` of the Fetch standard, as frameworks such as Hono have it. */
  readonly fetch: FetchHandler
  /** Takes nothing new, lets calls in flight finish for the time of `gateway.drain`, then ends everything. */
  close(): Promise<void>
}

/** Milliseconds that slow backends get before the gateway is ready without them. */
const READY = 10_000
/** Milliseconds that backends get when they are asked how they are. */
const CHECK = 5000

/**
 * Makes a gateway. Nothing is connected or bound before it is used.
 *
 * @param input the settings of `toolgate.yaml`; default none
 * @throws ConfigError with everything that is wrong
 * @throws LockError if there is a file with approved definitions that cannot be believed
 */
export function createGateway(input: GatewayInput = {}, options: GatewayOptions = {}): Gateway {
  const { log = silentLog, audit, clock, fetch } = options
  const settings = readSettings(input, { log, dir: resolve(options.baseDir ?? '.') })
  const { gateway } = settings.config
  const { version } = readManifest()
  const tools = createOwnTools({
    log,
    longest: gateway.limits.reply,
    callAs: (request, caller) => callTool(calls, request, caller),
  })
  const inner = createInner(settings.config, {
    version,
    host: processHost(),
    log,
    tools,
    ...(gateway.stateDir === undefined ? {} : { stateDir: gateway.stateDir }),
    ...(audit && { audit }),
    ...(clock && { clock }),
    ...(fetch && { fetch }),
  })
  const calls: CallPorts = {
    answer: inner.answer,
    clientInfo: { name: gateway.name, version },
    maxBody: gateway.limits.body,
    maxDepth: gateway.limits.depth,
  }
  return new EmbeddedGateway({ settings, inner, tools, calls, log })
}

interface Parts {
  readonly settings: LiveSettings
  readonly inner: InnerGateway
  readonly tools: OwnTools
  readonly calls: CallPorts
  readonly log: Log
}

class EmbeddedGateway implements Gateway {
  readonly handler: NodeHandler
  readonly fetch: FetchHandler
  readonly #parts: Parts
  #settings: LiveSettings
  #isStarted = false
  #isClosed = false
  /** Settles when calls find the tools that there are now. */
  #listed: Promise<void> = Promise.resolve()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#settings = parts.settings
    this.handler = (request, response, next) => {
      this.#start()
      parts.inner.mount().node(request, response, next)
    }
    this.fetch = (request, context) => {
      this.#start()
      return parts.inner.mount().fetch(request, context)
    }
  }

  get backends(): readonly string[] {
    return this.#settings.config.backends.map(({ name }) => name)
  }

  registerBackend(...args: readonly [string, BackendInput] | readonly [NamedBackendInput]): void {
    const [name, backend] = args.length === 2 ? args : named(args[0])
    void this.#apply(this.#settings.with(name, backend))
  }

  async removeBackend(name: string): Promise<void> {
    const settings = this.#settings.without(name)
    if (settings === undefined) throw new GatewayError('UNKNOWN_BACKEND', `Unknown backend: ${name}`)
    await this.#apply(settings)
  }

  tool(definition: ToolDefinition, handler: ToolHandler<never>): void {
    const { tools, inner, log } = this.#parts
    const { name } = definition
    const other = inner.ownerOf(name)
    tools.add(definition, handler as ToolHandler<Readonly<Record<string, unknown>>>)
    this.#listed = inner.relist()
    if (other !== undefined)
      log('warn', 'a tool of the gateway takes the name of one of a backend, which gets another', {
        tool: name,
        backend: other,
      })
  }

  removeTool(name: string): boolean {
    const { tools, inner } = this.#parts
    const isGone = tools.remove(name)
    if (isGone) this.#listed = inner.relist()
    return isGone
  }

  async call(request: CallRequest): Promise<ToolResult> {
    if (this.#isClosed) throw new GatewayError('DRAINING', 'The gateway is closed')
    const caller: Caller = callerOf(request.principal, request.client)
    await this.#listed
    return callTool(this.#parts.calls, request, caller)
  }

  metrics(): GatewayMetrics {
    return metricsOf(this.#parts.inner.metrics?.tools() ?? [], this.backends)
  }

  async health({ check = false }: { readonly check?: boolean } = {}): Promise<Record<string, BackendHealth>> {
    const { inner } = this.#parts
    if (check) await inner.ask(CHECK)
    const reports = inner.report().map(({ name, health }): [string, BackendHealth] => {
      const { status, latencyMs, reason } = health
      const latency = latencyMs === undefined ? {} : { latencyMs: Math.round(latencyMs * 100) / 100 }
      return [name, { status, ...latency, ...(reason === undefined ? {} : { error: reason }) }]
    })
    return Object.fromEntries(reports)
  }

  async ready(ms = READY): Promise<void> {
    this.#isStarted = true
    await this.#parts.inner.ready(ms)
  }

  async listen(address: { readonly host?: string; readonly port?: number } = {}): Promise<Listener> {
    const { listen } = this.#settings.config.gateway
    const at = this.#settings.listeningAt({ ...listen, ...address })
    const listener = await this.#parts.inner.listen(at)
    this.#start()
    const { host, port } = listener
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}/mcp`
    return { host, port, url, close: async () => listener.close() }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#parts.inner.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Connects to the backends once somebody may ask for them. */
  #start(): void {
    if (this.#isStarted || this.#isClosed) return
    void this.ready()
  }

  #apply(settings: LiveSettings): Promise<void> {
    const closed = this.#parts.inner.apply(settings.config)
    this.#settings = settings
    closed.catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error)
      this.#parts.log('error', 'could not close a backend', { reason })
    })
    return closed
  }
}

function named({ name, ...backend }: NamedBackendInput): readonly [string, BackendInput] {
  return [name, backend]
}
