import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseCount, parseDuration, parseSize } from './units.ts'

test('durations are milliseconds', () => {
  for (const [text, expected] of [
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['0s', 0],
  ] as const) {
    assert.deepEqual(parseDuration(text), { value: expected }, text)
  }
})

test('a bare number is refused with both readings', () => {
  for (const found of [30, '30']) {
    assert.deepEqual(parseDuration(found), {
      expected: 'expected a duration with its unit, such as 30s, 500ms, 2m or 1h',
      hint: '30s or 30ms',
    })
  }
  assert.deepEqual(parseSize(4), {
    expected: 'expected a size with its unit, such as 4MiB, 512KiB or 1MB',
    hint: '4B or 4MiB',
  })
})

test('durations and sizes out of bounds are refused', () => {
  assert.deepEqual(parseDuration('0ms', 1), { expected: 'expected a duration of at least 1ms' })
  assert.deepEqual(parseDuration('1000h'), { expected: 'expected a duration of at most 24 days' })
  assert.deepEqual(parseSize('0B'), { expected: 'expected a size of at least 1B' })
  assert.deepEqual(parseSize('1GiB'), { expected: 'expected a size of at most 256MiB' })
})

test('sizes are bytes, in powers of 1000 and of 1024', () => {
  for (const [text, expected] of [
    ['1MB', 1_000_000],
    ['4MiB', 4_194_304],
    ['512KiB', 524_288],
    ['2kB', 2000],
    ['7B', 7],
  ] as const) {
    assert.deepEqual(parseSize(text), { value: expected }, text)
  }
})

test('counts are whole numbers within bounds, also as text', () => {
  assert.deepEqual(parseCount('8080', 1, 65_535), { value: 8080 })
  for (const found of ['', '1.5', 1.5, 0, 11, '0x1', null, true]) {
    assert.deepEqual(parseCount(found, 1, 10), { expected: 'expected a whole number from 1 to 10' })
  }
})

test('property: what is read is the number times its unit, and nothing else is read', () => {
  const units = { ms: 1, s: 1000, m: 60_000 } as const
  fc.assert(
    fc.property(
      fc.nat(30_000),
      fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
      (n, unit) => {
        assert.deepEqual(parseDuration(`${n}${unit}`), { value: n * units[unit] })
        for (const odd of [
          `${n} ${unit}`,
          `-${n}${unit}`,
          `${n}.5${unit}`,
          `${n}${unit} `,
          `${n}${unit}${unit}`,
        ]) {
          assert.ok('expected' in parseDuration(odd), odd)
        }
      },
    ),
  )
  fc.assert(
    fc.property(fc.anything(), (found) => {
      const parsed = parseDuration(found)
      if ('value' in parsed) assert.match(String(found), /^\d+(ms|s|m|h)$/)
    }),
  )
})
