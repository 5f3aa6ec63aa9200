import { type KeyObject, createHash, timingSafeEqual } from 'node:crypto'
import { systemClock } from '../pipeline/clock.ts'
import { type VerifyAlgorithm, fits, verifyBytes } from './algorithms.ts'
import { type Component, SignatureError, type SignedMessage, signatureBase } from './components.ts'
import { digestMatches } from './digest.ts'
import { sortedJsonHmac } from './sign.ts'
import {
  type Dictionary,
  type Item,
  type Parameters,
  innerListText,
  isInnerList,
  readDictionary,
} from './structured.ts'

/** A request whose signature is to be verified, as it arrived. */
export interface IncomingRequest {
  readonly method: string
  /** The target URI as the signer saw it: behind a proxy that may be another one than arrived. */
  readonly url: URL
  /** Headers by lower-case name, as `IncomingMessage.headersDistinct` or `.headers` of Node have them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** The content to the byte. */
  readonly body: string | Uint8Array
}

/** A key that signatures are verified with. */
export interface VerificationKey {
  readonly algorithm: VerifyAlgorithm
  readonly key: KeyObject
}

/** How signatures are verified. */
export interface VerifierOptions {
  /** The key of that `keyid`; undefined where there is none (any more). */
  readonly keyOf: (keyId: string | undefined) => VerificationKey | undefined
  /** Components that a signature must cover. Default `@method`, `@target-uri`; content is always covered. */
  readonly required?: readonly string[]
  /** Oldest signature in milliseconds that is accepted, whatever it says itself. Default 5 min. */
  readonly maxAge?: number
  /** How far the clocks of both sides may be apart, in milliseconds. Default 30 s. */
  readonly skew?: number
  /** Signatures that are remembered so that none is accepted twice. Default 100,000; more are refused meanwhile. */
  readonly window?: number
  /** Milliseconds since the epoch. Default the real time. */
  readonly wallTime?: () => number
}

/** The verdict about one request. */
export type Verdict =
  | { readonly kind: 'valid'; readonly keyId: string | undefined }
  /** `reason` is for the log and for whoever sends; it holds nothing secret. */
  | { readonly kind: 'invalid'; readonly reason: string }

/** Verifies requests; remembers what it has seen. */
export type Verifier = (request: IncomingRequest) => Verdict

/**
 * Verifies HTTP Message Signatures (RFC 9421 §3.2) of requests: the first signature whose key is known has to be right,
 * fresh, seen for the first time, and must cover the method, the target and the content.
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const settings: Settings = {
    required: ['@method', '@target-uri'],
    maxAge: 300_000,
    skew: 30_000,
    window: 100_000,
    wallTime: () => systemClock.wallTime(),
    ...options,
  }
  const seen = createReplayWindow(settings.window)
  return (request) => {
    try {
      return { kind: 'valid', keyId: verifyOne(request, settings, seen) }
    } catch (error) {
      if (error instanceof SignatureError) return { kind: 'invalid', reason: error.message }
      throw error
    }
  }
}

type Settings = Required<VerifierOptions>

function verifyOne(request: IncomingRequest, settings: Settings, seen: ReplayWindow): string | undefined {
  const found = findSignature(request, settings)
  const { components, parameters, signature, key } = found
  checkAlgorithm(parameters, key)
  const until = checkTime(parameters, settings)
  checkCoverage(request, components, settings.required)
  const base = signatureBase(messageOf(request), components, found.text)
  if (!verifyBytes(key.algorithm, key.key, { bytes: Buffer.from(base), signature }))
    throw new SignatureError('The signature is wrong')
  checkContent(request, components)
  // Only now: whoever cannot sign must not be able to fill the window. What was signed is remembered, not the
  // signature, because ECDSA has two for everything.
  seen.take(createHash('sha256').update(base).digest('base64'), until, settings.wallTime())
  return stringParameter(parameters, 'keyid')
}

interface FoundSignature {
  readonly components: readonly Component[]
  readonly parameters: Parameters
  /** The parameters as they were signed. */
  readonly text: string
  readonly signature: Uint8Array
  readonly key: VerificationKey
}

function findSignature({ headers }: IncomingRequest, { keyOf }: Settings): FoundSignature {
  const inputs = dictionary(fieldOf(headers, 'signature-input'), 'Signature-Input')
  const signatures = dictionary(fieldOf(headers, 'signature'), 'Signature')
  for (const [label, input] of inputs) {
    if (!isInnerList(input)) throw new SignatureError('Signature-Input must hold lists of components')
    const key = keyOf(stringParameter(input[1], 'keyid'))
    if (key === undefined) continue
    const value = signatures.get(label)?.[0]
    if (!(value instanceof ArrayBuffer))
      throw new SignatureError('Signature lacks what Signature-Input names')
    const components = input[0].map(componentOf)
    return {
      components,
      parameters: input[1],
      text: innerListText(input),
      signature: new Uint8Array(value),
      key,
    }
  }
  throw new SignatureError('No signature names a key that is known')
}

