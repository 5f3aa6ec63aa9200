/**
 * `toolgate/signing`: verifies in a backend what the gateway signed.
 *
 * @module
 */
export {
  type IncomingRequest,
  type VerificationKey,
  type Verdict,
  type Verifier,
  type VerifierOptions,
  createVerifier,
  verifySortedJson,
} from './verify.ts'
export type { VerifyAlgorithm } from './algorithms.ts'
export { pythonSortedJson } from './python-json.ts'
