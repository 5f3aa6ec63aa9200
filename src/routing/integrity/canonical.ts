import { type JsonNode, stringOf } from '../../protocol/json.ts'

/**
 * A JSON value in one spelling: members sorted by UTF-16 code units, no white space, strings written as RFC 8785
 * writes them. Unlike RFC 8785, numbers are never turned into doubles: equal decimal values have one spelling, however
 * large or precise they are, and different ones never meet.
 *
 * @param node scanned with every detail
 */
export function canonicalJson(text: string, node: JsonNode): string {
  switch (node.kind) {
    case 'object': {
      const members = (node.members ?? []).toSorted((a, b) => (a.key < b.key ? -1 : 1))
      return `{${members.map(({ key, value }) => `${JSON.stringify(key)}:${canonicalJson(text, value)}`).join(',')}}`
    }
    case 'array':
      return `[${(node.items ?? []).map((item) => canonicalJson(text, item)).join(',')}]`
    case 'string':
      return JSON.stringify(stringOf(text, node) ?? '')
    case 'number':
      return canonicalNumber(text.slice(node.start, node.end))
    case 'boolean':
    case 'null':
      return text.slice(node.start, node.end)
  }
}

/** Exponents with more digits are beyond anybody's arithmetic: such a number is told apart by how it is written. */
const MAX_EXPONENT_DIGITS = 15

/** The number as its digits, without zeros at either end, and a power of ten; 0 and −0 are both `0`. */
function canonicalNumber(literal: string): string {
  const parts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?)(\d+))?$/.exec(literal)
  const [, sign = '', whole = '', fraction = '', direction = '', power = '0'] = parts ?? []
  const digits = trimZeros(whole + fraction)
  if (digits.text === '') return '0'
  if (power.length > MAX_EXPONENT_DIGITS) return literal
  const exponent = Number(`${direction}${power}`) - fraction.length + digits.dropped
  return `${sign}${digits.text}${exponent === 0 ? '' : `e${exponent}`}`
}

/** Without regular expressions: those that look for the end of a run of zeros take quadratic time. */
function trimZeros(digits: string): { readonly text: string; readonly dropped: number } {
  let start = 0
  while (digits[start] === '0') start++
  let end = digits.length
  while (end > start && digits[end - 1] === '0') end--
  return { text: digits.slice(start, end), dropped: digits.length - end }
}
