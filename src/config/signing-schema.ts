import { type KeyObject, createPrivateKey, createSecretKey } from 'node:crypto'
import { z } from 'zod'
import { choice, duration, leaf, mapping, textSchema } from './leaves.ts'
import type { Parsed } from './units.ts'

/** Algorithms that requests are signed with, by their names in the registry of RFC 9421 §6.2. */
export type SigningAlgorithm = 'hmac-sha256' | 'ed25519' | 'ecdsa-p256-sha256'

/** How the requests to one backend are signed. Keys are secret. */
export type SigningConfig = HttpSignatureConfig | SortedJsonConfig

/** HTTP Message Signatures (RFC 9421). */
export interface HttpSignatureConfig {
  readonly form: 'rfc9421'
  readonly algorithm: SigningAlgorithm
  readonly key: KeyObject
  /** `keyid` of the signature: verifiers find their key by it. */
  readonly keyId: string
  /** Covered components beside those of the content, such as `@method`. */
  readonly components: readonly string[]
  /** Milliseconds for which a signature holds. Default 1 min. */
  readonly expires: number
}

/** The form of the gateway pattern: the HMAC-SHA256 of the body as sorted JSON, in hexadecimal. */
export interface SortedJsonConfig {
  readonly form: 'sorted-json'
  readonly key: KeyObject
  /** The header that carries the signature. Default `x-signature`. */
  readonly header: string
  /** Names the key, so that both sides can change it; undefined sends no name. */
  readonly keyId?: string | undefined
  /** The header that carries the name of the key. Default `x-signature-key-id`. */
  readonly keyIdHeader: string
}

/** Shortest secret of an HMAC, in bytes: as long as its hash (RFC 2104 §3). */
const SHORTEST_SECRET = 32

/** Reads the secret of an HMAC. */
export function parseSecret(found: unknown): Parsed<KeyObject> {
  const bytes = typeof found === 'string' ? Buffer.from(found, 'utf8') : undefined
  return bytes === undefined || bytes.length < SHORTEST_SECRET
    ? { expected: `expected a secret of at least ${SHORTEST_SECRET} bytes` }
    : { value: createSecretKey(bytes) }
}

const secret = leaf(parseSecret, {
  type: 'string',
  description: 'The secret of both sides, such as ${env:SIGNING_KEY}.',
})

/** How algorithms are called by people. */
export const NAMES = { ed25519: 'Ed25519', 'ecdsa-p256-sha256': 'ECDSA P-256' } as const

/** A key as it is written, until its algorithm is known. */
const written = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && found !== '' ? { value: found } : { expected: 'expected a key' },
  {
    type: 'string',
    description: 'The secret of both sides, or the private key in PEM, such as ${env:SIGNING_KEY}.',
  },
)

/** The key of that algorithm, or what was expected. */
function parseKey(algorithm: SigningAlgorithm, text: string): Parsed<KeyObject> {
  if (algorithm === 'hmac-sha256') return parseSecret(text)
  const key = readPrivateKey(text)
  return key !== undefined && isOf(algorithm, key)
    ? { value: key }
    : { expected: `expected a private key for ${NAMES[algorithm]} in PEM` }
}

function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}

/** Whether an asymmetric key is one of that algorithm. */
export function isOf(algorithm: Exclude<SigningAlgorithm, 'hmac-sha256'>, key: KeyObject): boolean {
  if (algorithm === 'ed25519') return key.asymmetricKeyType === 'ed25519'
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
}

/** Names of header fields (RFC 9110 §5.1) in lower case. */
const FIELD = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const DERIVED = ['@method', '@target-uri', '@authority', '@scheme', '@request-target', '@path', '@query']
/** Fields that the connection adds after the request is signed. */
const ADDED_LATER = new Set(['host', 'connection', 'content-length', 'transfer-encoding'])

/** A component that a signature covers: a derived one, or the name of a header. */
export const component: z.ZodType<string> = leaf(
  (found): Parsed<string> => {
    if (
      typeof found === 'string' &&
      (DERIVED.includes(found) || (FIELD.test(found) && !ADDED_LATER.has(found)))
    )
      return { value: found }
    const expected = `expected ${DERIVED.join(', ')}, or the name of a header that is sent, in lower case`
    return { expected, words: DERIVED }
  },
  { type: 'string' },
)

/** The name of a header, in lower case whatever is written. */
export const headerName = (description: string): z.ZodType<string> =>
  leaf(
    (found): Parsed<string> =>
      typeof found === 'string' && FIELD.test(found.toLowerCase())
        ? { value: found.toLowerCase() }
        : { expected: 'expected the name of a header' },
    { ...textSchema(undefined), description },
  )

/** The name of a key: printable ASCII, as a string of a structured field holds it (RFC 9651 §3.3.3). */
export const keyId: z.ZodType<string> = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && /^[ !#-[\]-~]{1,128}$/.test(found)
      ? { value: found }
      : { expected: 'expected a short name in printable ASCII, without quotes and backslashes' },
  {
    type: 'string',
    description: 'Names the key, so that verifiers find theirs and both sides can change it.',
  },
)

const httpSignature = {
  form: choice(['rfc9421'], 'HTTP Message Signatures.').prefault('rfc9421'),
  keyId,
  components: z
    .array(component)
    .prefault(['@method', '@target-uri'])
    .meta({ description: 'What is covered beside the content: components and headers.' }),
  expires: duration('How long a signature holds.', 1000).prefault('1m'),
}

/** `signing` of an HTTP backend. */
export const signing: z.ZodType<SigningConfig> = z
  .union([
    mapping({
      algorithm: choice(
        ['hmac-sha256', 'ed25519', 'ecdsa-p256-sha256'],
        'The algorithm of the signature.',
      ).prefault('hmac-sha256'),
      key: written,
      ...httpSignature,
    }).transform(({ key, ...rest }, context): HttpSignatureConfig => {
      const parsed = parseKey(rest.algorithm, key)
      if ('value' in parsed) return { ...rest, key: parsed.value }
      context.issues.push({ code: 'custom', message: parsed.expected, input: key, path: ['key'] })
      return z.NEVER
    }),
    mapping({
      form: choice(['sorted-json'], 'Hex HMAC-SHA256 of the body as sorted JSON.'),
      key: secret,
      header: headerName('The header that carries the signature.').prefault('x-signature'),
      keyId: keyId.optional(),
      keyIdHeader: headerName('The header that carries the name of the key.').prefault('x-signature-key-id'),
    }),
  ])
  .meta({ description: 'Signs every request to this backend, so that it knows that the gateway sent it.' })
