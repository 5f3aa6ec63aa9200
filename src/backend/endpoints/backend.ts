import type { Signal } from '../../pipeline/signal.ts'
import type { EndpointsConfig, Isolation } from '../../config/types.ts'
import { type ErrorCode, GatewayError } from '../../errors.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'
import type { Notifications, Reply } from '../../pipeline/call.ts'
import type { RequestMessage } from '../../protocol/message.ts'
import type { Backend, BackendRequest } from '../backend.ts'
import { wasNeverSent } from '../failure.ts'
import { ownerOf } from '../legacy-backend.ts'
import { type Affinity, createAffinity } from './affinity.ts'
import { type Balancer, type Fitness, type Verdict, createBalancer } from './balancer.ts'
import { firstOf } from './first.ts'
import { mergedStatus } from './status.ts'
import { subscribeToAll } from './subscription.ts'

/** One endpoint: a backend of its own, with its own connections, era and sessions. */
export interface Endpoint extends Backend {
  readonly fitness: Fitness
  /** Whether it is known to be a server of the legacy era, which has sessions. */
  readonly isLegacy: boolean
}

/** What a backend of several endpoints needs to know of itself. */
export interface BalancedConfig {
  readonly name: string
  readonly isolation: Isolation
  readonly endpoints: EndpointsConfig
}

/** What a backend of several endpoints needs from outside. */
export interface BalancedPorts {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

/** Milliseconds after which another endpoint is asked for a list too. */
const STAGGER = 500

/** Failures that say something of the endpoint, not of the call. */
const ENDPOINT_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'BACKEND_TIMEOUT',
  'BACKEND_UNAVAILABLE',
  'BACKEND_PROTOCOL',
])

/**
 * Makes one backend of several endpoints. A request that surely never reached its endpoint goes to another one; what was
 * sent is never sent again here. Sessions, tasks and calls that wait for input stay with the endpoint that knows them.
 */
export function createBalancedBackend(
  config: BalancedConfig,
  endpoints: readonly Endpoint[],
  ports: BalancedPorts,
): Backend {
  return new BalancedBackend(config, endpoints, ports)
}

class BalancedBackend implements Backend {
  readonly name: string
  readonly #config: BalancedConfig
  readonly #endpoints: readonly Endpoint[]
  readonly #ports: BalancedPorts
  readonly #balancer: Balancer
  readonly #affinity: Affinity = createAffinity()
  /** Of each endpoint: neither path nor query, which may hold keys. */
  readonly #origins: readonly string[]
  /** Endpoints at which a request has failed: whoever sends it again does better elsewhere. */
  readonly #failedAt = new WeakMap<RequestMessage, Set<number>>()

