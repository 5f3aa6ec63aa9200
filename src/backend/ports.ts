import type { LimitsConfig } from '../config/types.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { Measures } from '../pipeline/measures.ts'
import type { NotificationMessage, RequestMessage } from '../protocol/message.ts'
import type { Sealer } from '../seal/seal.ts'
import { type Implementation, META } from '../protocol/meta.ts'
import { MODERN_VERSION } from '../protocol/versions.ts'
import type { LegacyCapabilities } from './capabilities.ts'
import type { Quota } from './quota.ts'
import type { ChildLedger, HostProcess } from './stdio/ports.ts'

/** What backends need from outside. */
export interface BackendPorts {
  readonly clock: Clock
  readonly log: Log
  /** A number in [0, 1). */
  readonly random: () => number
  /** How the gateway introduces itself to backends. */
  readonly clientInfo: Implementation
  readonly limits: LimitsConfig
  /** Seals what crosses requests, such as the state of a call that waits for input. */
  readonly sealer: Sealer
  /** Places for calls that wait for input of their clients, over all backends. */
  readonly parking: Quota
  /** Told of what lasted; undefined where nobody measures. */
  readonly measures?: Measures | undefined
  /** The process the gateway runs in, as far as child processes concern it. */
  readonly host: HostProcess
  /** Keeps account of child processes beyond the life of the gateway; undefined keeps none. */
  readonly children: ChildLedger | undefined
}

/** What a speaker needs from the backend it speaks for. */
export interface SpeakerPorts {
  /** A fresh JSON-RPC id, unique among the requests to this backend. */
  readonly nextId: () => string
  /** Raw JSON of the `_meta` that requests of the gateway's own carry. */
  readonly requestMeta: string
  readonly clientInfo: Implementation
  readonly log: Log
  readonly backend: string
  /** Takes change notifications that come outside of a subscription: in no stream, or in that of another request. */
  readonly onChange: (notification: NotificationMessage) => void
  /** Whose session a legacy speaker speaks in; undefined for the gateway's own. */
  readonly client?: SessionClient
}

/** The clients on whose behalf a legacy session is open. */
export interface SessionClient {
  /** Declared to the backend, exactly as the clients declared it. */
  readonly capabilities: LegacyCapabilities
  /** Whether the session belongs to one client or principal alone. */
  readonly exclusive: boolean
  /** Takes a request of the backend that came outside of the stream of a call. */
  onRequest(request: RequestMessage): void
  /** Takes a request of the backend that belongs to a task of the session, on whichever stream it came; false where it does not. */
  takesForTask(request: RequestMessage): boolean
  /** Takes word that the backend withdraws a request of its own, or how a task is. */
  onNotification(notification: NotificationMessage): void
}

/** The `_meta` of the gateway's own modern requests. */
export function ownRequestMeta(clientInfo: Implementation, capabilities: object = {}): string {
  return JSON.stringify({
    [META.protocolVersion]: MODERN_VERSION,
    [META.clientInfo]: clientInfo,
    [META.clientCapabilities]: capabilities,
  })
}
