import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { scanJson } from '../../protocol/json.ts'
import { canonicalJson } from './canonical.ts'

fc.configureGlobal({ seed: 20260728 })

const canonical = (text: string): string =>
  canonicalJson(text, scanJson(text, { detail: Infinity, maxDepth: Infinity }))

const space = fc.constantFrom('', ' ', '\n', '\t')

/** A value, written once plainly and once in another way that means the same. */
type Twin = readonly [plain: string, other: string]

const stringTwin = fc.string({ unit: 'binary', maxLength: 5 }).map((value): Twin => {
  const escaped = Array.from({ length: value.length }, (_, index) => {
    return `\\u${value.charCodeAt(index).toString(16).padStart(4, '0')}`
  })
  return [JSON.stringify(value), `"${escaped.join('')}"`]
})

const numberTwin = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: -30, max: 30 }), fc.nat(6))
  .map(([digits, power, zeros]): Twin => {
    return [`${digits}e${power}`, `${digits}${'0'.repeat(zeros)}.${'0'.repeat(3)}E${power - zeros}`]
  })

const { value: twin } = fc.letrec<{ value: Twin }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<Twin[]>(['null', ' null '], ['true', 'true '], ['0', '-0.0e5']),
    stringTwin,
    numberTwin,
    fc.array(tie('value'), { maxLength: 4 }).map((items): Twin => {
      return [
        `[${items.map(([plain]) => plain).join(',')}]`,
        `[ ${items.map(([, other]) => other).join(' ,\n')} ]`,
      ]
    }),
    fc
      .tuple(
        fc.uniqueArray(fc.tuple(stringTwin, tie('value')), {
          maxLength: 4,
          selector: ([key]) => key[0],
        }),
        space,
      )
      .map(([members, gap]): Twin => [
        `{${members.map(([key, value]) => `${key[0]}:${value[0]}`).join(',')}}`,
        `{${gap}${members
          .toReversed()
          .map(([key, value]) => `${key[1]}${gap}:${gap}${value[1]}`)
          .join(`${gap},${gap}`)}${gap}}`,
      ]),
  ),
}))

describe('canonical JSON', () => {
  test('does not depend on order, white space, escapes or how an equal number is written', () => {
    fc.assert(fc.property(twin, ([plain, other]) => canonical(plain) === canonical(other)))
  })

  test('is JSON that means the same, and its own canonical form', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const noMinusZero = (_key: string, value: unknown): unknown => (value === 0 ? 0 : value)
        assert.deepEqual(JSON.parse(canonical(text)), JSON.parse(text, noMinusZero))
        assert.equal(canonical(canonical(text)), canonical(text))
      }),
    )
  })

  test('differs wherever the meaning does', () => {
    fc.assert(
      fc.property(twin, twin, ([a], [b]) => {
        fc.pre(canonical(a) !== canonical(b))
        for (const hull of [(inner: string) => `[1,${inner}]`, (inner: string) => `{"x":{"y":${inner}}}`])
          assert.notEqual(canonical(hull(a)), canonical(hull(b)))
      }),
    )
    const meanings = [
      '1',
      '"1"',
      '[1]',
      '{"1":1}',
      'true',
      '"true"',
      'null',
      '[]',
      '{}',
      '""',
      '[1,2]',
      '[2,1]',
      '-1',
      '10',
    ]
    assert.equal(new Set(meanings.map(canonical)).size, meanings.length)
  })

  test('never loses a digit, whatever a double could hold', () => {
    const numbers = [
      '9007199254740992',
      '9007199254740993',
      '0.1',
      '0.10000000000000001',
      '1e400',
      '1e401',
      '1e-400',
      '-1e400',
    ]
    assert.equal(new Set(numbers.map(canonical)).size, numbers.length)
    assert.equal(canonical('1.50e2'), canonical('150'))
    assert.equal(canonical('1e99999999999999999999'), '1e99999999999999999999')
    assert.equal(canonical('0e99999999999999999999'), '0')
  })

  test('copes with a million zeros', () => {
    const number = `1${'0'.repeat(1_000_000)}1`
    assert.equal(canonical(number), number)
    assert.equal(canonical(`1${'0'.repeat(1_000_000)}`), '1e1000000')
  })

  test('sorts members by UTF-16 code units (RFC 8785 §3.2.3)', () => {
    assert.equal(
      canonical(String.raw`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`),
      '{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
    )
  })
})