  constructor(config: BalancedConfig, endpoints: readonly Endpoint[], ports: BalancedPorts) {
    this.name = config.name
    this.#config = config
    this.#endpoints = endpoints
    this.#origins = config.endpoints.list.map(({ url }) => new URL(url).origin)
    this.#ports = ports
    this.#balancer = createBalancer(config.endpoints, {
      clock: ports.clock,
      random: ports.random,
      fitness: (index) => this.#at(index).fitness,
      onEject: (index, reason, ms) =>
        ports.log('warn', 'endpoint is ejected', {
          backend: config.name,
          endpoint: this.#origins[index],
          reason,
          ms,
        }),
    })
  }

  async send(request: BackendRequest, out: Notifications): Promise<Reply> {
    let unreached: Set<number> | undefined
    for (;;) {
      const index = this.#choose(request, unreached) ?? (await this.#awaken(request, unreached))
      try {
        return await this.#sendTo(index, request, out)
      } catch (error) {
        if (!wasNeverSent(error)) throw error
        request.signal.throwIfAborted()
        unreached ??= new Set()
        unreached.add(index)
        if (unreached.size === this.#endpoints.length) throw error
      }
    }
  }

  resumes(request: BackendRequest): boolean {
    return this.#endpoints.some((endpoint) => endpoint.resumes(request))
  }

  identify(signal: Signal): ReturnType<Backend['identify']> {
    // All of them, so that all are connected; who says what it is matters less.
    const attempts = this.#endpoints.map((endpoint) => () => endpoint.identify(signal))
    return firstOf({ attempts, stagger: 0, clock: this.#ports.clock, signal })
  }

  async list(kind: Parameters<Backend['list']>[0], signal: Signal): ReturnType<Backend['list']> {
    if (this.#endpoints.every(({ fitness }) => fitness === 'away')) await this.identify(signal)
    const order = [...this.#endpoints.keys()].toSorted(
      (a, b) => Number(this.#isGood(b)) - Number(this.#isGood(a)),
    )
    const attempts = order.map((index) => (inner: Signal) => this.#at(index).list(kind, inner))
    return firstOf({ attempts, stagger: STAGGER, clock: this.#ports.clock, signal })
  }

  subscribe(...[filter, subscriber]: Parameters<Backend['subscribe']>): ReturnType<Backend['subscribe']> {
    return subscribeToAll(this.#endpoints, filter, subscriber)
  }

  status(): ReturnType<Backend['status']> {
    const { clock } = this.#ports
    const seen = this.#endpoints.map((endpoint, index) => {
      const until = this.#balancer.ejectedUntil(index)
      return {
        url: this.#url(index),
        status: endpoint.status(),
        weight: this.#config.endpoints.list[index]?.weight ?? 1,
        inFlight: this.#balancer.inFlight(index),
        ejectedUntil: until === undefined ? undefined : clock.wallTime() + until - clock.now(),
      }
    })
    return mergedStatus(this.name, seen)
  }

  async close(): Promise<void> {
    await Promise.all(this.#endpoints.map((endpoint) => endpoint.close()))
  }

  #at(index: number): Endpoint {
    const endpoint = this.#endpoints[index]
    if (endpoint === undefined) throw new RangeError(`there is no endpoint ${index}`)
    return endpoint
  }

  #url(index: number): string {
    const { origin, pathname } = new URL(this.#config.endpoints.list[index]?.url ?? '')
    return `${origin}${pathname}`
  }

  #isGood(index: number): boolean {
    return this.#balancer.isGood(index)
  }

  /** Who knows what the request goes on from, else whom the balancer chooses; undefined where nobody is connected. */
  #choose(request: BackendRequest, unreached: ReadonlySet<number> | undefined): number | undefined {
    const known = this.#affinity.of(request) ?? this.#ofOwner(request)
    if (known !== undefined && unreached?.has(known) !== true && this.#isGood(known)) return known
    const failed = this.#failedAt.get(request.message)
    const other = failed === undefined ? undefined : this.#balancer.choose(failed.union(unreached ?? NOBODY))
    return other !== undefined && this.#isGood(other) ? other : this.#balancer.choose(unreached)
  }

  #ofOwner(request: BackendRequest): number | undefined {
    const owner = this.#ownerOf(request)
    return owner === undefined ? undefined : this.#affinity.ofOwner(owner)
  }

  /** Whose session a request belongs to, where there are sessions and not everybody shares one. */
  #ownerOf(request: BackendRequest): string | undefined {
    const { isolation } = this.#config
    const hasSessions = this.#endpoints.some(({ isLegacy }) => isLegacy)
    return hasSessions && isolation !== 'shared' ? ownerOf(request, isolation) : undefined
  }

  /** Connects to whatever can be connected to, and yields one of them. */
  async #awaken(request: BackendRequest, unreached: ReadonlySet<number> | undefined): Promise<number> {
    await this.identify(request.signal)
    const index = this.#choose(request, unreached)
    if (index !== undefined) return index
    const message = `Backend ${this.name} is not reachable: none of its endpoints is`
    throw new GatewayError('BACKEND_UNAVAILABLE', message, { backend: this.name })
  }

  async #sendTo(index: number, request: BackendRequest, out: Notifications): Promise<Reply> {
    const { clock } = this.#ports
    const owner = this.#ownerOf(request)
    if (owner !== undefined) this.#affinity.learnOwner(owner, index)
    const begun = clock.now()
    let verdict: Verdict = 'nothing'
    if (request.record !== undefined) request.record.endpoint = this.#origins[index]
    this.#balancer.begin(index)
    try {
      const reply = await this.#at(index).send(request, out)
      verdict = 'success'
      this.#affinity.learn(reply, index)
      return reply
    } catch (error) {
      if (error instanceof GatewayError && ENDPOINT_FAULTS.has(error.code)) {
        verdict = 'failure'
        this.#remember(request.message, index)
      }
      throw error
    } finally {
      this.#balancer.end(index, verdict, clock.now() - begun)
    }
  }

  #remember(message: RequestMessage, index: number): void {
    const failed = this.#failedAt.get(message)
    if (failed === undefined) this.#failedAt.set(message, new Set([index]))
    else failed.add(index)
  }
}

const NOBODY: ReadonlySet<number> = new Set()
