import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { escapeHidden, hiddenIn, hiddenInName } from './hidden.ts'

fc.configureGlobal({ seed: 20260728 })

const tags = (text: string): string =>
  Array.from(text, (char) => String.fromCodePoint(0xe0000 + (char.codePointAt(0) ?? 0))).join('')
const flag = (region: string): string => `\u{1F3F4}${tags(region)}\u{E007F}`

describe('text for people', () => {
  const ordinary: Readonly<Record<string, string>> = {
    'plain text with breaks and tabs': 'One\r\n\ttwo — “three”, café',
    'emoji of several': '👨‍👩‍👧‍👦 👩🏽‍⚕️ 🏳️‍🌈 ❤️‍🔥 🧑‍🤝‍🧑',
    'presentation of emoji': '❤️ ☎︎ 1️⃣ #️⃣ ©️',
    'flags of regions': `${flag('gbeng')}${flag('gbsct')}${flag('gbwls')} 🇫🇷`,
    'Persian with non-joiners': 'می‌خواهم نامه‌ای بنویسم',
    'Hindi with joiners': 'क्‍ष र्‍य',
    'Arabic and Hebrew with marks of direction': 'السعر (\u200f10$) שלום\u200e!',
    'ideographic variants': '葛\u{E0100}城',
    'Thai, Korean, Chinese, Mongolian': 'สวัสดี 한국어 中文 ᠮᠣᠩᠭᠤᠯ᠋',
  }
  for (const [what, text] of Object.entries(ordinary)) {
    test(`is left as it is: ${what}`, () => {
      assert.equal(escapeHidden(text), text)
    })
  }

  const hidden: Readonly<Record<string, readonly [text: string, shown: string]>> = {
    'orders in tags': [`ok${tags('hi')}`, String.raw`ok\u{e0068}\u{e0069}`],
    'orders in the tags of a flag': [
      flag('usca'),
      `🏴${String.raw`\u{e0075}\u{e0073}\u{e0063}\u{e0061}\u{e007f}`}`,
    ],
    'a flag that goes on': [`${flag('gbeng')}${tags('a')}`, `${flag('gbeng')}${String.raw`\u{e0061}`}`],
    'overrides of direction': ['a\u202eb\u202c\u2066c\u2069', String.raw`a\u202eb\u202c\u2066c\u2069`],
    'zero-width text': ['a\u200b\u200d\u2060\ufeffb', String.raw`a\u200b\u200d\u2060\ufeffb`],
    'joiners between Latin letters': ['pass\u200dword', String.raw`pass\u200dword`],
    'bytes in variation selectors': ['😀\ufe0f\ufe01\u{e0105}', `😀\ufe0f${String.raw`\ufe01\u{e0105}`}`],
    'bits in marks of direction': ['a\u200e\u200f\u200eb', String.raw`a\u200e\u200f\u200eb`],
    controls: ['\u0000\u001b[2J\u0085\u009b\u007f', String.raw`\u0000\u001b[2J\u0085\u009b\u007f`],
    'fillers, soft hyphens, separators': ['\u3164\u00ad\u2028\u115f', String.raw`\u3164\u00ad\u2028\u115f`],
    'notes between lines': ['\ufff9a\ufffb', String.raw`\ufff9a\ufffb`],
  }
  for (const [what, [text, shown]] of Object.entries(hidden)) {
    test(`shows ${what}`, () => {
      assert.equal(escapeHidden(text), shown)
      assert.deepEqual(hiddenIn(shown), [])
    })
  }

  test('has no tag, control, override or zero-width space left, whatever it was made of', () => {
    const unit = fc.oneof(
      fc.constantFrom('a', ' ', '😀', '\u{1F3F4}', 'م', 'क', '葛'),
      fc.integer({ min: 0x200b, max: 0x206f }).map((code) => String.fromCodePoint(code)),
      fc.integer({ min: 0xe0000, max: 0xe01ef }).map((code) => String.fromCodePoint(code)),
      fc.integer({ min: 0, max: 0x9f }).map((code) => String.fromCodePoint(code)),
    )
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 20 }), (text) => {
        const shown = escapeHidden(text)
        assert.equal(escapeHidden(shown), shown)
        const left = shown.replaceAll(new RegExp(['gbeng', 'gbsct', 'gbwls'].map(flag).join('|'), 'gu'), '')
        assert.doesNotMatch(left, /[[\p{Cc}\u200b\u202a-\u202e\u2060-\u206f\u{e0000}-\u{e007f}]--[\t\n\r]]/v)
        // No two of what is drawn as nothing stand side by side, so that no run of them can carry a text.
        assert.doesNotMatch(left, /\p{DI}\p{DI}\p{DI}/u)
      }),
    )
  })
})

test('names show all that they are', () => {
  for (const name of ['list_repos', 'a.b/c-d', 'größe', '検索', 'поиск', '😀'])
    assert.equal(hiddenInName(name), undefined)
  const refused: Readonly<Record<string, string>> = {
    'a\u0000': 'U+0000',
    'a\nb': 'U+000A',
    'a\u0085': 'U+0085',
    'a\u200bb': 'U+200B',
    'a\u200d': 'U+200D',
    'a\u202eb': 'U+202E',
    '❤\ufe0f': 'U+FE0F',
    'a\u{e0041}': 'U+E0041',
    'a\ue000': 'U+E000',
    'a\ud800': 'U+D800',
    'a\u00adb': 'U+00AD',
    '\ufeffa': 'U+FEFF',
    'a\uffff': 'U+FFFF',
  }
  for (const [name, code] of Object.entries(refused)) assert.equal(hiddenInName(name), code)
})
