import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { KEY_BYTES } from '../config/sealing-schema.ts'
import { createSealer, randomKey } from './seal.ts'

const sealer = createSealer(randomKey())
const contexts = fc.array(fc.string(), { maxLength: 4 })

describe('a sealed handle', () => {
  test('opens to the value in the context it was made for', () => {
    fc.assert(
      fc.property(fc.jsonValue(), contexts, (value, context) => {
        const plain: unknown = JSON.parse(JSON.stringify(value))
        assert.deepEqual(sealer.open(sealer.seal(value, context), context), plain)
      }),
    )
  })

  test('never opens in another context, however the parts are cut', () => {
    fc.assert(
      fc.property(contexts, contexts, (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other))
        assert.equal(sealer.open(sealer.seal(1, one), other), undefined)
      }),
    )
    const handle = sealer.seal(1, ['ab', 'c'])
    assert.equal(sealer.open(handle, ['a', 'bc']), undefined)
    assert.equal(sealer.open(handle, ['abc']), undefined)
    assert.equal(sealer.open(handle, ['ab', 'c', '']), undefined)
  })

  test('never opens after a change of any character', () => {
    const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .']
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), fc.constantFrom(...alphabet), (value, where, letter) => {
        const handle = sealer.seal(value, ['x'])
        const at = where % handle.length
        fc.pre(handle[at] !== letter)
        assert.equal(sealer.open(handle.slice(0, at) + letter + handle.slice(at + 1), ['x']), undefined)
      }),
      { numRuns: 500 },
    )
  })

  test('has one spelling: the spare bits of its last character must be zero', () => {
    // 28 bytes around a one-byte value leave 29: the last character carries two spare bits.
    const handle = sealer.seal(1, [])
    const twins = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
      .map((last) => handle.slice(0, -1) + last)
      .filter((twin) => Buffer.from(twin, 'base64url').equals(Buffer.from(handle, 'base64url')))
    assert.ok(twins.length > 1, 'there are other spellings of the same bytes')
    assert.deepEqual(
      twins.filter((twin) => sealer.open(twin, []) !== undefined),
      [handle],
    )
    assert.equal(sealer.open(`${handle}=`, []), undefined)
    assert.equal(sealer.open(`${handle}\n`, []), undefined)
  })

  test('never opens shortened, lengthened or with parts of another', () => {
    const a = sealer.seal([1, 2, 3], ['x'])
    const b = sealer.seal([4, 5, 6], ['x'])
    for (let cut = 0; cut < a.length; cut++) {
      assert.equal(sealer.open(a.slice(0, cut), ['x']), undefined)
      assert.equal(sealer.open(a.slice(cut + 1), ['x']), undefined)
      const mixed = a.slice(0, cut) + b.slice(cut)
      // Two handles may well end alike.
      if (mixed !== a && mixed !== b) assert.equal(sealer.open(mixed, ['x']), undefined)
    }
    assert.equal(sealer.open(a + b, ['x']), undefined)
  })

  test('opens with its own key alone', () => {
    const key = randomKey()
    assert.equal(key.length, KEY_BYTES)
    const handle = createSealer(key).seal('v', ['x'])
    assert.equal(createSealer(Uint8Array.from(key)).open(handle, ['x']), 'v')
    for (let bit = 0; bit < KEY_BYTES * 8; bit += 7) {
      const other = key.map((byte, index) => (index === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
      assert.equal(createSealer(other).open(handle, ['x']), undefined)
    }
  })

  test('opens with every key of a ring, and with no other, whichever key of the ring sealed it', () => {
    const key = fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES })
    const ring = fc.uniqueArray(key, { minLength: 2, maxLength: 8, selector: String })
    fc.assert(
      fc.property(ring, fc.nat(), fc.jsonValue(), (keys, at, value) => {
        const [mine = keys, ...others] = [keys[at % keys.length], ...keys.toSpliced(at % keys.length, 1)]
        assert.ok(mine instanceof Uint8Array)
        const handle = createSealer(mine).seal(value, ['x'])
        const [first = mine, ...older] = keys
        assert.deepEqual(createSealer(first, ...older).open(handle, ['x']), JSON.parse(JSON.stringify(value)))
        assert.equal(createSealer(first, ...older).open(handle, ['y']), undefined)
        const [stranger = mine, ...strangers] = others.filter((each) => each instanceof Uint8Array)
        assert.equal(createSealer(stranger, ...strangers).open(handle, ['x']), undefined)
      }),
    )
  })

  test('is sealed with the first key', () => {
    const [old, young] = [randomKey(), randomKey()]
    const handle = createSealer(young, old).seal('v', ['x'])
    assert.equal(createSealer(young).open(handle, ['x']), 'v')
    assert.equal(createSealer(old).open(handle, ['x']), undefined)
  })

  test('is never the same twice, and shows nothing of its value', () => {
    const handles = Array.from({ length: 200 }, () => sealer.seal('the same value', ['x']))
    assert.equal(new Set(handles).size, handles.length)
    assert.ok(!Buffer.from(handles[0] ?? '', 'base64url').includes('same value'))
  })

  test('is not looked at when it is longer than any that was made', () => {
    const long = sealer.seal('x'.repeat(20_000), [])
    assert.equal(sealer.open(long, []), undefined)
    assert.equal(sealer.open('', []), undefined)
  })
})
