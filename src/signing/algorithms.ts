import { type KeyObject, createHmac, sign, timingSafeEqual, verify } from 'node:crypto'
import type { SigningAlgorithm } from '../config/signing-schema.ts'

/** Every algorithm that can be verified; RSA-PSS for peers that have such keys. */
export type VerifyAlgorithm = SigningAlgorithm | 'rsa-pss-sha512'

/** Signs the bytes (RFC 9421 §3.3). */
export function signBytes(algorithm: SigningAlgorithm, key: KeyObject, bytes: Uint8Array): Buffer {
  switch (algorithm) {
    case 'hmac-sha256':
      return createHmac('sha256', key).update(bytes).digest()
    case 'ed25519':
      return sign(null, bytes, key)
    case 'ecdsa-p256-sha256':
      // §3.3.4: r and s side by side, not in DER.
      return sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' })
  }
}

/** What was signed, and the signature. */
export interface Signed {
  readonly bytes: Uint8Array
  readonly signature: Uint8Array
}

/** Whether the signature is that of the bytes; takes the same time for every wrong one. */
export function verifyBytes(algorithm: VerifyAlgorithm, key: KeyObject, signed: Signed): boolean {
  const { bytes, signature } = signed
  switch (algorithm) {
    case 'hmac-sha256': {
      const own = createHmac('sha256', key).update(bytes).digest()
      return own.length === signature.length && timingSafeEqual(own, signature)
    }
    case 'ed25519':
      return verify(null, bytes, key, signature)
    case 'ecdsa-p256-sha256':
      return verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
    case 'rsa-pss-sha512':
      return verify('sha512', bytes, { key, ...RSA_PSS }, signature)
  }
}

/** RSA_PKCS1_PSS_PADDING of OpenSSL, with a salt as long as the hash (§3.3.1). */
const RSA_PSS = { padding: 6, saltLength: 64 } as const

/**
 * Whether a key is one of that algorithm. A public key must never serve as the secret of an HMAC: whoever knows it
 * could sign.
 */
export function fits(algorithm: VerifyAlgorithm, key: KeyObject): boolean {
  if (algorithm === 'hmac-sha256') return key.type === 'secret'
  if (key.type === 'secret') return false
  const type = key.asymmetricKeyType
  if (algorithm === 'ed25519') return type === 'ed25519'
  if (algorithm === 'ecdsa-p256-sha256')
    return type === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
  return type === 'rsa' || type === 'rsa-pss'
}
