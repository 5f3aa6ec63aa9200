import { type JsonNode, rawOf, scanJson, stringOf } from '../protocol/json.ts'

/**
 * The text that Python 3 gives for `json.dumps(json.loads(text), sort_keys=True)`: what the signature of the gateway
 * pattern covers. Members are sorted by code point, everything outside printable ASCII is escaped, integers keep every
 * digit, and floats are written as Python writes them.
 *
 * @throws JsonSyntaxError where the text is no JSON, or names a member twice: readers would disagree about it
 * @throws RangeError for an integer of more digits than Python reads
 */
export function pythonSortedJson(text: string): string {
  return write(text, scanJson(text, { detail: Infinity, maxDepth: DEEPEST }))
}

/** Deeper than any message that the gateway lets pass. */
const DEEPEST = 1000

function write(source: string, node: JsonNode): string {
  switch (node.kind) {
    case 'object': {
      const members = (node.members ?? []).toSorted((a, b) => compareCodePoints(a.key, b.key))
      return `{${members.map(({ key, value }) => `${quote(key)}: ${write(source, value)}`).join(', ')}}`
    }
    case 'array':
      return `[${(node.items ?? []).map((item) => write(source, item)).join(', ')}]`
    case 'string':
      return quote(stringOf(source, node) ?? '')
    case 'number':
      return writeNumber(rawOf(source, node))
    default:
      return rawOf(source, node)
  }
}

/** Python compares strings by code point; JavaScript by UTF-16 unit, which sorts U+E000…U+FFFF behind the rest. */
function compareCodePoints(a: string, b: string): number {
  const left = Array.from(a, codePointOf)
  const right = Array.from(b, codePointOf)
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}

function codePointOf(character: string): number {
  return character.codePointAt(0) ?? 0
}

/** The escapes of Python's encoder with `ensure_ascii`, which is its default. */
function quote(text: string): string {
  return `"${text.replace(/["\\]|[^\x20-\x7e]/g, escaped)}"`
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
}

function escaped(unit: string): string {
  return SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** `sys.int_info.default_max_str_digits`: Python refuses to read more. */
const MAX_DIGITS = 4300

function writeNumber(raw: string): string {
  if (/[.eE]/.test(raw)) return writeFloat(Number(raw))
  const digits = raw.startsWith('-') ? raw.length - 1 : raw.length
  if (digits > MAX_DIGITS) throw new RangeError(`An integer has ${digits} digits; Python reads ${MAX_DIGITS}`)
  return raw === '-0' ? '0' : raw
}

/** `repr(float)`: the shortest digits that read back the same, as in JavaScript, but in another notation. */
function writeFloat(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  if (value === 0) return `${sign}0.0`
  const [digits, exponent] = decimal(Math.abs(value))
  // Python switches to exponents below 1e-4 and from 1e16 on.
  if (exponent < -4 || exponent >= 16) return sign + scientific(digits, exponent)
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, '0')
  return `${sign}${whole}.${digits.slice(exponent + 1) || '0'}`
}

/** Significant digits and the exponent of the first of them. */
function decimal(value: number): readonly [digits: string, exponent: number] {
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e')
  return [mantissa.replace('.', ''), Number(exponent)]
}

function scientific(digits: string, exponent: number): string {
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
  const size = String(Math.abs(exponent)).padStart(2, '0')
  return `${digits.slice(0, 1)}${fraction}e${exponent < 0 ? '-' : '+'}${size}`
}
