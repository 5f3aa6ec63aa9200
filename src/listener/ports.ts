import type { GatewaySettings } from '../config/types.ts'
import type { Answerer } from '../filters/rescue.ts'
import type { Principal } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { Implementation } from '../protocol/meta.ts'
import type { Overload } from './overload.ts'

/** What every listener needs from the gateway. */
export interface ListenerPorts {
  readonly answer: Answerer
  readonly clock: Clock
  readonly log: Log
  readonly settings: GatewaySettings
  readonly serverInfo: Implementation
  /** Configured backend names: the routes below `/mcp/`. */
  readonly backends: readonly string[]
  /** Refuses work when the gateway is too busy; undefined never does. */
  readonly overload?: Overload | undefined
}

/** Who calls while nobody has to say so. */
export const ANONYMOUS: Principal = { id: 'anonymous', anonymous: true }
