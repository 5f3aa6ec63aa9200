import { z } from 'zod'
import { leaf, mapping } from './leaves.ts'
import type { Parsed } from './units.ts'

/** Keys that seal what clients carry for the gateway: cursors, task ids, state of calls that wait for input. */
export interface SealingConfig {
  /** At least one, 32 bytes each: the first seals, all of them open. Secret. */
  readonly keys: readonly Uint8Array[]
}

/** Length of a sealing key in bytes. */
export const KEY_BYTES = 32

/** Most keys at once: each is tried on a handle that the ones before do not open. */
const MOST_SEALING_KEYS = 8

/** What 32 random bytes have for certain, and a phrase, a counter or zeros mostly have not. */
const LEAST_DISTINCT = 16

/** Reads a sealing key: 32 random bytes in base64url. */
export function parseSealingKey(found: unknown): Parsed<Uint8Array> {
  const expected = 'expected 32 random bytes in base64url (43 characters)'
  if (typeof found !== 'string' || !/^[\w-]{43}$/.test(found)) return { expected }
  const bytes = Buffer.from(found, 'base64url')
  if (bytes.length !== KEY_BYTES || bytes.toString('base64url') !== found) return { expected }
  return new Set(bytes).size < LEAST_DISTINCT
    ? { expected: `${expected}; these are not random` }
    : { value: bytes }
}

/** A sealing key as it is written. */
export function formatSealingKey(key: Uint8Array): string {
  return Buffer.from(key).toString('base64url')
}

const keys = z
  .array(leaf(parseSealingKey, { type: 'string' }))
  .check((context) => {
    const { value } = context
    const texts = value.map(formatSealingKey)
    const twin = texts.findIndex((text, index) => texts.indexOf(text) < index)
    const message =
      value.length === 0 || value.length > MOST_SEALING_KEYS
        ? `expected 1 to ${MOST_SEALING_KEYS} keys`
        : twin === -1
          ? undefined
          : `expected each key once, but key ${twin + 1} is there already`
    if (message !== undefined) context.issues.push({ code: 'custom', message, input: value })
  })
  .meta({
    description:
      'Keys of 32 random bytes in base64url, such as ${env:SEALING_KEY}: the first seals, all of them open.',
  })

/** `gateway.sealing`: left out, a key is made and kept in the state folder. */
export const sealing: z.ZodType<SealingConfig> = mapping({ keys }).meta({
  description:
    'Keys that seal what clients carry for the gateway; the same on all gateways that share clients.',
})
