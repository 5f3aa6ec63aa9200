import type { CircuitBreakerConfig } from '../config/resilience.ts'
import { GatewayError } from '../errors.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Permitted } from '../pipeline/call.ts'
import type { Filter } from '../pipeline/handler.ts'
import type { Log } from '../pipeline/log.ts'
import { classify, classifyError } from './classify.ts'
import { type Circuit, type CircuitState, createCircuit } from './circuit.ts'

/** The circuits of one backend. */
export interface Circuits {
  /** `isolated` is held open by an operator. */
  readonly state: CircuitState | 'isolated'
  /** Wall-clock milliseconds of the last change. */
  readonly since: number
  /** Tools whose own circuit is not closed. */
  readonly openTools: readonly string[]
  readonly isIsolated: boolean
  /** Whether no call passes at the moment, for whichever of the two reasons. */
  readonly isRefusing: boolean
  /** Lets no call pass until {@link Circuits.restore}. */
  isolate(): void
  /** Lets calls pass again, and forgets what was counted. */
  restore(): void
  /** The circuit that a call belongs to; undefined while nothing is counted. */
  of(tool: string | undefined): Circuit | undefined
}

/** What circuits need. */
export interface CircuitsPorts {
  readonly clock: Clock
  readonly log: Log
}

/** Tools that have a circuit of their own at once; the longest unused is forgotten. */
const MOST_TOOLS = 1000

/** Creates the circuits of one backend. `config` undefined counts nothing: only operators hold it open then. */
export function createCircuits(
  backend: string,
  config: CircuitBreakerConfig | undefined,
  ports: CircuitsPorts,
): Circuits {
  return new BackendCircuits(backend, config, ports)
}

class BackendCircuits implements Circuits {
  readonly #backend: string
  readonly #config: CircuitBreakerConfig | undefined
  readonly #ports: CircuitsPorts
  readonly #tools = new Map<string, Circuit>()
  #whole: Circuit | undefined
  #isolatedSince: number | undefined
  readonly #createdAt: number

  constructor(backend: string, config: CircuitBreakerConfig | undefined, ports: CircuitsPorts) {
    this.#backend = backend
    this.#config = config
    this.#ports = ports
    this.#createdAt = ports.clock.wallTime()
    this.#whole = this.#create(undefined)
  }

  get state(): CircuitState | 'isolated' {
    return this.isIsolated ? 'isolated' : (this.#whole?.state ?? 'closed')
  }

  get since(): number {
    return this.#isolatedSince ?? this.#whole?.since ?? this.#createdAt
  }

  get openTools(): readonly string[] {
    return [...this.#tools].flatMap(([tool, { state }]) => (state === 'closed' ? [] : [tool]))
  }

  get isIsolated(): boolean {
    return this.#isolatedSince !== undefined
  }

  get isRefusing(): boolean {
    return this.isIsolated || this.#whole?.isRefusing === true
  }

  isolate(): void {
    if (this.isIsolated) return
    this.#isolatedSince = this.#ports.clock.wallTime()
    this.#ports.log('warn', 'backend isolated by the operator', { backend: this.#backend })
  }

  restore(): void {
    this.#tools.clear()
    this.#whole = this.#create(undefined)
    if (!this.isIsolated) return
    this.#isolatedSince = undefined
    this.#ports.log('info', 'backend restored by the operator', { backend: this.#backend })
  }

  of(tool: string | undefined): Circuit | undefined {
    if (tool === undefined || this.#config?.per !== 'tool') return this.#whole
    const known = this.#tools.get(tool)
    const circuit = known ?? this.#create(tool)
    if (circuit === undefined) return undefined
    if (known !== undefined) this.#tools.delete(tool)
    this.#tools.set(tool, circuit)
    const [oldest] = this.#tools.keys()
    if (this.#tools.size > MOST_TOOLS && oldest !== undefined) this.#tools.delete(oldest)
    return circuit
  }

  #create(tool: string | undefined): Circuit | undefined {
    if (this.#config === undefined) return undefined
    const { clock, log } = this.#ports
    return createCircuit(this.#config, {
      clock,
      onChange: (state) =>
        log(state === 'open' ? 'warn' : 'info', `circuit is ${state}`, { backend: this.#backend, tool }),
    })
  }
}

/** Leaves a backend alone that fails: its calls are refused at once for a while, and then a few of them probe it. */
export function circuitBreaker(backend: string, circuits: Circuits): Filter<Permitted> {
  return (next) => (call, out) => {
    const { target } = call.permit
    const tool = target.kind === 'one' && call.method === 'tools/call' ? target.name : undefined
    const circuit = circuits.of(tool)
    if (circuit === undefined) return next(call, out)
    const ticket = circuit.admit()
    if (ticket === undefined) {
      call.record?.note('circuit-open')
      return Promise.reject(circuitOpen(backend, circuit))
    }
    const replied = next(call, out)
    // Before whoever waits for the reply hears of it, see onceEnded.
    replied.then(
      (reply) => circuit.settle(ticket, classify(reply)),
      (error: unknown) => circuit.settle(ticket, classifyError(error)),
    )
    return replied
  }
}

function circuitOpen(backend: string, { retryAfterMs }: Circuit): GatewayError {
  const message = `Backend ${backend} failed too often and is left alone for a moment`
  return new GatewayError('CIRCUIT_OPEN', message, { backend, retryAfterMs, outcome: 'not-executed' })
}

/** The refusal of every call to a backend that an operator has isolated. */
export function isolated(backend: string): GatewayError {
  const message = `Backend ${backend} is isolated by the operator`
  return new GatewayError('CIRCUIT_OPEN', message, { backend, outcome: 'not-executed' })
}
