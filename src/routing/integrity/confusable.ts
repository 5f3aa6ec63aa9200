/**
 * Letters that look like others, by what they look like: those of Latin, Greek, Cyrillic and Armenian that Unicode
 * TR39 ("confusables") maps to ASCII and that fonts for programs draw alike. NFKC has folded widths and styles before.
 */
const LOOKS_LIKE: Readonly<Record<string, string>> = {
  a: 'аɑα',
  b: 'Ьƅ',
  c: 'сϲᴄ',
  d: 'ԁɗ',
  e: 'еҽєɛ℮',
  f: 'ϝẝ',
  g: 'ɡɢց',
  h: 'һհн',
  i: 'іıɩιӏ',
  j: 'јϳ',
  k: 'κкᴋ',
  l: 'ǀɭ|1',
  m: 'мᴍ',
  n: 'ոռпη',
  o: 'оοօσᴏ0',
  p: 'рρ',
  q: 'ԛգ',
  r: 'гᴦ',
  s: 'ѕꜱ',
  t: 'тτᴛ',
  u: 'υսᴜ',
  v: 'νѵᴠ',
  w: 'ѡԝᴡω',
  x: 'хχ',
  y: 'уγүʏ',
  z: 'ᴢ',
}

const FOLD: ReadonlyMap<string, string> = new Map(
  Object.entries(LOOKS_LIKE).flatMap(([ascii, others]) =>
    Array.from(others, (other) => [other, ascii] as const),
  ),
)

/** Longest name that is folded. */
const MAX_NAME = 256

/**
 * What a name looks like: two names with the same skeleton are taken for each other. Case, accents and look-alike letters
 * are folded; separators stay.
 */
export function skeleton(name: string): string {
  const lower = name.slice(0, MAX_NAME).normalize('NFKC').toLowerCase()
  if (/^[a-z2-9_-]*$/.test(lower)) return lower
  const bare = lower.normalize('NFD').replaceAll(/\p{Mn}/gu, '')
  return Array.from(bare, (char) => FOLD.get(char) ?? char).join('')
}

/** The skeleton without separators: `list_repos`, `list-repos`, `listRepos` and `List.Repos` are one name to a reader. */
export function fold(name: string): string {
  return skeleton(name).replaceAll(/[\s_.:/-]+/g, '')
}

/** Whether one character more, less or other turns one text into the other. Equal texts are not. */
export function isOneEditApart(a: string, b: string): boolean {
  if (a === b || Math.abs(a.length - b.length) > 1) return false
  const most = Math.min(a.length, b.length)
  let start = 0
  while (start < most && a[start] === b[start]) start++
  let end = 0
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++
  return Math.max(a.length, b.length) - start - end === 1
}
