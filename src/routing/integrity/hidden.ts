import { HIDDEN_IN_NAME } from '../../protocol/hidden.ts'

/**
 * Characters that nobody sees or that change how others are seen. A model reads them all the same, which makes them a
 * way to give it orders behind the back of its user (Unicode TR36 and TR39; "Trojan Source", CVE-2021-42574).
 */

/** Scripts whose letters are joined or kept apart by U+200C and U+200D. */
const JOINING =
  '[\\p{sc=Arab}\\p{sc=Syrc}\\p{sc=Mand}\\p{sc=Nkoo}\\p{sc=Mong}\\p{sc=Deva}\\p{sc=Beng}\\p{sc=Guru}\\p{sc=Gujr}\\p{sc=Orya}' +
  '\\p{sc=Taml}\\p{sc=Telu}\\p{sc=Knda}\\p{sc=Mlym}\\p{sc=Sinh}\\p{sc=Tibt}\\p{sc=Mymr}\\p{sc=Khmr}]'

/** What ordinary writing is made of although it is drawn as nothing; each needs the neighbours that give it its meaning. */
const ORDINARY = [
  // The flags of England, Scotland and Wales, which are the only sequences of tags in use.
  '\\u{1F3F4}\\u{E0067}\\u{E0062}(?:\\u{E0065}\\u{E006E}\\u{E0067}|\\u{E0073}\\u{E0063}\\u{E0074}|\\u{E0077}\\u{E006C}\\u{E0073})\\u{E007F}',
  // Emoji or text presentation, once per character; ideographic and Mongolian variants likewise.
  '(?<=\\p{Emoji})[\\uFE0E\\uFE0F]',
  '(?<=\\p{sc=Han})[\\uFE00-\\uFE02\\u{E0100}-\\u{E01EF}]',
  '(?<=[\\u1820-\\u18AA])[\\u180B-\\u180D\\u180F]',
  // Emoji made of several, and joiners inside of words.
  '(?<=[\\p{ExtPict}\\p{EMod}\\uFE0F])\\u200D(?=\\p{ExtPict})',
  `(?<=${JOINING})[\\u200C\\u200D]`,
  // Marks of direction that stand alone: they move punctuation, they do not turn words around.
  '(?<!\\p{DI})[\\u200E\\u200F\\u061C](?!\\p{DI})',
].join('|')

/** Line breaks and tabs are no secret. */
const HIDDEN = '[[\\p{Cc}\\p{DI}\\p{Zl}\\p{Zp}\\p{NChar}\\uFFF9-\\uFFFB]--[\\t\\n\\r]]'

const IN_TEXT = new RegExp(`${ORDINARY}|(?<hidden>${HIDDEN})`, 'gv')

/** Any candidate, whatever stands around it: nearly every text has none. */
const CANDIDATE = new RegExp(HIDDEN, 'v')
const NOT_ASCII = /[^\t\n\r\x20-\x7e]/

/** A hidden character in a text. */
export interface HiddenCharacter {
  /** Offset in UTF-16 units. */
  readonly start: number
  readonly end: number
  readonly code: number
}

/**
 * The hidden characters of a text for people, in order; those of ordinary writing are not among them.
 *
 * @param most as many are looked for. Default: all
 */
export function hiddenIn(text: string, most: number = Infinity): readonly HiddenCharacter[] {
  if (!NOT_ASCII.test(text) || !CANDIDATE.test(text)) return []
  const found: HiddenCharacter[] = []
  for (const match of text.matchAll(IN_TEXT)) {
    const hidden = match.groups?.['hidden']
    if (hidden === undefined) continue
    if (found.length >= most) break
    found.push({ start: match.index, end: match.index + hidden.length, code: hidden.codePointAt(0) ?? 0 })
  }
  return found
}

/** The first character that must not stand in a name, such as `U+202E`; undefined for a name that shows all that it is. */
export function hiddenInName(name: string): string | undefined {
  const found = HIDDEN_IN_NAME.exec(name)?.[0]
  return found === undefined ? undefined : codeName(found.codePointAt(0) ?? 0)
}

/** How standards call a character: `U+202E`. */
export function codeName(code: number): string {
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}

/** A character as visible text: `\u202e`, or `\u{e0041}` beyond the first plane. */
export function visible(code: number): string {
  const hex = code.toString(16)
  return code > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`
}

/** The text with every hidden character made visible. */
export function escapeHidden(text: string): string {
  let result = ''
  let from = 0
  for (const { start, end, code } of hiddenIn(text)) {
    result += text.slice(from, start) + visible(code)
    from = end
  }
  return result + text.slice(from)
}
