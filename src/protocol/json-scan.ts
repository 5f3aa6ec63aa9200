/**
 * A JSON scanner that keeps byte spans. A body is scanned once: what the gateway must know becomes values,
 * what it must change is found by its span, and everything else stays as it was written (numbers, escapes,
 * unknown members). Stricter than `JSON.parse` in one point: duplicate members are refused, because a policy
 * and a backend might each read a different one.
 */

import type { JsonArray, JsonMember, JsonNode, JsonObject, JsonScalar } from './json-node.ts'
import { OpenKeys } from './open-keys.ts'
import { NO_UNITS, type Units, unitsOf } from './units.ts'

/** Bounds of a scan. */
export interface ScanLimits {
  /** Deepest nesting of objects and arrays that is accepted. Default 64. */
  readonly maxDepth?: number
  /**
   * How many levels of objects and arrays keep their members and items; deeper ones only have a span, except
   * that of a `_meta`, which is what the gateway reads wherever it stands. Default 2: message and its parameters or result.
   */
  readonly detail?: number
}

/** Why a text is not acceptable JSON, and where (offset in UTF-16 units). */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
  readonly offset: number

  constructor(message: string, offset: number) {
    super(`${message} at offset ${offset}`)
    this.offset = offset
  }
}

/** Nesting that is accepted unless configured. */
export const DEFAULT_MAX_DEPTH = 64

const DEFAULT_DETAIL = 2

// The scanner's state lives in module variables: a scan is synchronous and this is what the engine runs fastest.
let text = ''
/** The UTF-16 units of the text and a zero after them: reading numbers costs a fraction of asking a string for them. */
let units: Units = NO_UNITS
let at = 0
let maxDepth = DEFAULT_MAX_DEPTH
let detail = DEFAULT_DETAIL
let escapedKeyCount = 0
/**
 * No control character anywhere: the ends of long strings may be searched for by the engine, which is much faster.
 * Undefined as long as there was no long one.
 */
let searchable: boolean | undefined
/** Where the next escape begins; of no meaning before `at`. */
let nextEscape = -1
const openKeys = new OpenKeys()

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const MINUS = 0x2d
const PLUS = 0x2b
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
// eslint-disable-next-line no-control-regex -- exactly those
const CONTROL = /[\x00-\x1f]/
/** Keys that are compared one by one, which is what nearly all objects need; objects with more hash them. */
const FEW_KEYS = 16

/**
 * Scans one JSON value (RFC 8259) that fills the whole text.
 *
 * @throws JsonSyntaxError on anything else, on duplicate members and on too deep nesting
 */
export function scanJson(source: string, limits: ScanLimits = {}): JsonNode {
  text = source
  at = 0
  maxDepth = limits.maxDepth ?? DEFAULT_MAX_DEPTH
  detail = limits.detail ?? DEFAULT_DETAIL
  searchable = undefined
  units = unitsOf(source)
  nextEscape = -1
  try {
    skipSpace()
    const node = scanValue(0, detail > 0, true)
    skipSpace()
    if (at < text.length) fail('Unexpected text after the JSON value')
    return node
  } finally {
    text = ''
    units = NO_UNITS
    openKeys.clear()
  }
}

function fail(message: string): never {
  throw new JsonSyntaxError(at >= text.length ? 'Unexpected end of the JSON text' : message, at)
}

/** Zero at the end of the text, which is no part of any JSON. */
function unit(index: number): number {
  return units[index] ?? 0
}

function skipSpace(): void {
  for (;;) {
    const code = unit(at)
    // Nearly always: one comparison.
    if (code > 0x20) return
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
    at++
  }
}

/** Stands for a scalar that nobody will look at: deep values are checked, not kept. */
const UNWANTED: JsonScalar = { kind: 'null', start: 0, end: 0, isPlain: true }

/**
 * @param kept whether members or items of the value are kept
 * @param wanted whether the value itself is
 */
function scanValue(depth: number, kept: boolean, wanted: boolean): JsonNode {
  const start = at
  switch (unit(at)) {
    case OPEN_BRACE:
      return scanObject(depth, kept)
    case OPEN_BRACKET:
      return scanArray(depth, kept)
    case QUOTE: {
      const isPlain = !skipString()
      return wanted ? { kind: 'string', start, end: at, isPlain } : UNWANTED
    }
    case 0x74:
      skipWord('true')
      return wanted ? { kind: 'boolean', start, end: at, isPlain: true } : UNWANTED
    case 0x66:
      skipWord('false')
      return wanted ? { kind: 'boolean', start, end: at, isPlain: true } : UNWANTED
    case 0x6e:
      skipWord('null')
      return wanted ? { kind: 'null', start, end: at, isPlain: true } : UNWANTED
    default: {
      const isPlain = skipNumber()
      return wanted ? { kind: 'number', start, end: at, isPlain } : UNWANTED
    }
  }
}

function skipWord(word: string): void {
  if (!text.startsWith(word, at)) fail('Unexpected character')
  at += word.length
}

/** Moves past a number and says whether it is written as an integer. */
function skipNumber(): boolean {
  if (unit(at) === MINUS) at++
  if (unit(at) === ZERO) at++
  else skipDigits()
  const afterInteger = at
  if (unit(at) === DOT) {
    at++
    skipDigits()
  }
  const exponent = unit(at)
  if (exponent === 0x65 || exponent === 0x45) {
    at++
    const sign = unit(at)
    if (sign === PLUS || sign === MINUS) at++
    skipDigits()
  }
  return at === afterInteger
}

function skipDigits(): void {
  const start = at
  for (;;) {
    const code = unit(at)
    if (code < ZERO || code > NINE) break
    at++
  }
  if (at === start) fail('Unexpected character')
}

