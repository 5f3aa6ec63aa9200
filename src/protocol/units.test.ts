import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JsonSyntaxError, scanJson, valueOf } from './json.ts'
import { unitsOf } from './units.ts'

test('texts of every size are read alike, whatever characters they have', () => {
  // Around the lengths at which strings are searched, and at which a text gets room of its own.
  const lengths = [
    0, 1, 46, 47, 48, 49, 50, 21_835, 21_840, 21_845, 32_740, 32_750, 32_767, 32_768, 65_510, 65_520, 65_535,
    65_536,
  ]
  for (const length of lengths)
    for (const filler of ['x', 'é', '中', '\u{1f600}'])
      for (const piece of [
        '',
        String.raw`\n`,
        String.raw`\q`,
        '\u0001',
        '"',
        String.raw`\u12`,
        String.raw`\u12g4`,
      ]) {
        for (const text of [
          `["${filler.repeat(length)}${piece}"]`,
          `{"${piece}":"${filler.repeat(length)}"}`,
          `["${filler.repeat(length)}`,
        ]) {
          const expected = parsed(text)
          const value = parsed(text, (source) => valueOf(source, scanJson(source)))
          assert.deepEqual(value, expected, `${length} ${filler} ${piece}`)
        }
      }
})

/** The value of a text, or that it has none. */
function parsed(text: string, parse: (source: string) => unknown = (source) => JSON.parse(source)): unknown {
  try {
    return { value: parse(text) }
  } catch (error) {
    assert.ok(error instanceof JsonSyntaxError || error instanceof SyntaxError)
    return 'no JSON'
  }
}

test('the units of a text are those of the string, with a zero after them', () => {
  for (const text of ['', 'abc', 'é', 'a\u4e2d\u{1f600}', 'x'.repeat(70_000), 'é'.repeat(40_000), 'short']) {
    const units = unitsOf(text)
    assert.equal(units[text.length], 0)
    for (let at = 0; at < text.length; at += 997) assert.equal(units[at], text.charCodeAt(at))
  }
})
