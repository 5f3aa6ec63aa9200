import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { KEY_BYTES } from '../config/sealing-schema.ts'

/** Turns values into handles that only this gateway can read, and that nobody can change or move to another use. */
export interface Sealer {
  /** @param context everything the handle is bound to, such as its purpose and the principal */
  seal(value: unknown, context: readonly string[]): string
  /** The value, or undefined when the handle was not made by this gateway for exactly this context. */
  open(handle: string, context: readonly string[]): unknown
}

const ALGORITHM = 'aes-256-gcm'
const NONCE = 12
const TAG = 16
/** Longest handle that is looked at. */
const MAX_HANDLE = 16_384

/** A fresh random key; handles made with it end with the process. */
export function randomKey(): Uint8Array {
  return randomBytes(KEY_BYTES)
}

/**
 * Seals with AES-256-GCM; the context is authenticated, not stored.
 *
 * @param key seals and opens
 * @param older open too, so that what was sealed before a rotation stays good
 */
export function createSealer(key: Uint8Array, ...older: readonly Uint8Array[]): Sealer {
  return {
    seal: (value, context) => seal(key, JSON.stringify(value), context),
    open(handle, context) {
      const bytes = bytesOf(handle)
      if (bytes === undefined) return undefined
      let text = unseal(key, bytes, context)
      for (let next = 0; text === undefined && next < older.length; next++) {
        text = unseal(older[next] ?? key, bytes, context)
      }
      return text === undefined ? undefined : (JSON.parse(text) as unknown)
    },
  }
}

function seal(key: Uint8Array, text: string, context: readonly string[]): string {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv(ALGORITHM, key, nonce)
  cipher.setAAD(Buffer.from(JSON.stringify(context)))
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64url')
}

/** The bytes of a handle, or undefined if they can be none. */
function bytesOf(handle: string): Buffer | undefined {
  if (handle.length > MAX_HANDLE || !/^[\w-]+$/.test(handle)) return undefined
  const bytes = Buffer.from(handle, 'base64url')
  // Base64url has spare bits: only the one canonical spelling of a handle is accepted.
  return bytes.length < NONCE + TAG || bytes.toString('base64url') !== handle ? undefined : bytes
}

function unseal(key: Uint8Array, bytes: Buffer, context: readonly string[]): string | undefined {
  const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE))
  decipher.setAAD(Buffer.from(JSON.stringify(context)))
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG))
  try {
    const body = decipher.update(bytes.subarray(NONCE, bytes.length - TAG))
    return Buffer.concat([body, decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}