/** Units of a string after which its end is searched for by the engine: asking it costs as much as so many. */
const SHORT = 48

/** Moves past a string and says whether it holds escapes. */
function skipString(): boolean {
  // The place is kept in a local variable as long as nothing is out of the ordinary: half the price of a string.
  const source = units
  const searchFrom = at + 1 + SHORT
  let index = at + 1
  for (;;) {
    const code = source[index] ?? 0
    if (code === QUOTE) {
      at = index + 1
      return false
    }
    if (code === BACKSLASH || code < 0x20 || index > searchFrom) break
    index++
  }
  at = index
  return skipRest()
}

/** Moves past the rest of a string that is long, or has an escape. */
function skipRest(): boolean {
  let escaped = false
  let searchFrom = at
  for (;;) {
    const code = unit(at)
    if (code === QUOTE) {
      at++
      return escaped
    }
    if (code === BACKSLASH) {
      escaped = true
      skipEscape()
    } else if (code < 0x20) fail('Control character in a string')
    else if (++at > searchFrom) {
      searchable ??= !CONTROL.test(text)
      if (searchable) return searchString() || escaped
      searchFrom = units.length
    }
  }
}

function searchString(): boolean {
  let escaped = false
  let close = -1
  for (;;) {
    if (nextEscape < at) nextEscape = indexOrEnd('\\')
    // Found once, not after every escape: a long text with many would take quadratic time.
    if (close < at) close = indexOrEnd('"')
    if (close <= nextEscape) {
      at = close
      if (close === text.length) fail('Expected a closing quote')
      at++
      return escaped
    }
    at = nextEscape
    escaped = true
    skipEscape()
  }
}

function indexOrEnd(char: string): number {
  const index = text.indexOf(char, at)
  return index === -1 ? text.length : index
}

function skipEscape(): void {
  at++
  const code = unit(at)
  if (code === 0x75) {
    for (let digit = 1; digit <= 4; digit++) {
      if (!isHex(unit(at + digit))) fail('Invalid \\u escape')
    }
    at += 5
  } else if (isSimpleEscape(code)) at++
  else fail('Invalid escape')
}

/** What may follow a backslash, but for `u`. */
function isSimpleEscape(code: number): boolean {
  switch (code) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return true
    default:
      return false
  }
}

function isHex(code: number): boolean {
  return (code >= ZERO && code <= NINE) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66)
}

function decodeString(literal: string): string {
  const value: unknown = JSON.parse(literal)
  return typeof value === 'string' ? value : fail('Expected a string')
}

function scanObject(depth: number, kept: boolean): JsonObject {
  if (depth >= maxDepth) fail(`Nested deeper than ${maxDepth} levels`)
  const start = at
  const before = escapedKeyCount
  const members: JsonMember[] | undefined = kept ? [] : undefined
  const keptBelow = depth + 1 < detail
  const firstKey = openKeys.end
  let many: Set<string> | undefined
  at++
  skipSpace()
  if (unit(at) === CLOSE_BRACE) {
    at++
    return { kind: 'object', start, end: at, escapedKeys: false, members }
  }
  for (;;) {
    const keyStart = at
    if (unit(at) !== QUOTE) fail('Expected a member name in double quotes')
    const isEscaped = skipString()
    if (isEscaped) escapedKeyCount++
    const keyEnd = at
    if (many === undefined && (isEscaped || openKeys.count(firstKey) === FEW_KEYS)) many = keySet(firstKey)
    const key = many !== undefined || kept ? keyText(keyStart, keyEnd, isEscaped) : ''
    if (many === undefined) openKeys.push(keyStart, keyEnd)
    if (many === undefined ? openKeys.isRepeated(firstKey, units) : many.has(key)) {
      at = keyStart
      fail('Duplicate member')
    }
    many?.add(key)
    skipSpace()
    if (unit(at) !== COLON) fail('Expected ":"')
    at++
    skipSpace()
    const value = scanValue(depth + 1, kept && (keptBelow || key === '_meta'), kept)
    members?.push({ key, start: keyStart, value })
    skipSpace()
    const next = unit(at)
    if (next !== COMMA && next !== CLOSE_BRACE) fail('Expected "," or "}"')
    at++
    if (next === CLOSE_BRACE) {
      openKeys.end = firstKey
      return { kind: 'object', start, end: at, escapedKeys: escapedKeyCount > before, members }
    }
    skipSpace()
  }
}

function keyText(start: number, end: number, isEscaped: boolean): string {
  return isEscaped ? decodeString(text.slice(start, end)) : text.slice(start + 1, end - 1)
}

/** The open keys of an object, none of which has an escape. */
function keySet(from: number): Set<string> {
  const keys = new Set<string>()
  openKeys.each(from, (start, end) => keys.add(keyText(start, end, false)))
  return keys
}

function scanArray(depth: number, kept: boolean): JsonArray {
  if (depth >= maxDepth) fail(`Nested deeper than ${maxDepth} levels`)
  const start = at
  const before = escapedKeyCount
  const items: JsonNode[] | undefined = kept ? [] : undefined
  const keptBelow = depth + 1 < detail
  at++
  skipSpace()
  if (unit(at) === CLOSE_BRACKET) {
    at++
    return { kind: 'array', start, end: at, escapedKeys: false, items }
  }
  for (;;) {
    const item = scanValue(depth + 1, keptBelow, kept)
    items?.push(item)
    skipSpace()
    const next = unit(at)
    if (next !== COMMA && next !== CLOSE_BRACKET) fail('Expected "," or "]"')
    at++
    if (next === CLOSE_BRACKET) {
      return { kind: 'array', start, end: at, escapedKeys: escapedKeyCount > before, items }
    }
    skipSpace()
  }
}
