import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createKey, digestOfHash, idOfHash, readKey, storedHash } from './api-key.ts'

describe('an API key', () => {
  test('has a form that secret scanners know, and proves itself by it', () => {
    const keys = new Set(Array.from({ length: 200 }, createKey))
    assert.equal(keys.size, 200)
    for (const key of keys) {
      const [, id, secret = ''] = /^tg_([0-9a-f]{8})_([0-9A-Za-z]{43})$/.exec(key) ?? []
      const sha256 = createHash('sha256').update(secret).digest('hex')
      assert.equal(sha256.slice(0, 8), id)
      const parts = readKey(key)
      assert.ok(parts)
      assert.equal(storedHash(parts), `sha256:${sha256}`)
      assert.equal(idOfHash(storedHash(parts)), id)
      assert.deepEqual(digestOfHash(storedHash(parts)), parts.digest)
    }
  })

  test('is no key any more with one character changed, left out or added', () => {
    const key = createKey()
    fc.assert(
      fc.property(fc.nat(key.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, char) => {
        const changed = key.slice(0, at) + char + key.slice(at + 1)
        assert.equal(readKey(changed) === undefined, changed !== key)
        assert.equal(readKey(key.slice(0, at) + char + key.slice(at)), undefined)
        assert.equal(readKey(key.slice(0, at) + key.slice(at + 1)), undefined)
      }),
    )
  })

  test('is nothing that anybody else would write', () => {
    fc.assert(fc.property(fc.string(), (text) => readKey(text) === undefined))
    for (const text of [
      '',
      'tg_',
      'tg__',
      `tg_00000000_${'a'.repeat(43)}`,
      `${createKey()}\n`,
      'x'.repeat(1e6),
    ]) {
      assert.equal(readKey(text), undefined)
    }
  })
})
