import type { HeaderLookup, Notifications, Reply } from '../pipeline/call.ts'
import type { OneTarget } from '../pipeline/target.ts'
import type { ListKind } from '../protocol/methods.ts'
import type { Era } from '../protocol/versions.ts'
import type { RequestMessage } from '../protocol/message.ts'
import type { Implementation } from '../protocol/meta.ts'

/** One modern request for a backend. */
export interface BackendRequest {
  /** In the modern form, with the id and the names that the client used. */
  readonly message: RequestMessage
  readonly target: OneTarget
  /** The name or URI as the client wrote it; differs from the target's where the gateway renames. */
  readonly exposedName: string | undefined
  /** The client's `Mcp-Param-*` headers; only unknown ones are passed on. */
  readonly headers: HeaderLookup | undefined
  /** Aborting ends the exchange and tells the backend in its own way. */
  readonly signal: AbortSignal
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
 * says more to the operator alone.
 */
export type BackendCondition =
  | { readonly state: 'connecting' }
  | { readonly state: 'up' }
  | { readonly state: 'down'; readonly reason: string; readonly detail?: string | undefined }

/** The state of a backend for the operator. */
export interface BackendStatus {
  readonly name: string
  readonly transport: 'http' | 'stdio'
  readonly condition: BackendCondition
  /** Wall-clock milliseconds of the last change of the condition. */
  readonly since: number
  readonly identity: BackendIdentity | undefined
  /** Wall-clock milliseconds at which the era was found out; undefined while unknown. */
  readonly eraSince: number | undefined
  /** Times a process was started again, or a session initialised again. */
  readonly restarts: number
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

/** An MCP server behind the gateway. Speaks the modern form towards the gateway, whatever its own era. */
export interface Backend {
  readonly name: string
  /**
   * Carries out one request.
   *
   * @throws GatewayError BACKEND_UNAVAILABLE, BACKEND_PROTOCOL, BACKEND_AUTH or the reason of the signal
   */
  send(request: BackendRequest, out: Notifications): Promise<Reply>
  /**
   * Connects if necessary and says who is there. Calls at the same time share one attempt.
   *
   * @throws GatewayError as {@link Backend.send}
   */
  identify(signal: AbortSignal): Promise<BackendIdentity>
  /** Fetches one complete list; empty when the backend does not offer the kind. */
  list(kind: ListKind, signal: AbortSignal): Promise<BackendList>
  status(): BackendStatus
  /** Calls back when the backend says that a list changed. Returns the way to stop. */
  onListChanged(listener: (kind: ListKind) => void): () => void
  /** Ends connections and processes; calls in flight fail. */
  close(): Promise<void>
}