/** Longest `Signature` and `Signature-Input` that are looked at. */
const MAX_FIELD = 8192

function dictionary(text: string | undefined, name: string): Dictionary {
  if (text === undefined) throw new SignatureError(`${name} is missing`)
  if (text.length > MAX_FIELD) throw new SignatureError(`${name} is too long`)
  const found = readDictionary(text)
  if (found === undefined) throw new SignatureError(`${name} is not a dictionary (RFC 9651)`)
  return found
}

/** Parameters that would change the value of a component and are not understood must not be passed over. */
function componentOf([name, parameters]: Item): Component {
  if (typeof name !== 'string') throw new SignatureError('Components are named by strings')
  const keys = [...parameters.keys()]
  if (name === '@query-param' && keys.length === 1 && keys[0] === 'name')
    return { name, param: stringParameter(parameters, 'name') ?? '' }
  if (keys.length > 0)
    throw new SignatureError(`The parameter ${keys.join(', ')} of a component is not supported`)
  return { name }
}

function checkAlgorithm(parameters: Parameters, key: VerificationKey): void {
  const named = parameters.get('alg')
  // §3.2: what the key is for decides, and the message must not say otherwise.
  if (named !== undefined && named !== key.algorithm) throw new SignatureError('alg is not that of the key')
  if (!fits(key.algorithm, key.key)) throw new SignatureError('The key does not fit its algorithm')
}

/** Milliseconds until which the signature has to be remembered. */
function checkTime(parameters: Parameters, { wallTime, maxAge, skew }: Settings): number {
  const now = wallTime()
  const created = parameters.get('created')
  const expires = parameters.get('expires')
  if (typeof created !== 'number') throw new SignatureError('created is missing')
  if (created * 1000 > now + skew) throw new SignatureError('The signature is from the future')
  if (created * 1000 < now - maxAge - skew) throw new SignatureError('The signature is too old')
  if (expires !== undefined && (typeof expires !== 'number' || expires * 1000 < now - skew))
    throw new SignatureError('The signature has expired')
  return created * 1000 + maxAge + skew
}

function checkCoverage(
  request: IncomingRequest,
  components: readonly Component[],
  required: readonly string[],
): void {
  const names = new Set(components.map(({ name }) => name))
  const wanted = request.body.length > 0 ? [...required, 'content-digest'] : required
  const missing = wanted.filter((name) => !names.has(name))
  if (missing.length > 0) throw new SignatureError(`The signature does not cover ${missing.join(', ')}`)
}

function checkContent({ headers, body }: IncomingRequest, components: readonly Component[]): void {
  if (!components.some(({ name }) => name === 'content-digest')) return
  if (!digestMatches(fieldOf(headers, 'content-digest') ?? '', body))
    throw new SignatureError('Content-Digest is not that of the content')
}

function messageOf({ method, url, headers }: IncomingRequest): SignedMessage {
  return { method, url, field: (name) => fieldOf(headers, name) }
}

function fieldOf(headers: IncomingRequest['headers'], name: string): string | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined
  if (value === undefined || typeof value === 'string') return value
  return value.map((line) => line.trim()).join(', ')
}

function stringParameter(parameters: Parameters, name: string): string | undefined {
  const value = parameters.get(name)
  return typeof value === 'string' ? value : undefined
}

/** Remembers what was signed for as long as they would be accepted. */
interface ReplayWindow {
  /** @throws SignatureError where it was seen before, or no more can be remembered */
  take(signed: string, until: number, now: number): void
}

function createReplayWindow(size: number): ReplayWindow {
  const seen = new Map<string, number>()
  const forget = (now: number): void => {
    for (const [signed, until] of seen) if (until < now) seen.delete(signed)
  }
  return {
    take(signed, until, now) {
      if (seen.size >= size) forget(now)
      if ((seen.get(signed) ?? -Infinity) >= now) throw new SignatureError('The signature was used before')
      if (seen.size >= size) throw new SignatureError('Too many signatures to remember; try again later')
      seen.set(signed, until)
    },
  }
}

/**
 * Verifies the form of the gateway pattern: the hex HMAC-SHA256 of the body as sorted JSON. It says nothing about time,
 * so that a request can be sent again by whoever has seen it: prefer {@link createVerifier}.
 *
 * @param keys every key that is accepted: more than one while they are changed
 */
export function verifySortedJson(
  body: string,
  signature: string | undefined,
  keys: readonly KeyObject[],
): boolean {
  if (signature === undefined || !/^[0-9a-f]{64}$/.test(signature)) return false
  const given = Buffer.from(signature, 'hex')
  try {
    // Every key is tried, so that the time says nothing about which one it was.
    return (
      keys.filter((key) => timingSafeEqual(Buffer.from(sortedJsonHmac(key, body), 'hex'), given)).length > 0
    )
  } catch {
    return false
  }
}
