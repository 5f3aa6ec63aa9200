import { hash } from 'node:crypto'
import { EmbeddedJWK, type JWTVerifyResult, calculateJwkThumbprint, jwtVerify } from 'jose'
import { TOKEN_ALGORITHMS } from '../config/auth-types.ts'
import type { Clock } from '../pipeline/clock.ts'
import { CredentialError } from './refusal.ts'
import { canonicalUri } from './resources.ts'
import { type ReplayMemory, createReplayMemory } from './replay.ts'

/** Checks proofs of possession (RFC 9449). */
export interface DpopChecker {
  /**
   * Checks the proof of one request (RFC 9449 §4.3, §7.1).
   *
   * @throws CredentialError, or GatewayError TOO_MANY
   */
  check(proof: DpopProof): Promise<void>
}

/** One request that has to prove that its sender holds the key. */
export interface DpopProof {
  /** The `DPoP` header. */
  readonly proof: string | readonly string[] | undefined
  readonly method: string
  /** URL as the client sees it, without query. */
  readonly url: string
  readonly token: string
  /** Of the key that the token is bound to. */
  readonly thumbprint: string
}

/** Milliseconds for which a proof is good. */
const LIFETIME = 60_000
const MOST_PROOFS = 100_000
const LONGEST_ID = 256

/** @param clockSkew milliseconds by which the clocks of clients may differ */
export function createDpopChecker(clock: Clock, clockSkew: number): DpopChecker {
  const memory = createReplayMemory(MOST_PROOFS)
  return {
    async check(request) {
      const { payload, protectedHeader } = await verified(request.proof)
      const { jwk } = protectedHeader
      const thumbprint = jwk === undefined ? '' : await calculateJwkThumbprint(jwk)
      const { htm, htu, ath, jti, iat } = payload
      const isFitting =
        htm === request.method &&
        typeof htu === 'string' &&
        withoutQuery(htu) === request.url &&
        ath === hash('sha256', request.token, 'base64url') &&
        typeof jti === 'string' &&
        jti !== '' &&
        jti.length <= LONGEST_ID
      if (!isFitting || !isRecent(iat, clock, clockSkew)) throw new CredentialError('bad-proof')
      if (thumbprint !== request.thumbprint) throw new CredentialError('not-bound')
      remember(memory, { key: `${thumbprint} ${jti}`, clock, clockSkew })
    },
  }
}

async function verified(proof: DpopProof['proof']): Promise<JWTVerifyResult> {
  if (typeof proof !== 'string') throw new CredentialError('bad-proof')
  try {
    return await jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt', algorithms: [...TOKEN_ALGORITHMS] })
  } catch {
    throw new CredentialError('bad-proof')
  }
}

function isRecent(iat: unknown, clock: Clock, clockSkew: number): boolean {
  if (typeof iat !== 'number') return false
  const age = clock.wallTime() - iat * 1000
  return age <= LIFETIME + clockSkew && age >= -clockSkew
}

/** A proof would be accepted for its lifetime, and for the skew before and after it. */
function remember(
  memory: ReplayMemory,
  { key, clock, clockSkew }: { readonly key: string; readonly clock: Clock; readonly clockSkew: number },
): void {
  const now = clock.now()
  if (!memory.isFirst(key, now, now + LIFETIME + 2 * clockSkew + 1000)) throw new CredentialError('replayed')
}

/** RFC 9449 §4.3: compared without query and fragment, after normalization. */
function withoutQuery(text: string): string {
  return canonicalUri(text.split(/[?#]/, 1)[0] ?? '')
}
