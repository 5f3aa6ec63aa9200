import {
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  jwtVerify,
} from 'jose'
import type { IssuerConfig } from '../config/auth-types.ts'
import type { Clock } from '../pipeline/clock.ts'
import { readClaims } from './claims.ts'
import type { IssuerKeys, KeySet } from './keys.ts'
import { CredentialError, type Reason } from './refusal.ts'
import type { VerifiedToken } from './verified.ts'

/** What verifying a JWT of one issuer needs. */
export interface JwtPorts {
  readonly config: IssuerConfig
  readonly keys: IssuerKeys
  readonly clock: Clock
  /** Milliseconds. */
  readonly clockSkew: number
}

/** The unverified issuer of a JWT; undefined for a token that is none. */
export function issuerOfJwt(token: string): string | undefined {
  try {
    // Both, because an opaque token may well have two dots.
    decodeProtectedHeader(token)
    return decodeJwt(token).iss ?? ''
  } catch {
    return undefined
  }
}

/**
 * RFC 9068 §2.1 and what issuers send that do not follow it. Any other type is a token for another purpose, such as a
 * DPoP proof or a logout token.
 */
const ACCESS_TOKEN_TYPES: ReadonlySet<string | undefined> = new Set([
  undefined,
  'at+jwt',
  'application/at+jwt',
  'jwt',
  'application/jwt',
])

/**
 * Verifies a JWT access token (RFC 9068 §4), apart from its audience and binding.
 *
 * @throws CredentialError, or GatewayError ISSUER_UNAVAILABLE
 */
export async function verifyJwt(token: string, ports: JwtPorts): Promise<VerifiedToken> {
  const { config, keys, clock, clockSkew } = ports
  const { typ } = decodeProtectedHeader(token)
  if (!ACCESS_TOKEN_TYPES.has(typ?.toLowerCase())) throw new CredentialError('not-an-access-token')
  const options: JWTVerifyOptions = {
    issuer: config.issuer,
    algorithms: [...config.algorithms],
    requiredClaims: ['exp'],
    clockTolerance: clockSkew / 1000,
    currentDate: new Date(clock.wallTime()),
  }
  const { payload, keySet } = await withKeys(keys, (find) => attempt(token, find, options))
  const until = (payload.exp ?? 0) * 1000 + clockSkew
  return {
    ...readClaims(payload, config, until),
    until,
    isStanding: () => keys.stillVouches(keySet),
  }
}

/** Tries the known keys, and once more with fresh ones if the one that is named is not among them. */
async function withKeys(
  keys: IssuerKeys,
  verify: (find: JWTVerifyGetKey) => Promise<JWTPayload>,
): Promise<{ readonly payload: JWTPayload; readonly keySet: KeySet }> {
  let keySet = await keys.current()
  try {
    return { payload: await verify(keySet.find), keySet }
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey) || !(await keys.refetch()))
      throw toCredentialError(error)
  }
  keySet = await keys.current()
  try {
    return { payload: await verify(keySet.find), keySet }
  } catch (error) {
    throw toCredentialError(error)
  }
}

/** Keys that a token without a key id may be tried against. */
const MOST_CANDIDATES = 5

async function attempt(token: string, find: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, find, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    return tryEach(token, error, options)
  }
}

async function tryEach(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  let left = MOST_CANDIDATES
  for await (const key of candidates) {
    if (left-- === 0) break
    try {
      return (await jwtVerify(token, key, options)).payload
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
    }
  }
  throw new errors.JWSSignatureVerificationFailed()
}

/** What an error of jose means; anything else is not the token's fault and passes on. */
function toCredentialError(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new CredentialError('expired')
  if (error instanceof errors.JWTClaimValidationFailed) return new CredentialError(claimReason(error))
  if (error instanceof errors.JOSEAlgNotAllowed) return new CredentialError('wrong-algorithm')
  if (error instanceof errors.JWKSNoMatchingKey) return new CredentialError('unknown-key')
  if (error instanceof errors.JWSSignatureVerificationFailed) return new CredentialError('bad-signature')
  return error instanceof errors.JOSEError || error instanceof TypeError
    ? new CredentialError('not-a-token')
    : error
}

function claimReason({ claim, reason }: errors.JWTClaimValidationFailed): Reason {
  if (claim === 'nbf' && reason === 'check_failed') return 'not-yet-valid'
  if (claim === 'iss') return 'unknown-issuer'
  return 'missing-claim'
}
