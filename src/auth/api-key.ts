import { hash, randomInt } from 'node:crypto'

/**
 * An API key is `tg_<id>_<secret>`: 43 random letters and digits (256 bits), and before them the first 8 hexadecimal
 * digits of their SHA-256. So the id names the key in lists without giving anything of it away, tells a mistyped key
 * from an unknown one, and lets secret scanners recognise a real key by itself: `\btg_[0-9a-f]{8}_[0-9A-Za-z]{43}\b`.
 */
const FORM = /^tg_[0-9a-f]{8}_[0-9A-Za-z]{43}$/

const PREFIX = 'tg_'
const ID_LENGTH = 8
const SECRET_LENGTH = 43
const SECRET_START = PREFIX.length + ID_LENGTH + 1
const KEY_LENGTH = SECRET_START + SECRET_LENGTH
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const HASH_PREFIX = 'sha256:'

/** What a key shows of itself. */
export interface KeyParts {
  readonly id: string
  /**
   * SHA-256 of the secret. Plain and fast, on purpose: slow, salted hashes protect what people choose; nobody guesses
   * 256 random bits, and a slow hash would only let callers with wrong keys make the gateway work.
   */
  readonly digest: Buffer
}

/** Makes a new key. Whoever gets it gets it from here: it is stored nowhere. */
export function createKey(): string {
  const secret = Array.from({ length: SECRET_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
  return `${PREFIX}${hash('sha256', secret).slice(0, ID_LENGTH)}_${secret}`
}

/** The parts of a key, or undefined for anything that cannot be a key. */
export function readKey(key: string): KeyParts | undefined {
  if (key.length !== KEY_LENGTH || !FORM.test(key)) return undefined
  const id = key.slice(PREFIX.length, PREFIX.length + ID_LENGTH)
  const digest = hash('sha256', key.slice(SECRET_START), 'buffer')
  return digest.toString('hex', 0, ID_LENGTH / 2) === id ? { id, digest } : undefined
}

/** The hash under which a key is stored: `sha256:` and 64 hexadecimal digits. */
export function storedHash({ digest }: KeyParts): string {
  return `${HASH_PREFIX}${digest.toString('hex')}`
}

/** The id of the key with this stored hash. */
export function idOfHash(stored: string): string {
  return stored.slice(HASH_PREFIX.length, HASH_PREFIX.length + ID_LENGTH)
}

/** The digest in a stored hash. */
export function digestOfHash(stored: string): Buffer {
  return Buffer.from(stored.slice(HASH_PREFIX.length), 'hex')
}
