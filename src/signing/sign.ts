import { type KeyObject, createHmac, randomBytes } from 'node:crypto'
import type { HttpSignatureConfig, SigningConfig, SortedJsonConfig } from '../config/signing-schema.ts'
import { GatewayError } from '../errors.ts'
import { signBytes } from './algorithms.ts'
import { type Component, type SignedMessage, identifier, signatureBase } from './components.ts'
import { contentDigest } from './digest.ts'
import { pythonSortedJson } from './python-json.ts'

/** A request as it is about to be sent. */
export interface OutgoingRequest {
  readonly method: string
  readonly url: URL
  /** Names and values in turn. */
  readonly headers: readonly string[]
  /** Exactly what is sent; undefined for a request without content. */
  readonly body: string | undefined
}

/** Yields the headers that sign a request: names and values in turn. */
export type Signer = (request: OutgoingRequest) => string[]

/** What signing needs from outside. */
export interface SignerPorts {
  /** Milliseconds since the epoch. */
  readonly wallTime: () => number
}

/** What the signature is called in `Signature` and `Signature-Input`. */
const LABEL = 'toolgate'

/** Builds the signer of one backend. */
export function createSigner(config: SigningConfig, ports: SignerPorts): Signer {
  return config.form === 'rfc9421' ? httpSigner(config, ports) : sortedJsonSigner(config)
}

function httpSigner(config: HttpSignatureConfig, { wallTime }: SignerPorts): Signer {
  const always = config.components.map((name): Component => ({ name }))
  const withContent = [...always, { name: 'content-type' }, { name: 'content-digest' }]
  const key = `keyid=${JSON.stringify(config.keyId)};alg="${config.algorithm}"`
  return (request) => {
    const { body } = request
    const own = body === undefined ? [] : ['content-digest', contentDigest(body)]
    const components = body === undefined ? always : withContent
    const created = Math.floor(wallTime() / 1000)
    const expires = created + Math.ceil(config.expires / 1000)
    const nonce = randomBytes(16).toString('base64url')
    const list = components.map(identifier).join(' ')
    const parameters = `(${list});created=${created};expires=${expires};nonce="${nonce}";${key}`
    const base = signatureBase(messageOf(request, own), components, parameters)
    const signature = signBytes(config.algorithm, config.key, Buffer.from(base)).toString('base64')
    return [...own, 'signature-input', `${LABEL}=${parameters}`, 'signature', `${LABEL}=:${signature}:`]
  }
}

function messageOf({ method, url, headers }: OutgoingRequest, own: readonly string[]): SignedMessage {
  return { method, url, field: (name) => valueIn(own, name) ?? valueIn(headers, name) }
}

function valueIn(headers: readonly string[], name: string): string | undefined {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === name) return headers[index + 1]
  }
  return undefined
}

function sortedJsonSigner({ key, header, keyId, keyIdHeader }: SortedJsonConfig): Signer {
  const named = keyId === undefined ? [] : [keyIdHeader, keyId]
  return ({ body }) => (body === undefined ? [] : [header, signatureOf(key, body), ...named])
}

function signatureOf(key: KeyObject, body: string): string {
  try {
    return sortedJsonHmac(key, body)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new GatewayError('INVALID_PARAMS', `The request cannot be signed: ${error.message}`)
  }
}

/**
 * The signature of the gateway pattern: hex HMAC-SHA256 of {@link pythonSortedJson}.
 *
 * @throws JsonSyntaxError or RangeError as {@link pythonSortedJson}
 */
export function sortedJsonHmac(key: KeyObject, body: string): string {
  return createHmac('sha256', key).update(pythonSortedJson(body)).digest('hex')
}
