import type { CircuitBreakerConfig } from '../config/resilience.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Verdict } from './classify.ts'

/**
 * `closed`: calls pass. `open`: none does, until its time is over. `half-open`: a few pass to see whether the backend
 * is well again.
 */
export type CircuitState = 'closed' | 'open' | 'half-open'

/** Lets calls to something pass while that goes well. */
export interface Circuit {
  /** As it was after the last call; an open one stays open until somebody calls after its time. */
  readonly state: CircuitState
  /** Wall-clock milliseconds of the last change. */
  readonly since: number
  /** Lets one call pass and yields its ticket, to be given back once with {@link Circuit.settle}; or refuses it. */
  admit(): Ticket | undefined
  /** Says how an admitted call went. Calls from before the last change of the state say nothing any more. */
  settle(ticket: Ticket, verdict: Verdict): void
  /** Whether every call is refused at the moment. */
  readonly isRefusing: boolean
  /** Milliseconds after which a refused call may pass. */
  readonly retryAfterMs: number
}

/** Proof of having been let pass: in which period of the circuit. */
export type Ticket = number

/** What a circuit needs. */
export interface CircuitPorts {
  readonly clock: Clock
  /** Called with every change of the state. */
  onChange(state: CircuitState): void
}

/** Parts of the window that are forgotten one after the other. */
const BUCKETS = 10

/** Milliseconds after which a refused call may ask again while others probe. */
const PROBING = 1000

/** Creates a closed circuit. */
export function createCircuit(config: CircuitBreakerConfig, ports: CircuitPorts): Circuit {
  return new CountingCircuit(config, ports)
}

class CountingCircuit implements Circuit {
  state: CircuitState = 'closed'
  since: number
  readonly #config: CircuitBreakerConfig
  readonly #ports: CircuitPorts
  readonly #window: Window
  #period: Ticket = 0
  /** When an open circuit may be probed. */
  #until = 0
  /** While half-open: calls that probe, and probes that succeeded. */
  #probing = 0
  #succeeded = 0

  constructor(config: CircuitBreakerConfig, ports: CircuitPorts) {
    this.#config = config
    this.#ports = ports
    this.#window = new Window(config.window)
    this.since = ports.clock.wallTime()
  }

  get isRefusing(): boolean {
    return this.state === 'open' && this.#ports.clock.now() < this.#until
  }

  get retryAfterMs(): number {
    if (this.state === 'open') return Math.max(1, Math.ceil(this.#until - this.#ports.clock.now()))
    return this.state === 'half-open' ? Math.min(PROBING, this.#config.openFor) : 0
  }

  admit(): Ticket | undefined {
    if (this.state === 'closed') return this.#period
    if (this.state === 'open') {
      if (this.isRefusing) return undefined
      this.#become('half-open')
    }
    if (this.#probing + this.#succeeded >= this.#config.probes) return undefined
    this.#probing++
    return this.#period
  }

  settle(ticket: Ticket, verdict: Verdict): void {
    if (ticket !== this.#period) return
    if (this.state === 'half-open') this.#probed(verdict)
    else if (verdict !== 'ignored') this.#count(verdict)
  }

  #probed(verdict: Verdict): void {
    this.#probing--
    if (verdict === 'failure') return this.#become('open')
    if (verdict === 'success' && ++this.#succeeded >= this.#config.probes) this.#become('closed')
  }

  #count(verdict: 'success' | 'failure'): void {
    const window = this.#window
    window.add(verdict, this.#ports.clock.now())
    if (verdict === 'success') return
    const { consecutiveFailures, minimumCalls, failureRatio } = this.#config
    const total = window.successes + window.failures
    const tooMany = total >= minimumCalls && window.failures >= failureRatio * total
    if (tooMany || window.inARow >= consecutiveFailures) this.#become('open')
  }

  #become(state: CircuitState): void {
    const { clock } = this.#ports
    this.state = state
    this.since = clock.wallTime()
    this.#period++
    this.#probing = 0
    this.#succeeded = 0
    this.#window.clear()
    if (state === 'open') this.#until = clock.now() + this.#config.openFor
    this.#ports.onChange(state)
  }
}

/** Counts the calls of the last so many milliseconds, in steps of a tenth of them. */
class Window {
  successes = 0
  failures = 0
  /** Failures since the last success, as far as the window reaches. */
  inARow = 0
  readonly #step: number
  readonly #good = new Float64Array(BUCKETS)
  readonly #bad = new Float64Array(BUCKETS)
  /** Number of the latest step. */
  #latest = Number.NEGATIVE_INFINITY

  constructor(ms: number) {
    this.#step = ms / BUCKETS
  }

  add(verdict: 'success' | 'failure', now: number): void {
    const step = Math.floor(now / this.#step)
    if (step !== this.#latest) this.#forget(step)
    const index = step % BUCKETS
    if (verdict === 'success') {
      this.#good[index] = (this.#good[index] ?? 0) + 1
      this.successes++
      this.inARow = 0
    } else {
      this.#bad[index] = (this.#bad[index] ?? 0) + 1
      this.failures++
      this.inARow++
    }
  }

  clear(): void {
    this.#good.fill(0)
    this.#bad.fill(0)
    this.successes = 0
    this.failures = 0
    this.inARow = 0
    this.#latest = Number.NEGATIVE_INFINITY
  }

  #forget(step: number): void {
    if (step - this.#latest >= BUCKETS) this.clear()
    else
      for (let old = this.#latest + 1; old <= step; old++) {
        const index = old % BUCKETS
        this.successes -= this.#good[index] ?? 0
        this.failures -= this.#bad[index] ?? 0
        this.#good[index] = 0
        this.#bad[index] = 0
      }
    this.#latest = step
    // Failures of which nothing is remembered are no series any more.
    this.inARow = Math.min(this.inARow, this.failures)
  }
}
