import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canBeginWith, canMeet, glob } from './glob.ts'

/** Short words over few letters meet often. */
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '_', '*'), maxLength: 8 })
const word = fc.string({ unit: fc.constantFrom('a', 'b', '_'), maxLength: 8 })

const asRegExp = (text: string): RegExp =>
  new RegExp(
    `^${text
      .split('*')
      .map((part) => part.replace(/[^a-z_]/g, '\\$&'))
      .join('.*')}$`,
    's',
  )

/** Every word of up to that many letters. */
function words(length: number): readonly string[] {
  if (length === 0) return ['']
  const shorter = words(length - 1)
  return [...new Set([...shorter, ...shorter.flatMap((each) => ['a', 'b'].map((letter) => each + letter))])]
}

test('a glob matches what the same regular expression matches', () => {
  fc.assert(
    fc.property(pattern, word, (text, other) => {
      assert.equal(glob(text).matches(other), asRegExp(text).test(other))
    }),
    { numRuns: 3000 },
  )
})

test('two globs can meet where some text matches both', () => {
  const short = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 3 })
  const all = words(6)
  fc.assert(
    fc.property(short, short, (left, right) => {
      const meets = all.some((text) => glob(left).matches(text) && glob(right).matches(text))
      assert.equal(canMeet(left, right), meets, `${left} ${right}`)
    }),
    { numRuns: 2000 },
  )
})

test('a glob can begin with a prefix only where its stars allow it', () => {
  assert.ok(canBeginWith('github_list', 'github_'))
  assert.ok(canBeginWith('g*', 'github_'))
  assert.ok(!canBeginWith('git', 'github_'))
  assert.ok(!canBeginWith('a_*', 'b_'))
})

test('many stars take no more than a moment', () => {
  const text = 'a'.repeat(2000)
  assert.equal(glob(`${'a*'.repeat(500)}b`).matches(text), false)
  assert.equal(canMeet(`${'a*'.repeat(200)}b`, `${'*a'.repeat(200)}c`), false)
})
