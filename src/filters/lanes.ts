import { isDeepStrictEqual } from 'node:util'
import type { BackendConfig } from '../config/types.ts'
import type { Permitted } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Filter, Handler } from '../pipeline/handler.ts'
import type { Log } from '../pipeline/log.ts'
import type { Catalog } from '../routing/catalog.ts'
import { attemptTimeout } from './attempt-timeout.ts'
import { bulkhead } from './bulkhead.ts'
import { type Circuits, circuitBreaker, createCircuits, isolated } from './circuit-breaker.ts'
import { hedge } from './hedge.ts'
import { createRepeatable } from './repeatable.ts'
import { type RetryBudget, createRetryBudget } from './retry-budget.ts'
import { retry } from './retry.ts'
import { type Slots, createSlots } from './slots.ts'
import { timeout } from './timeout.ts'
import { createToolPolicies } from './tool-policies.ts'

/** What is remembered of one backend beyond the calls and the configuration of the moment. */
export interface LaneState {
  readonly circuits: Circuits
  /** Undefined where calls are not bounded. */
  readonly slots: Slots | undefined
  /** Undefined where nothing is tried again. */
  readonly budget: RetryBudget | undefined
}

/** What the states need. */
export interface LaneStatePorts {
  readonly clock: Clock
  readonly log: Log
}

/** One lane as the operator sees it. */
export interface LaneReport {
  /** Whether its calls are let through: `isolated` by an operator, or by how they went so far. */
  readonly circuit: Circuits['state']
  /** Wall-clock milliseconds of the last change of the circuit. */
  readonly circuitSince: number
  /** Tools whose own circuit is not closed. */
  readonly openTools: readonly string[]
  /** Calls that the backend works on, and calls that wait for a place. */
  readonly calls: { readonly running: number; readonly waiting: number }
}

/** What is remembered of every backend, by its name. */
export interface LaneStates {
  /** Goes on with these backends: what is remembered of those whose settings are the same is kept. */
  keep(backends: readonly Pick<BackendConfig, 'name' | 'resilience'>[]): void
  get(backend: string): LaneState | undefined
  /** Undefined for a backend that is not configured, such as the gateway's own. */
  report(backend: string): LaneReport | undefined
  /** Whether no call to a backend passes at the moment. */
  isRefusing(backend: string): boolean
}

/** Begins to remember these backends. */
export function createLaneStates(
  backends: readonly Pick<BackendConfig, 'name' | 'resilience'>[],
  ports: LaneStatePorts,
): LaneStates {
  let states: ReadonlyMap<string, LaneState> = new Map()
  let settings: ReadonlyMap<string, unknown> = new Map()
  const keep: LaneStates['keep'] = (wanted) => {
    const before = { states, settings }
    settings = new Map(wanted.map((backend) => [backend.name, backend]))
    const stateOf = (backend: (typeof wanted)[number]): LaneState => {
      const { name } = backend
      const isSame = isDeepStrictEqual(before.settings.get(name), backend)
      return (isSame ? before.states.get(name) : undefined) ?? createLaneState(backend, ports)
    }
    states = new Map(wanted.map((backend) => [backend.name, stateOf(backend)]))
  }
  keep(backends)
  return {
    keep,
    get: (backend) => states.get(backend),
    isRefusing: (backend) => states.get(backend)?.circuits.isRefusing === true,
    report(backend) {
      const state = states.get(backend)
      if (state === undefined) return undefined
      const { circuits, slots } = state
      return {
        circuit: circuits.state,
        circuitSince: circuits.since,
        openTools: circuits.openTools,
        calls: { running: slots?.taken ?? 0, waiting: slots?.waiting ?? 0 },
      }
    },
  }
}

function createLaneState(
  { name, resilience }: Pick<BackendConfig, 'name' | 'resilience'>,
  ports: LaneStatePorts,
): LaneState {
  const { circuitBreaker: breaker, bulkhead: room, retry: again } = resilience
  return {
    circuits: createCircuits(name, breaker, ports),
    slots: room === undefined ? undefined : createSlots(room, ports.clock),
    budget: again === undefined ? undefined : createRetryBudget(again, ports.clock),
  }
}

/** What lanes are built from. */
export interface LanesPorts {
  readonly backends: readonly BackendConfig[]
  readonly states: LaneStates
  readonly catalog: Pick<Catalog, 'peek'>
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
}

/** Gives the calls of each backend a way of their own, so that one that fails does not take the others with it. */
export function lanes(ports: LanesPorts): Filter<Permitted> {
  return <C extends Permitted>(next: Handler<C>): Handler<C> => {
    const ways = new Map<string, Lane<C>>()
    for (const config of ports.backends) {
      const state = ports.states.get(config.name)
      if (state === undefined) throw new TypeError(`Nothing is remembered of ${config.name}`)
      ways.set(config.name, {
        name: config.name,
        circuits: state.circuits,
        handler: lane(config, state, ports)(next),
      })
    }
    return (call, out) => {
      const { target } = call.permit
      const way = target.kind === 'one' ? ways.get(target.backend) : undefined
      if (way === undefined) return next(call, out)
      return way.circuits.isIsolated ? Promise.reject(isolated(way.name)) : way.handler(call, out)
    }
  }
}

interface Lane<C extends Permitted> {
  readonly name: string
  readonly circuits: Circuits
  readonly handler: Handler<C>
}

/** The rungs in front of one backend, the outermost last. One that is not configured is not there at all. */
function lane(config: BackendConfig, state: LaneState, ports: LanesPorts): Filter<Permitted> {
  const { name, resilience } = config
  const { clock } = ports
  const policies = createToolPolicies(resilience)
  const repeatable = createRepeatable(resilience, { policies, catalog: ports.catalog, backend: name })
  // Annotations may make a call repeatable that no pattern names, but only a pattern hedges it.
  const isHedged = resilience.tools.some((policy) => policy.hedge !== undefined)
  const isTimed = [resilience, ...resilience.tools].some((one) => one.firstByte ?? one.idle)
  const { slots, circuits, budget } = state
  return <C extends Permitted>(forward: Handler<C>): Handler<C> => {
    let way = forward
    // Times of one try begin when it is sent, not while it waits.
    if (isTimed) way = attemptTimeout((target) => policies.timesOf(target), clock)(way)
    // A try holds its place only while it runs, not during the pause before the next.
    if (slots !== undefined) way = bulkhead(name, slots, clock)(way)
    // Every try counts, and an open circuit does not wait for a place.
    if (resilience.circuitBreaker !== undefined) way = circuitBreaker(name, circuits)(way)
    // Two tries side by side, each with its own place.
    if (isHedged && budget !== undefined)
      way = hedge((target) => policies.of(target.name)?.hedge, { budget, repeatable, clock })(way)
    if (resilience.retry !== undefined && budget !== undefined)
      way = retry(resilience.retry, { budget, repeatable, clock, random: ports.random })(way)
    // All of it together in the time of the call.
    return timeout((target) => policies.of(target.name)?.total ?? config.timeout, clock)(way)
  }
}
