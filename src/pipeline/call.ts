import type { Signal } from './signal.ts'
import type { ErrorMessage, NotificationMessage, RequestMessage, ResultMessage } from '../protocol/message.ts'
import type { Era } from '../protocol/versions.ts'
import { isLoopback, networkOf } from './network.ts'
import type { Permit } from './permit.ts'
import type { CallRecord } from './record.ts'
import type { Target } from './target.ts'
import type { Attempt } from './attempt.ts'
import type { TraceHeaders } from './trace.ts'

/** Who calls where the operator lets nobody say it. */
export interface AnonymousPrincipal {
  /** Stable key that state may be bound to. */
  readonly id: string
  readonly anonymous: true
}

/** An identity that was verified: what a token or an API key says, in the words of RFC 9068 and RFC 8693. */
export interface AuthenticatedPrincipal {
  /** Stable key of issuer, subject, client and tenant, not of scopes: what state may be bound to. Never shown to backends. */
  readonly id: string
  readonly anonymous: false
  /** The issuer of the token; `toolgate:keys` for an API key. */
  readonly issuer: string
  readonly subject: string
  /** `client_id`, where the credentials name one. */
  readonly client: string | undefined
  readonly tenant: string | undefined
  readonly scopes: ReadonlySet<string>
  readonly groups: ReadonlySet<string>
  /** Every claim of the token, for policies; never logged. */
  readonly claims: Readonly<Record<string, unknown>>
  /** Wall-clock milliseconds at which the credentials end; undefined means never. */
  readonly expiresAt: number | undefined
}

/** The identity behind an exchange. */
export type Principal = AnonymousPrincipal | AuthenticatedPrincipal

/** Whoever calls where nobody has to say who they are. */
export const ANONYMOUS: AnonymousPrincipal = { id: 'anonymous', anonymous: true }

/** The client of a call, as it describes itself; for shaping answers. Only the address is more than its word. */
export interface Downstream {
  readonly era: Era
  /** The protocol revision that the client speaks. */
  readonly version: string
  readonly transport: 'http' | 'stdio'
  /** The legacy session of the client, if it has one. */
  readonly session: string | undefined
  /** Where the client is, as far as trusted proxies say; for a session, where it was opened. Undefined on a pipe. */
  readonly address: string | undefined
  /** Who an embedder says that the client is, where it is anonymous otherwise. */
  readonly label?: string | undefined
}

/**
 * Whose a call is when places are shared out: the principal's, or, where nobody says who they are, those of the network
 * that it comes from, else of its session. One of many sessions of one stranger is not another stranger.
 */
export function holderOf({ principal, downstream }: Pick<Call, 'principal' | 'downstream'>): string {
  if (!principal.anonymous) return principal.id
  const { address, session } = downstream
  // On this machine all have the same address.
  if (address !== undefined && !isLoopback(address)) return `${principal.id} of ${networkOf(address)}`
  return session === undefined ? principal.id : `${principal.id} in ${session}`
}

/** Which face of the gateway was addressed: all backends together, or one with its own names. */
export type Route = { readonly kind: 'aggregate' } | { readonly kind: 'backend'; readonly backend: string }

/** Headers by lower-case name. */
export type HeaderLookup = Readonly<Record<string, string | readonly string[] | undefined>>

/** One JSON-RPC request inside the gateway, in the modern form whatever the client speaks. */
export interface Call {
  readonly message: RequestMessage
  readonly method: string
  readonly route: Route
  readonly principal: Principal
  readonly downstream: Downstream
  /** The `Mcp-Param-*` headers of a modern HTTP request, which must agree with the body; undefined where there is no such duty. */
  readonly headers: HeaderLookup | undefined
  /** What its HTTP request says of its trace; undefined where it says nothing, or nobody wants to know. */
  readonly trace?: TraceHeaders | undefined
  /** Aborted when the caller no longer wants the answer; the reason is a `GatewayError`. */
  readonly signal: Signal
  /**
   * How many calls of the gateway's own tools this one was made within: it shares the places of the outermost. Undefined
   * for a call of a client.
   */
  readonly within?: number | undefined
  /** Milliseconds for which it waited for its turn so far: they count against its time. */
  readonly waited?: number
  /** When its time is over, on the clock of the gateway; undefined where nothing bounds it yet. */
  readonly deadline?: number
  /** Watches the try that is being made; undefined where nobody does. */
  readonly attempt?: Attempt
  /** Keeps what becomes known of the call; undefined where nobody follows calls. */
  readonly record?: CallRecord | undefined
}

/** A call whose target is known. */
export interface Routed extends Call {
  readonly target: Target
}

/** A call that may be carried out; the permit, not the call, says on which target. */
export interface Permitted extends Routed {
  readonly permit: Permit
}

/** What a handler yields: the result or the backend's own error. The gateway's own failures are thrown. */
export type Reply = ResultMessage | ErrorMessage

/** Takes the notifications of one call, in order. */
export interface Notifications {
  /**
   * Passes one notification on. The promise, if there is one, settles when more may be sent: whoever produces
   * waits for it where it can (back-pressure).
   */
  send(notification: NotificationMessage): Promise<void> | undefined
}

/** Drops every notification. */
export const noNotifications: Notifications = { send: () => undefined }
