import { createHash, timingSafeEqual } from 'node:crypto'
import { readDictionary } from './structured.ts'

/** The value of `Content-Digest` for that content (RFC 9530 §2). */
export function contentDigest(content: string | Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(content).digest('base64')}:`
}

/** Algorithms that prove anything (RFC 9530 §5), with their names in OpenSSL. */
const ALGORITHMS: Readonly<Record<string, string>> = { 'sha-256': 'sha256', 'sha-512': 'sha512' }

/**
 * Whether a `Content-Digest` is that of the content: every digest of a known algorithm in it must be right, and there
 * must be one.
 */
export function digestMatches(header: string, content: string | Uint8Array): boolean {
  const digests = [...(readDictionary(header) ?? [])].flatMap(([name, [value]]) => {
    const algorithm = Object.hasOwn(ALGORITHMS, name) ? ALGORITHMS[name] : undefined
    return algorithm === undefined ? [] : [{ algorithm, value }]
  })
  return (
    digests.length > 0 &&
    digests.every(({ algorithm, value }) => {
      if (!(value instanceof ArrayBuffer)) return false
      const own = createHash(algorithm).update(content).digest()
      return own.length === value.byteLength && timingSafeEqual(own, new Uint8Array(value))
    })
  )
}
