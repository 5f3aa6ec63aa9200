import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Output } from './io.ts'
import { duration, oneLine, paint, printable, table, wrap } from './text.ts'

const output = (columns: number, color = false): Output => ({
  write: () => undefined,
  isTTY: color,
  columns,
  color,
})

test('a table wraps its last column and is never wider than the terminal', () => {
  const rows = [
    ['NAME', 'WHERE'],
    ['a', 'one two three four five six seven eight'],
  ]
  assert.equal(
    table(rows, output(24)),
    'NAME  WHERE\na     one two three four\n      five six seven\n      eight\n',
  )
})

test('colours only where they are wanted', () => {
  assert.equal(paint(output(80), 'red', 'x'), 'x')
  assert.equal(paint(output(80, true), 'red', 'x'), '\u001B[31mx\u001B[39m')
})

test('control characters and marks of direction are not printed', () => {
  assert.equal(printable('a\u001B[2J\u0007b\u009Bc\u202Ed\te\r\nf'), 'a�[2J�b�c�d\te\nf')
  assert.equal(oneLine('  a\n\n b\tc ', 4), 'a b…')
})

test('durations read well', () => {
  assert.deepEqual([0, 12.4, 999, 1500, 30_000, 120_000, 3_600_000].map(duration), [
    '0ms',
    '12ms',
    '999ms',
    '1.5s',
    '30s',
    '2m',
    '1h',
  ])
})

test('property: wrapping loses nothing and keeps to the width', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: 40 }), (text, width) => {
      const lines = wrap(text, width)
      assert.ok(lines.every((line) => line.length <= width))
      assert.equal(lines.join('').replaceAll(' ', ''), text.replaceAll(' ', ''))
    }),
  )
})
