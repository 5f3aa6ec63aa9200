import { hash } from 'node:crypto'
import type { AuthenticatedPrincipal } from '../pipeline/call.ts'

/**
 * The stable key of a principal: equal for equal issuer, subject, client and tenant, on every replica and after a
 * restart, and different for any other. Scopes are not part of it: they may grow while state is kept.
 */
export function principalId(
  who: Pick<AuthenticatedPrincipal, 'issuer' | 'subject' | 'client' | 'tenant'>,
): string {
  const parts = [who.issuer, who.subject, who.client ?? null, who.tenant ?? null]
  return hash('sha256', JSON.stringify(parts), 'base64url')
}
