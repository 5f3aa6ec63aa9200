import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { pythonSortedJson } from './python-json.ts'
import { sortedJsonHmac } from './sign.ts'

interface Vectors {
  readonly secret: string
  readonly vectors: readonly { readonly body: string; readonly text: string; readonly signature: string }[]
}

const { secret, vectors } = JSON.parse(
  readFileSync(new URL('./vectors/python-json.json', import.meta.url), 'utf8'),
) as Vectors

describe('sorted JSON as Python writes it', () => {
  for (const { body, text, signature } of vectors) {
    test(`of ${body.slice(0, 60)}`, () => {
      assert.equal(pythonSortedJson(body), text)
      assert.equal(sortedJsonHmac(createSecretKey(secret, 'utf8'), body), signature)
    })
  }

  test('does not depend on the order of members or on white space', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), (value) => {
        const backwards = Object.fromEntries(Object.entries(value).toReversed())
        assert.equal(
          pythonSortedJson(JSON.stringify(backwards, null, 2)),
          pythonSortedJson(JSON.stringify(value)),
        )
      }),
    )
  })

  test('means the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.deepEqual(
          JSON.parse(pythonSortedJson(JSON.stringify(value))),
          JSON.parse(JSON.stringify(value)),
        )
      }),
    )
  })

  test('refuses what readers disagree about, and what Python does not read', () => {
    assert.throws(() => pythonSortedJson('{"a":1,"a":2}'), /Duplicate member/)
    assert.throws(() => pythonSortedJson('{"a":'), /Unexpected end/)
    assert.equal(pythonSortedJson('9'.repeat(4300)), '9'.repeat(4300))
    assert.throws(() => pythonSortedJson('9'.repeat(4301)), RangeError)
  })
})
