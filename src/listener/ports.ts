import type { Door } from '../auth/door.ts'
import type { GatewaySettings } from '../config/types.ts'
import type { RefusedExchange } from '../filters/observe.ts'
import type { Answerer } from '../filters/rescue.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { Measures } from '../pipeline/measures.ts'
import type { Implementation } from '../protocol/meta.ts'
import type { Overload } from './overload.ts'

/** What every listener needs from the gateway. */
export interface ListenerPorts {
  readonly answer: Answerer
  /** Lets callers in, over HTTP. Whoever holds the other end of a pipe is in already. */
  readonly door: Door
  readonly clock: Clock
  readonly log: Log
  readonly settings: GatewaySettings
  readonly serverInfo: Implementation
  /** Names of the backends: the routes below `/mcp/`. The same list for as long as it holds the same. */
  readonly backends: () => readonly string[]
  /** Refuses work when the gateway is too busy; undefined never does. */
  readonly overload?: Overload | undefined
  /** Whether somebody wants to know to which traces calls belong. Default false. */
  readonly traced?: boolean | undefined
  /** Told of HTTP exchanges that were refused before there was a call; undefined where nobody wants to know. */
  readonly onRefused?: ((exchange: RefusedExchange) => void) | undefined
  /** Told of what lasted; undefined where nobody measures. */
  readonly measures?: Measures | undefined
}
