/** Why credentials are not accepted. */
export type Reason =
  | 'not-a-token'
  | 'unknown-issuer'
  | 'wrong-audience'
  | 'expired'
  | 'not-yet-valid'
  | 'wrong-algorithm'
  | 'unknown-key'
  | 'bad-signature'
  | 'not-an-access-token'
  | 'missing-claim'
  | 'inactive'
  | 'bound-to-key'
  | 'not-bound'
  | 'proof-required'
  | 'unknown-binding'
  | 'wrong-certificate'
  | 'bad-proof'
  | 'replayed'
  | 'unknown-api-key'

/**
 * Every reason with the error code of RFC 6750 §3.1 or RFC 9449 §7.1, and
 * a sentence that says nothing that the caller does not know already.
 */
const REASONS: Readonly<Record<Reason, readonly [code: string, sentence: string]>> = {
  'not-a-token': ['invalid_token', 'The access token is malformed'],
  'unknown-issuer': ['invalid_token', 'The access token is not from an issuer that is trusted here'],
  'wrong-audience': ['invalid_token', 'The access token is meant for another resource'],
  expired: ['invalid_token', 'The access token is expired'],
  'not-yet-valid': ['invalid_token', 'The access token is not valid yet'],
  'wrong-algorithm': ['invalid_token', 'The access token is signed by an algorithm that is not allowed'],
  'unknown-key': ['invalid_token', 'The access token is signed by a key that its issuer does not publish'],
  'bad-signature': ['invalid_token', 'The signature of the access token is wrong'],
  'not-an-access-token': ['invalid_token', 'The token is of another kind than an access token'],
  'missing-claim': ['invalid_token', 'The access token lacks a claim that is required'],
  inactive: ['invalid_token', 'The access token is not active'],
  'bound-to-key': ['invalid_token', 'The access token is bound to a key: it must be sent with a DPoP proof'],
  'not-bound': ['invalid_token', 'The access token is not bound to the key of the DPoP proof'],
  'proof-required': ['invalid_token', 'Access tokens of this issuer must be bound to a key (DPoP)'],
  'unknown-binding': ['invalid_token', 'The access token is bound in a way that is not supported here'],
  'wrong-certificate': ['invalid_token', 'The access token is bound to another client certificate'],
  'bad-proof': ['invalid_dpop_proof', 'The DPoP proof is missing or wrong'],
  replayed: ['invalid_dpop_proof', 'The DPoP proof has been used before'],
  'unknown-api-key': ['invalid_token', 'The API key is unknown, expired or revoked'],
}

/** Thrown by what verifies credentials; the door makes the refusal of it. */
export class CredentialError extends Error {
  override readonly name = 'CredentialError'
  readonly reason: Reason
  /** `error` of the challenge. */
  readonly code: string

  constructor(reason: Reason) {
    const [code, sentence] = REASONS[reason]
    super(sentence)
    this.reason = reason
    this.code = code
  }
}
