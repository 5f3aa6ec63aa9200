import type { Signal } from '../pipeline/signal.ts'
import type { Downstream, HeaderLookup, Notifications, Principal, Reply } from '../pipeline/call.ts'
import type { OneTarget } from '../pipeline/target.ts'
import type { Attempt } from '../pipeline/attempt.ts'
import type { AttemptRecord } from '../pipeline/record.ts'
import type { ListKind } from '../protocol/methods.ts'
import type { Era } from '../protocol/versions.ts'
import type { NotificationMessage, RequestMessage } from '../protocol/message.ts'
import type { Implementation } from '../protocol/meta.ts'
import type { Change, SubscriptionFilter } from '../protocol/subscription.ts'

/** One modern request for a backend. */
export interface BackendRequest {
  /** In the modern form, with the id and the names that the client used. */
  readonly message: RequestMessage
  readonly target: OneTarget
  /** The name or URI as the client wrote it; differs from the target's where the gateway renames. */
  readonly exposedName: string | undefined
  /** Whose request it is: what sessions and waiting calls are bound to. */
  readonly principal: Principal
  readonly downstream: Downstream
  /** The client's `Mcp-Param-*` headers; only unknown ones are passed on. */
  readonly headers: HeaderLookup | undefined
  /** Raw JSON of the `task` that makes the call an experimental one of a legacy server; set by the adapter alone. */
  readonly task?: string | undefined
  /** See `Call.within`. */
  readonly within?: number | undefined
  /** Aborting ends the exchange and tells the backend in its own way. */
  readonly signal: Signal
  /** Told whether and when the request is sent. */
  readonly attempt?: Attempt | undefined
  /** Takes what only the backend knows of the try; undefined where nobody follows calls. */
  readonly record?: AttemptRecord | undefined
}

/** What a backend says about itself, in the modern form whatever it speaks. */
export interface BackendIdentity {
  readonly era: Era
  readonly version: string
  readonly serverInfo: Implementation | undefined
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly instructions: string | undefined
}

/**
 * `connecting`: not known yet. `up`: the last contact worked. `down`: it did not; `reason` says why, and `detail`
 * says more to the operator alone. `answers` is true where something does answer, but not as it should.
 */
export type BackendCondition =
  | { readonly state: 'connecting' }
  | { readonly state: 'up' }
  | {
      readonly state: 'down'
      readonly reason: string
      readonly detail?: string | undefined
      readonly answers?: true
    }

/**
 * `connecting`: not known yet. `healthy`: it answers as it should. `degraded`: it does its work, but something is wrong:
 * a check failed, or some of its endpoints are away. `unhealthy`: it answers, but not as it should. `unreachable`: it
 * does not answer.
 */
export type HealthStatus = 'connecting' | 'healthy' | 'degraded' | 'unhealthy' | 'unreachable'

/** How a backend is, from what it was asked and from its traffic. */
export interface Health {
  readonly status: HealthStatus
  /** Wall-clock milliseconds of the last change of the status. */
  readonly since: number
  /** Why it is not healthy. */
  readonly reason?: string | undefined
  /** More of it, for the operator alone. */
  readonly detail?: string | undefined
  /** Milliseconds that the last good check took; undefined before the first. */
  readonly latencyMs?: number | undefined
}

/** One address of a backend that has several, for the operator alone. */
export interface EndpointStatus {
  /** Without its query, which may hold secrets. */
  readonly url: string
  readonly health: Health
  readonly weight: number
  /** Calls that it carries out. */
  readonly inFlight: number
  /** Wall-clock milliseconds until which it is out of rotation; undefined while it is not. */
  readonly ejectedUntil: number | undefined
}

/** The state of a backend for the operator. */
export interface BackendStatus {
  readonly name: string
  readonly transport: 'http' | 'stdio' | 'rest' | 'builtin'
  readonly condition: BackendCondition
  /** Wall-clock milliseconds of the last change of the condition. */
  readonly since: number
  readonly health: Health
  /** Undefined for a backend of one endpoint. */
  readonly endpoints?: readonly EndpointStatus[]
  readonly identity: BackendIdentity | undefined
  /** Wall-clock milliseconds at which the era was found out; undefined while unknown. */
  readonly eraSince: number | undefined
  /** Times a process was started again, or a session initialised again. */
  readonly restarts: number
  /** Sessions, or processes, that are open for clients beside the gateway's own. */
  readonly sessions: number
  /** Milliseconds from the start to the first answer. */
  readonly readyAfter: number | undefined
}

/** One complete list of a backend: every page followed. */
export interface BackendList {
  /** The raw JSON of each entry, in the backend's order. */
  readonly entries: readonly string[]
  /** Milliseconds for which the list is fresh from now on; 0 when unknown. */
  readonly ttlMs: number
  readonly cacheScope: 'public' | 'private'
  /** False when the backend does not have this kind of list at all. */
  readonly offered: boolean
}

/** Who follows changes of a backend. */
export interface Subscriber {
  /** Whose permissions it is that decide what may be seen. Followers in one context share one stream upstream. */
  readonly context: string
  /**
   * Called with what was asked for, and nothing else.
   *
   * @param notification as the backend wrote it, with the backend's names and the gateway's subscription id
   */
  onChange(change: Change, notification: NotificationMessage): void
}

/** Changes of a backend that are followed. */
export interface BackendSubscription {
  /**
   * Settles with the part of the filter that the backend honours, as soon as changes of it cannot be missed any
   * more; waits while the backend is away. Never rejects.
   */
  readonly honoured: Promise<SubscriptionFilter>
  close(): void
}

/** An MCP server behind the gateway. Speaks the modern form towards the gateway, whatever its own era. */
export interface Backend {
  readonly name: string
  /**
   * Carries out one request.
   *
   * @throws GatewayError BACKEND_UNAVAILABLE, BACKEND_PROTOCOL, BACKEND_AUTH or the reason of the signal
   */
  send(request: BackendRequest, out: Notifications): Promise<Reply>
  /** Whether a request takes up a call that waits here for input of its client, and so sends nothing. */
  resumes(request: BackendRequest): boolean
  /**
   * Connects if necessary and says who is there. Calls at the same time share one attempt.
   *
   * @throws GatewayError as {@link Backend.send}
   */
  identify(signal: Signal): Promise<BackendIdentity>
  /** Fetches one complete list; empty when the backend does not offer the kind. */
  list(kind: ListKind, signal: Signal): Promise<BackendList>
  status(): BackendStatus
  /**
   * Follows changes until it is closed, over every loss of the connection: what may have been missed is announced
   * as changed once the backend is back. Does not connect by itself.
   */
  subscribe(filter: SubscriptionFilter, subscriber: Subscriber): BackendSubscription
  /** Ends connections and processes; calls in flight fail. */
  close(): Promise<void>
}
