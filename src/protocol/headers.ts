import { decodeUtf8 } from './bytes.ts'

const PREFIX = '=?base64?'
const SUFFIX = '?='

/** Visible ASCII with spaces inside. A tab would be allowed too; not every peer agrees, and encoding is always right. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/

/** Characters of a field value (RFC 9110 section 5.5 without obs-text). */
const FIELD_VALUE = /^[\t -~]*$/

/** The last value that needed no encoding: calls of the same tool follow each other. */
let lastPlain: string | undefined

/**
 * A value as an HTTP field value: as it is where that is safe, as the Base64 of its UTF-8 elsewhere (2026-07-28,
 * basic/transports/streamable-http "Value Encoding"). The empty string is encoded too, because empty headers
 * get lost. Lone surrogates have no UTF-8: they become U+FFFD, and the header will not agree with the body.
 */
export function encodeHeaderValue(value: string): string {
  if (value === lastPlain) return value
  if (PLAIN.test(value) && !isEncoded(value)) return (lastPlain = value)
  return PREFIX + Buffer.from(value, 'utf8').toString('base64') + SUFFIX
}

/**
 * The value that a header carries (same section), or undefined when the header is invalid: characters that
 * no field value holds, Base64 that is not canonical (RFC 4648 section 4, with padding), or bytes that are not UTF-8.
 *
 * @param header the field value without the white space around it, as an HTTP parser hands it over
 */
export function decodeHeaderValue(header: string): string | undefined {
  // What needs no encoding is itself the value.
  if (header === lastPlain) return header
  if (!FIELD_VALUE.test(header)) return undefined
  if (!isEncoded(header)) return header
  const base64 = header.slice(PREFIX.length, -SUFFIX.length)
  const bytes = Buffer.from(base64, 'base64')
  // Node decodes leniently; only canonical Base64 comes back the same. This also refuses '=?base64?='.
  if (PREFIX + bytes.toString('base64') + SUFFIX !== header) return undefined
  return decodeUtf8(bytes)
}

function isEncoded(value: string): boolean {
  return value.startsWith(PREFIX) && value.endsWith(SUFFIX)
}
