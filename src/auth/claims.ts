import type { ClaimNames, IssuerConfig } from '../config/auth-types.ts'
import type { AuthenticatedPrincipal } from '../pipeline/call.ts'
import { principalId } from './principal-id.ts'
import { CredentialError } from './refusal.ts'
import { canonicalUri } from './resources.ts'
import type { Binding, VerifiedToken } from './verified.ts'

/** The claims of a token, checked or answered by its issuer. */
export type Claims = Readonly<Record<string, unknown>>

/**
 * What claims mean, apart from whether they are true.
 *
 * @param until wall-clock milliseconds at which the token ends
 * @throws CredentialError where a claim is missing or means nothing here
 */
export function readClaims(
  claims: Claims,
  config: IssuerConfig,
  until: number,
): Omit<VerifiedToken, 'until' | 'isStanding'> {
  const audiences = textsOf(claims['aud'], /$^/)
  const accepted = new Set(config.audience)
  return {
    principal: principalOf(claims, config, until),
    audiences: new Set(audiences.map(canonicalUri)),
    anyRoute: audiences.some((audience) => accepted.has(audience)),
    binding: bindingOf(claims['cnf']),
    needsProof: config.dpop === 'required',
  }
}

function principalOf(claims: Claims, config: IssuerConfig, until: number): AuthenticatedPrincipal {
  const { claims: names, issuer } = config
  const client = textOf(claims, names.client)
  const subject = textOf(claims, ['sub']) ?? client
  if (subject === undefined) throw new CredentialError('missing-claim')
  const identity = { issuer, subject, client, tenant: textOf(claims, names.tenant) }
  return {
    id: principalId(identity),
    anonymous: false,
    ...identity,
    scopes: setOf(claims, names, 'scopes'),
    groups: setOf(claims, names, 'groups'),
    claims,
    expiresAt: until,
  }
}

function bindingOf(cnf: unknown): Binding {
  if (cnf === undefined) return { kind: 'none' }
  const { jkt, 'x5t#S256': x5t } = (cnf ?? {}) as Claims
  if (typeof jkt === 'string') return { kind: 'dpop', thumbprint: jkt }
  if (typeof x5t === 'string') return { kind: 'certificate', thumbprint: x5t }
  throw new CredentialError('unknown-binding')
}

function textOf(claims: Claims, names: readonly string[]): string | undefined {
  const value = claimOf(claims, names)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Scopes are one text with spaces, or a list (RFC 8693 §4.2 and what issuers make of it); groups are a list. */
function setOf(claims: Claims, names: ClaimNames, which: 'scopes' | 'groups'): ReadonlySet<string> {
  return new Set(textsOf(claimOf(claims, names[which]), which === 'scopes' ? / +/ : /$^/))
}

function textsOf(value: unknown, separator: RegExp): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const texts = list.filter((item): item is string => typeof item === 'string')
  return texts.flatMap((text) => text.split(separator)).filter((text) => text !== '')
}

/** The first claim of those names that is there. */
function claimOf(claims: Claims, names: readonly string[]): unknown {
  for (const name of names) {
    const value = Object.hasOwn(claims, name) ? claims[name] : atPath(claims, name.split('.'))
    if (value !== undefined) return value
  }
  return undefined
}

function atPath(claims: Claims, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Claims)[key]
        : undefined,
    claims,
  )
}
