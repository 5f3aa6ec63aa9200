import { type KeyObject, createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { choice, duration, leaf, mapping } from './leaves.ts'
import {
  NAMES,
  type SigningAlgorithm,
  component,
  headerName,
  isOf,
  keyId,
  parseSecret,
} from './signing-schema.ts'
import type { Parsed } from './units.ts'

/** How requests with an API key have to be signed. Secrets among the keys are secret. */
export type RequiredSignature = RequiredHttpSignature | RequiredSortedJson

/** HTTP Message Signatures (RFC 9421) over method, target and content. */
export interface RequiredHttpSignature {
  readonly form: 'rfc9421'
  /** Any of them will do: more than one while they are changed. */
  readonly keys: readonly RequestKey[]
  /** Components that have to be covered beside the content. */
  readonly components: readonly string[]
  /** Milliseconds after which a signature is too old, whatever it says itself. Default 5 min. */
  readonly maxAge: number
}

/** A key that signs requests, as far as it verifies them. */
export interface RequestKey {
  readonly keyId: string
  readonly algorithm: SigningAlgorithm
  /** The secret, or the public key. */
  readonly key: KeyObject
}

/** The form of the gateway pattern: it covers the content alone, and says nothing of time. */
export interface RequiredSortedJson {
  readonly form: 'sorted-json'
  readonly keys: readonly { readonly key: KeyObject }[]
  /** The header that carries the signature. Default `x-signature`. */
  readonly header: string
}

const COMPONENTS: readonly string[] = ['@method', '@target-uri']
const MAX_AGE = 300_000

/** Keys of one caller at most. */
const MOST_KEYS = 8

const written = leaf(
  (found): Parsed<string> =>
    typeof found === 'string' && found !== '' ? { value: found } : { expected: 'expected a key' },
  {
    type: 'string',
    description: 'The secret of both sides, or the public key in PEM, such as ${env:CI_PUBLIC_KEY}.',
  },
)

const requestKey = mapping({
  keyId,
  algorithm: choice(
    ['hmac-sha256', 'ed25519', 'ecdsa-p256-sha256'],
    'The algorithm of the signature.',
  ).prefault('hmac-sha256'),
  key: written,
}).transform(({ key, ...rest }, context): RequestKey => {
  const parsed = parseKey(rest.algorithm, key)
  if ('value' in parsed) return { ...rest, key: parsed.value }
  context.issues.push({ code: 'custom', message: parsed.expected, input: key, path: ['key'] })
  return z.NEVER
})

/** The gateway has no business with private keys of its callers. */
function parseKey(algorithm: SigningAlgorithm, text: string): Parsed<KeyObject> {
  if (algorithm === 'hmac-sha256') return parseSecret(text)
  const key = text.includes('PRIVATE KEY') ? undefined : readPublicKey(text)
  return key !== undefined && isOf(algorithm, key)
    ? { value: key }
    : { expected: `expected a public key for ${NAMES[algorithm]} in PEM` }
}

function readPublicKey(pem: string): KeyObject | undefined {
  try {
    return createPublicKey(pem)
  } catch {
    return undefined
  }
}

const secret = leaf(parseSecret, { type: 'string', description: 'The secret of both sides.' })

function someOf<T>(each: z.ZodType<T>): z.ZodType<readonly T[]> {
  return z
    .array(each)
    .check((context) => {
      const { length } = context.value
      if (length > 0 && length <= MOST_KEYS) return
      const message = `expected 1 to ${MOST_KEYS} keys`
      context.issues.push({ code: 'custom', message, input: context.value })
    })
    .meta({ description: 'Keys that requests may be signed with: more than one while they are changed.' })
}

/** `signature` of an API key. */
export const requiredSignature: z.ZodType<RequiredSignature> = z
  .union([
    mapping({
      form: choice(['rfc9421'], 'HTTP Message Signatures.').prefault('rfc9421'),
      keys: someOf(requestKey),
      components: z
        .array(component)
        .prefault([...COMPONENTS])
        .meta({ description: 'What a signature has to cover beside the content.' }),
      maxAge: duration('How old a signature may be.', 1000).prefault('5m'),
    }),
    mapping({
      form: choice(['sorted-json'], 'Hex HMAC-SHA256 of the body as sorted JSON.'),
      keys: someOf(mapping({ key: secret })),
      header: headerName('The header that carries the signature.').prefault('x-signature'),
    }),
  ])
  .meta({ description: 'Refuses requests with this API key that are not signed.' })

/**
 * The requirement that a file with a key means: a public key in PEM, or else the secret of an HMAC.
 *
 * @param keyId what the key is called
 */
export function signatureWith(text: string, keyId: string): Parsed<RequiredSignature> {
  const isPem = text.includes('-----BEGIN')
  const algorithms: readonly SigningAlgorithm[] = isPem ? ['ed25519', 'ecdsa-p256-sha256'] : ['hmac-sha256']
  for (const algorithm of algorithms) {
    const parsed = parseKey(algorithm, isPem ? text : text.trim())
    if (!('value' in parsed)) continue
    const keys = [{ keyId, algorithm, key: parsed.value }]
    return { value: { form: 'rfc9421', keys, components: COMPONENTS, maxAge: MAX_AGE } }
  }
  return { expected: 'expected a public key (Ed25519 or P-256) in PEM, or a secret of at least 32 bytes' }
}

/** Whether it holds secrets, and not only public keys. */
export function holdsSecret({ keys }: RequiredSignature): boolean {
  return keys.some(({ key }) => key.type === 'secret')
}

/** What can be shown of the requirement: everything but the keys. */
export function shownSignature({ form, keys }: RequiredSignature): object {
  const keyIds = keys.flatMap((one) => ('keyId' in one ? [one.keyId] : []))
  return { form, ...(keyIds.length === 0 ? {} : { keyIds }) }
}

/** The requirement as it can be written again, keys included. */
export function writtenSignature(required: RequiredSignature): object {
  const keys = required.keys.map((one) => ({ ...one, key: textOf(one.key) }))
  return { ...required, keys, ...('maxAge' in required ? { maxAge: `${required.maxAge}ms` } : {}) }
}

function textOf(key: KeyObject): string {
  return key.type === 'secret' ? key.export().toString('utf8') : key.export({ format: 'pem', type: 'spki' })
}
