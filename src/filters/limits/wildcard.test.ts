import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { wildcard } from './wildcard.ts'

test('a pattern fits as the regular expression does that says the same', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*'), maxLength: 8 })
  fc.assert(
    fc.property(
      letters,
      fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 12 }),
      (pattern, text) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`)
        assert.equal(wildcard(pattern)(text), expression.test(text))
      },
    ),
    { numRuns: 5000 },
  )
})
