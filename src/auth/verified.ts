import type { AuthenticatedPrincipal } from '../pipeline/call.ts'

/** What a token is bound to beside its bearer, from its `cnf` claim (RFC 7800). */
export type Binding =
  | { readonly kind: 'none' }
  /** Thumbprint of the client's key (RFC 9449 §6). */
  | { readonly kind: 'dpop'; readonly thumbprint: string }
  /** SHA-256 of the client's certificate (RFC 8705 §3.1). */
  | { readonly kind: 'certificate'; readonly thumbprint: string }

/** A token that is genuine, and what it takes to be accepted on a route. */
export interface VerifiedToken {
  readonly principal: AuthenticatedPrincipal
  /** What it is meant for, in canonical spelling. */
  readonly audiences: ReadonlySet<string>
  /** Whether one of its audiences is accepted on every route. */
  readonly anyRoute: boolean
  readonly binding: Binding
  /** Whether its issuer takes only tokens that are bound to a key. */
  readonly needsProof: boolean
  /** Wall-clock milliseconds after which it has to be verified again. */
  readonly until: number
  /** Whether what it was verified by still stands. */
  readonly isStanding: () => boolean
}
