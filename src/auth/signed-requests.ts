import type { RequiredSignature } from '../config/required-signature-schema.ts'
import type { Clock } from '../pipeline/clock.ts'
import { type IncomingRequest, createVerifier, verifySortedJson } from '../signing/verify.ts'

/** Why a request may not pass, in words for whoever sent it; undefined where its signature is as it has to be. */
export type SignatureCheck = (request: IncomingRequest) => string | undefined

/** Builds the check of one API key. It remembers what it has seen, so that nothing passes twice. */
export function createSignatureCheck(required: RequiredSignature, clock: Clock): SignatureCheck {
  if (required.form === 'sorted-json') {
    const keys = required.keys.map(({ key }) => key)
    return (request) => checkSortedJson(request, required.header, keys)
  }
  const { keys, components, maxAge } = required
  const verify = createVerifier({
    keyOf: (keyId) => keys.find((one) => one.keyId === keyId),
    required: components,
    maxAge,
    wallTime: () => clock.wallTime(),
  })
  return (request) => {
    const verdict = verify(request)
    return verdict.kind === 'valid' ? undefined : verdict.reason
  }
}

function checkSortedJson(
  { headers, body }: IncomingRequest,
  header: string,
  keys: Parameters<typeof verifySortedJson>[2],
): string | undefined {
  // There is nothing in it that a signature of this form could cover.
  if (body.length === 0) return 'Requests without content cannot be signed in this form'
  const found = headers[header]
  if (typeof found !== 'string') return `${header} is missing`
  return verifySortedJson(String(body), found, keys) ? undefined : 'The signature is wrong'
}
