import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  drawId,
  isInSample,
  readBaggage,
  readTraceparent,
  readTracestate,
  writeTraceparent,
} from './trace-context.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const GOOD = `00-${TRACE}-${SPAN}-01`

const hex = (digits: number): fc.Arbitrary<string> =>
  fc
    .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: digits, maxLength: digits })
    .filter((text) => /[^0]/.test(text))

describe('traceparent', () => {
  test('is read, and written again as it was', () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.integer({ min: 0, max: 3 }), (traceId, spanId, flags) => {
        const text = writeTraceparent({ traceId, spanId, flags })
        assert.deepEqual(readTraceparent(text), { traceId, spanId, flags })
      }),
    )
  })

  for (const [why, text] of [
    ['an id of a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['an id of a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['upper case', GOOD.toUpperCase()],
    ['version ff', `ff${GOOD.slice(2)}`],
    ['more than version 00 has', `${GOOD}-extra`],
    ['more of a later version without a dash', `01${GOOD.slice(2)}extra`],
    ['too short', GOOD.slice(0, -1)],
    ['two of them', `${GOOD}, ${GOOD}`],
    ['space', ` ${GOOD}`],
    ['a newline', `${GOOD}\n`],
    ['nothing', ''],
    ['very much', `01${GOOD.slice(2)}-${'x'.repeat(1000)}`],
  ] as const)
    test(`is none with ${why}`, () => assert.equal(readTraceparent(text), undefined))

  test('of a later version is read as far as it is known', () => {
    const known = { traceId: TRACE, spanId: SPAN, flags: 255 }
    assert.deepEqual(readTraceparent(`01-${TRACE}-${SPAN}-ff-more`), known)
    assert.equal(writeTraceparent(known), `00-${TRACE}-${SPAN}-03`)
  })

  test('is well-formed whatever is read: one wrong character is enough', () => {
    fc.assert(
      fc.property(fc.nat(GOOD.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, char) => {
        const read = readTraceparent(GOOD.slice(0, at) + char + GOOD.slice(at + 1))
        if (read === undefined) return
        assert.match(writeTraceparent(read), /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]$/)
      }),
      { numRuns: 1000 },
    )
    fc.assert(fc.property(fc.string(), (text) => readTraceparent(text) === undefined))
  })
})

describe('tracestate', () => {
  for (const [text, read] of [
    ['rojo=00f067aa0ba902b7,congo=t61rcWkgMzE', 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE'],
    [' a=1 ,\t b=2,', 'a=1,b=2'],
    ['tenant@vendor=x', 'tenant@vendor=x'],
    ['a=1,a=2', undefined],
    ['A=1', undefined],
    ['a', undefined],
    ['a=', undefined],
    ['a=b=c', undefined],
    ['a=\u00e9', undefined],
    ['a=1\r\nx-injected: 1', undefined],
    ['', undefined],
    [`a=${'x'.repeat(511)}`, undefined],
    [Array.from({ length: 33 }, (_, index) => `k${index}=1`).join(','), undefined],
  ] as const)
    test(`${JSON.stringify(text).slice(0, 40)} is ${read === undefined ? 'none' : 'one'}`, () =>
      assert.equal(readTracestate(text), read))

  test('never holds what a header cannot', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const read = readTracestate(text)
        assert.ok(read === undefined || (/^[\x20-\x7e]+$/.test(read) && read.length <= 512))
      }),
    )
  })
})

describe('baggage', () => {
  for (const [text, good] of [
    ['userId=alice,serverNode=DF%2028,isProduction=false', true],
    ['key1=value1;property1;property2, key2 = value2', true],
    ['a', false],
    ['a=b c', false],
    ['a="b"', false],
    ['', false],
    ['a=1\r\nx: 1', false],
    [`a=${'x'.repeat(8192)}`, false],
    [Array.from({ length: 65 }, (_, index) => `k${index}=1`).join(','), false],
  ] as const)
    test(`${JSON.stringify(text).slice(0, 40)} is ${good ? 'one' : 'none'}`, () =>
      assert.equal(readBaggage(text), good ? text : undefined))
})

describe('a drawn id', () => {
  test('has all its digits, and is never all zero', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (number) => {
        const parent = { traceId: drawId(16, () => number), spanId: drawId(8, () => number), flags: 1 }
        assert.deepEqual(readTraceparent(writeTraceparent(parent)), parent)
      }),
    )
    assert.equal(
      drawId(8, () => 0),
      '0000000000000001',
    )
  })

  test('is in a sample as often as wanted', () => {
    const ids = Array.from({ length: 20_000 }, () => drawId(16, Math.random))
    assert.equal(ids.filter((id) => isInSample(id, 1)).length, ids.length)
    const share = ids.filter((id) => isInSample(id, 0.1)).length / ids.length
    assert.ok(share > 0.08 && share < 0.12, String(share))
  })
})
