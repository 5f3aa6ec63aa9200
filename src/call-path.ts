import { randomUUID } from 'node:crypto'
import type { Policy } from './auth/policy/policy.ts'
import type { Backend } from './backend/backend.ts'
import type { Config } from './config/types.ts'
import { authorize } from './filters/authorize.ts'
import { principalBulkhead } from './filters/bulkhead.ts'
import { dispatch } from './filters/dispatch.ts'
import { forward, requestTo } from './filters/forward.ts'
import { failuresAsResults } from './filters/failure-results.ts'
import type { Flights } from './filters/flights.ts'
import { type LaneStates, lanes } from './filters/lanes.ts'
import { limits } from './filters/limits/limits.ts'
import type { LimitCounts } from './filters/limits/report.ts'
import { type CallObserver, type Meter, observe } from './filters/observe.ts'
import { quarantine } from './filters/quarantine.ts'
import { type Answerer, rescue } from './filters/rescue.ts'
import type { Audit } from './pipeline/audit.ts'
import type { Permitted } from './pipeline/call.ts'
import type { Clock } from './pipeline/clock.ts'
import type { Filter } from './pipeline/handler.ts'
import type { Log } from './pipeline/log.ts'
import type { Catalog } from './routing/catalog.ts'
import { expose } from './routing/expose.ts'
import { merge } from './routing/merge.ts'
import { route } from './routing/route.ts'
import { createSearch } from './routing/search.ts'
import type { FanIn } from './routing/subscriptions.ts'
import type { TaskIds } from './routing/tasks.ts'
import type { Sealer } from './seal/seal.ts'
import type { GatewayStore } from './store/store.ts'

/** What the path of a call is made of. */
export interface CallPathParts {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly audit: Audit
  readonly backends: ReadonlyMap<string, Backend>
  readonly catalog: Catalog
  /** Undefined where there is neither a rule nor a scope. */
  readonly policy: Policy | undefined
  readonly meter: Meter
  readonly observers: readonly CallObserver[]
  readonly sealer: Sealer
  readonly taskIds: TaskIds
  readonly fanIn: FanIn
  readonly store: GatewayStore
  readonly limitCounts: LimitCounts
  /** What is remembered of each backend, by its name: beyond a change of the configuration. */
  readonly lanes: LaneStates
  readonly flights: Flights
  readonly accounts: Accounts
  readonly random: () => number
}

/** Filters that keep account over all calls. Undefined where nothing is limited. */
export interface Accounts {
  readonly limits: Filter<Permitted> | undefined
  readonly bulkhead: Filter<Permitted> | undefined
}

/** What the accounts need. */
export interface AccountPorts {
  readonly clock: Clock
  readonly store: GatewayStore
  readonly limitCounts: LimitCounts
  readonly backends: () => ReadonlyMap<string, Backend>
}

/** Opens the accounts: once, because whose turn it is outlives a change of the configuration. */
export function accountsOf(config: Config, ports: AccountPorts): Accounts {
  const { clock, store, limitCounts, backends } = ports
  const { bulkhead } = config.gateway
  const isResumed = (call: Permitted): boolean => {
    const { target } = call.permit
    return target.kind === 'one' && backends().get(target.backend)?.resumes(requestTo(target, call)) === true
  }
  const { events } = limitCounts
  const limiting = { limits: config.limits, store, clock, events, pipe: `pipe ${randomUUID()}`, isResumed }
  return {
    limits: config.limits.length === 0 ? undefined : limits(limiting),
    bulkhead: bulkhead === undefined ? undefined : principalBulkhead(bulkhead, clock),
  }
}

/** The life of every call, outermost first. Built once per configuration; what it counts stands in `accounts`. */
export function callPath(parts: CallPathParts): Answerer {
  const { config, clock, log, random, audit, backends, catalog, policy, sealer, taskIds, fanIn } = parts
  const { pageSize, listDeadline } = config.gateway
  const { accounts } = parts
  // One backend, each in a lane of its own (lanes.ts has the order); URIs and task ids come back as clients know them.
  const exposing = { catalog, taskIds }
  const lane = lanes({ backends: config.backends, states: parts.lanes, catalog, clock, random })
  // What is no MCP server fails in words that a model can act on, once everything in the lane has seen the failure.
  const inTurn = failuresAsResults(config.backends)(lane(forward(backends, catalog, parts.flights)))
  const one = expose(exposing)(accounts.bulkhead?.(inTurn) ?? inTurn)
  // Several backends: asked together, merged, with their own deadline.
  const mayAsk = (backend: string): boolean => !parts.lanes.isRefusing(backend)
  const search = createSearch({ ...exposing, backends, clock, mayAsk, askTimeout: listDeadline })
  const many = merge({ catalog, backends, sealer, clock, pageSize, listDeadline, search })
  const dispatched = dispatch({ one, many, listen: fanIn.listen })
  const routed = route({ ...exposing, backends, rightsOf: policy?.rightsOf })(
    // Nothing passes without a permit, and only this mints one.
    authorize(policy && { policy, catalog, audit })(
      // What is not as it was approved is refused, but only to those who may know that it is there.
      quarantine()(
        // Only what may be carried out counts, and nothing is begun that is over a limit.
        accounts.limits?.(dispatched) ?? dispatched,
      ),
    ),
  )
  // The one place where errors become answers, seen from outside like every other answer.
  const { meter, observers } = parts
  return observe(rescue(routed, log), { meter, clock, log, maxCalls: config.gateway.limits.calls, observers })
}
