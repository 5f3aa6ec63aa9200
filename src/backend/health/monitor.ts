import { type Signal, anySignal } from '../../pipeline/signal.ts'
import type { HealthConfig } from '../../config/types.ts'
import { GatewayError } from '../../errors.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'
import type { BackendCondition, Health, HealthStatus } from '../backend.ts'
import { failureOf, isMisbehaviour } from '../failure.ts'

/** What watching one endpoint needs. */
export interface MonitorPorts {
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
  readonly log: Log
  readonly backend: string
  /** Asks for a sign of life; rejects where there is none, or the signal is aborted. */
  readonly check: (signal: Signal) => Promise<unknown>
  /** What traffic says; looks for a backend that is down by itself. */
  readonly link: () => { readonly condition: BackendCondition; readonly since: number }
}

/** Watches one endpoint: what it is asked from time to time, and what its traffic says. */
export interface Monitor {
  readonly health: Health
  /** Whether checks have found it unhealthy or unreachable, whatever its traffic says. */
  readonly isSick: boolean
  close(): void
}

/** What checks have found. */
interface Findings {
  readonly status: Exclude<HealthStatus, 'connecting'>
  readonly since: number
  readonly reason: string | undefined
}

/** A doubt is settled so many times as fast as the checks follow each other otherwise. */
const HURRY = 5

/** Milliseconds after which an endpoint that nobody has needed yet, or that is down, is looked at again at most. */
const GLANCE = 2000

/** Milliseconds between two checks of an endpoint that stays sick at most, unless the interval is longer. */
const LONGEST_PAUSE = 60_000

/**
 * Begins to watch. The first check comes soon, at a random time, so that gateways that were started together do not ask
 * together; but never before somebody has needed the endpoint. Without a configuration nothing is asked, and traffic alone
 * says how the endpoint is.
 */
export function createMonitor(config: HealthConfig | undefined, ports: MonitorPorts): Monitor {
  return new EndpointMonitor(config, ports)
}

class EndpointMonitor implements Monitor {
  readonly #ports: MonitorPorts
  readonly #closing = new AbortController()
  #found: Findings = { status: 'healthy', since: 0, reason: undefined }
  #latency: number | undefined
  /** Checks in a row that said otherwise than the status does. */
  #doubts = 0
  /** Checks in a row that found a sick endpoint sick. */
  #confirmations = 0
  #cancel: (() => void) | undefined

  constructor(config: HealthConfig | undefined, ports: MonitorPorts) {
    this.#ports = ports
    if (config !== undefined) this.#checkAfter(config, Math.min(config.interval, GLANCE) * ports.random())
  }

  get isSick(): boolean {
    const { status } = this.#found
    return status === 'unhealthy' || status === 'unreachable'
  }

  get health(): Health {
    const { condition, since } = this.#ports.link()
    const latencyMs = this.#latency
    if (condition.state === 'connecting') return { status: 'connecting', since, latencyMs }
    if (condition.state === 'up')
      return { ...this.#found, since: Math.max(this.#found.since, since), latencyMs }
    const { reason, detail, answers } = condition
    return { status: answers === true ? 'unhealthy' : 'unreachable', since, reason, detail, latencyMs }
  }

  close(): void {
    this.#closing.abort(new GatewayError('DRAINING', 'The gateway is shutting down'))
    this.#cancel?.()
  }

  #checkAfter(config: HealthConfig, ms: number): void {
    this.#cancel = this.#ports.clock.after(ms, () => void this.#check(config))
  }

  async #check(config: HealthConfig): Promise<void> {
    // The link looks for a backend that is down, with pauses of its own: two who knock are no better than one.
    const isUp = this.#ports.link().condition.state === 'up'
    if (isUp) await this.#ask(config)
    else this.#reset()
    const pause = isUp ? this.#pause(config) : Math.min(config.interval, GLANCE)
    if (!this.#closing.signal.aborted) this.#checkAfter(config, pause)
  }

  async #ask(config: HealthConfig): Promise<void> {
    const { clock, check } = this.#ports
    const begun = clock.now()
    const deadline = new AbortController()
    const message = `did not answer a health check within ${config.timeout} ms`
    const cancel = clock.after(config.timeout, () =>
      deadline.abort(new GatewayError('BACKEND_TIMEOUT', message)),
    )
    try {
      await check(anySignal(deadline.signal, this.#closing.signal))
      this.#latency = clock.now() - begun
      this.#passed(config)
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#failed(config, error)
    } finally {
      cancel()
    }
  }

  #passed(config: HealthConfig): void {
    this.#confirmations = 0
    if (!this.isSick) {
      this.#doubts = 0
      return this.#set('healthy', undefined)
    }
    if (++this.#doubts < config.healthy) return
    this.#doubts = 0
    this.#set('healthy', undefined)
  }

  #failed(config: HealthConfig, error: unknown): void {
    const sick = isMisbehaviour(error) ? 'unhealthy' : 'unreachable'
    const reason = reasonOf(error)
    if (this.isSick) {
      this.#doubts = 0
      this.#confirmations++
      return this.#set(sick, reason)
    }
    if (++this.#doubts < config.unhealthy) return this.#set('degraded', reason)
    this.#doubts = 0
    this.#set(sick, reason)
  }

  /** What was found before the backend went down says nothing about how it comes back. */
  #reset(): void {
    this.#doubts = 0
    this.#confirmations = 0
    this.#found = { status: 'healthy', since: this.#found.since, reason: undefined }
  }

  #set(status: Findings['status'], reason: string | undefined): void {
    const { clock, log, backend } = this.#ports
    const before = this.#found
    const changed = before.status !== status
    this.#found = { status, reason, since: changed ? clock.wallTime() : before.since }
    if (!changed) return
    log(status === 'healthy' ? 'info' : 'warn', `backend is ${status}`, { backend, reason })
  }

  /** A doubt is settled fast; an endpoint that stays sick is asked ever more rarely. Never all at once. */
  #pause({ interval }: HealthConfig): number {
    const jitter = 0.75 + this.#ports.random() / 2
    if (this.#doubts > 0) return (interval / HURRY) * jitter
    const longest = Math.max(interval, LONGEST_PAUSE)
    return Math.min(interval * 2 ** Math.min(this.#confirmations, 16), longest) * jitter
  }
}

/** What an operator, and clients who may ask, are told. */
function reasonOf(error: unknown): string {
  const failure = failureOf(error)
  if (failure?.kind === 'status') return `answered HTTP ${failure.status}`
  if (failure !== undefined) return failure.reason
  return error instanceof Error ? error.message : 'unknown failure'
}
