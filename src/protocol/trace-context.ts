/** Who began what a request is a part of (W3C Trace Context, "traceparent Header"). */
export interface TraceParent {
  /** 32 hexadecimal digits in lower case, not all zero. */
  readonly traceId: string
  /** 16 hexadecimal digits in lower case, not all zero. */
  readonly spanId: string
  /** The bits of the sender. */
  readonly flags: number
}

/** The sender may have recorded the trace (W3C Trace Context, "Sampled Flag"). */
export const SAMPLED = 1
/** The right half of the trace id was drawn at random (W3C Trace Context Level 2, "Random Trace ID Flag"). */
export const RANDOM = 2

/** Longer ones of a later version are not read: nothing that matters stands behind the flags. */
const LONGEST_PARENT = 256

const PARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/s
const NO_TRACE = '0'.repeat(32)
const NO_SPAN = '0'.repeat(16)

/**
 * Reads a `traceparent`; undefined for whatever is none (W3C Trace Context, "Versioning of traceparent"): upper case, ids
 * of zeros, version `ff`, and more than there is in version `00`. What comes with a later version is read as far as
 * it is known.
 */
export function readTraceparent(text: string): TraceParent | undefined {
  if (text.length < 55 || text.length > LONGEST_PARENT) return undefined
  const [, version, traceId = NO_TRACE, spanId = NO_SPAN, flags = '', rest] = PARENT.exec(text) ?? []
  if (version === undefined || version === 'ff') return undefined
  if (version === '00' && rest !== undefined) return undefined
  if (traceId === NO_TRACE || spanId === NO_SPAN) return undefined
  return { traceId, spanId, flags: Number.parseInt(flags, 16) }
}

/** The `traceparent` of version `00` that says this; of the flags only those that are known. */
export function writeTraceparent({ traceId, spanId, flags }: TraceParent): string {
  return `00-${traceId}-${spanId}-0${flags & (SAMPLED | RANDOM)}`
}

/** Characters of a `tracestate` that have to be passed on at least (W3C Trace Context, "tracestate Limits"). */
const LONGEST_STATE = 512
const MOST_STATES = 32
/** "Key" and "Value"; a key of two parts is that of a vendor with many tenants. */
const STATE =
  /^[a-z0-9][-_*/a-z0-9]{0,255}(@[a-z][-_*/a-z0-9]{0,13})?=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** The `tracestate` where it is well-formed and within the bounds; undefined otherwise, for half of it means nothing. */
export function readTracestate(text: string): string | undefined {
  if (text.length > LONGEST_STATE) return undefined
  const members = text.split(',').flatMap((each) => {
    const member = each.replace(/^[ \t]+|[ \t]+$/g, '')
    return member === '' ? [] : [member]
  })
  if (members.length === 0 || members.length > MOST_STATES) return undefined
  if (!members.every((member) => STATE.test(member))) return undefined
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))))
  return keys.size === members.length ? members.join(',') : undefined
}

/** What has to be passed on (W3C Baggage, "Limits"). */
const LONGEST_BAGGAGE = 8192
const MOST_BAGGAGE = 64
/** "baggage-string": a token, `=`, a value, and properties. */
const BAGGAGE =
  /^[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ \t]*[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*[ \t]*(;[\t\x20-\x2b\x2d-\x7e]*)?$/

/** The `baggage` where it is well-formed and within the bounds; undefined otherwise. */
export function readBaggage(text: string): string | undefined {
  if (text === '' || text.length > LONGEST_BAGGAGE) return undefined
  const members = text.split(',')
  return members.length <= MOST_BAGGAGE && members.every((member) => BAGGAGE.test(member)) ? text : undefined
}

/** The two digits of each byte. */
const DIGITS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

function digitsOf(byte: number): string {
  return DIGITS[byte & 0xff] ?? ''
}

/** Draws the id of a trace (16 bytes) or of a span (8 bytes), in hexadecimal digits; never all zero. */
export function drawId(bytes: 8 | 16, random: () => number): string {
  let id = ''
  for (let drawn = 0; drawn < bytes; drawn += 4) {
    const bits = random() * 0x1_0000_0000
    id += digitsOf(bits >>> 24) + digitsOf(bits >>> 16) + digitsOf(bits >>> 8) + digitsOf(bits)
  }
  return id === NO_SPAN || id === NO_TRACE ? `${id.slice(1)}1` : id
}

/**
 * Whether a trace is one of that part of all traces: the same for everybody who asks the same, because it is decided
 * by the random digits of its id (W3C Trace Context Level 2, "Random Trace ID Flag").
 *
 * @param ratio from 0 (none) to 1 (every)
 */
export function isInSample(traceId: string, ratio: number): boolean {
  if (ratio >= 1) return true
  return Number.parseInt(traceId.slice(-13), 16) >= 2 ** 52 * (1 - ratio)
}
