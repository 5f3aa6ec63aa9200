import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

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

/** Length of a sealing key in bytes. */
export const KEY_BYTES = 32

/** A fresh random key; handles made with it end with the process. */
export function randomKey(): Uint8Array {
  return randomBytes(KEY_BYTES)
}

/** Seals with AES-256-GCM; the context is authenticated, not stored. */
export function createSealer(key: Uint8Array): Sealer {
  return {
    seal(value, context) {
      const nonce = randomBytes(NONCE)
      const cipher = createCipheriv(ALGORITHM, key, nonce)
      cipher.setAAD(Buffer.from(JSON.stringify(context)))
      const body = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()])
      return Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64url')
    },
    open(handle, context) {
      if (handle.length > MAX_HANDLE || !/^[\w-]+$/.test(handle)) return undefined
      const bytes = Buffer.from(handle, 'base64url')
      // Base64url has spare bits: only the one canonical spelling of a handle is accepted.
      if (bytes.length < NONCE + TAG || bytes.toString('base64url') !== handle) return undefined
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE))
      decipher.setAAD(Buffer.from(JSON.stringify(context)))
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG))
      try {
        const body = decipher.update(bytes.subarray(NONCE, bytes.length - TAG))
        return JSON.parse(Buffer.concat([body, decipher.final()]).toString('utf8')) as unknown
      } catch {
        return undefined
      }
    },
  }
}
