import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeHeaderValue, encodeHeaderValue } from './headers.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20260728 })

const wellFormed = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme-ascii' }),
  fc
    .array(fc.constantFrom('=?base64?', '?=', 'SGk=', ' ', '\t', '=', '?', 'é', '\r\n', '\0', 'a'), {
      maxLength: 5,
    })
    .map((parts) => parts.join('')),
)

test('every value is a safe field value when encoded, and comes back', () => {
  fc.assert(
    fc.property(wellFormed, (value) => {
      const header = encodeHeaderValue(value)
      assert.match(header, /^[!-~](?:[ -~]*[!-~])?$/)
      assert.equal(decodeHeaderValue(header), value)
    }),
    { numRuns: 2000 },
  )
})

test('a lone surrogate, which UTF-8 cannot hold, is replaced', () => {
  assert.equal(decodeHeaderValue(encodeHeaderValue('a\ud800')), 'a\uFFFD')
})

test('the examples of the specification', () => {
  const table: readonly (readonly [string, string])[] = [
    ['us-west1', 'us-west1'],
    ['Hello, 世界', '=?base64?SGVsbG8sIOS4lueVjA==?='],
    [' padded ', '=?base64?IHBhZGRlZCA=?='],
    ['line1\nline2', '=?base64?bGluZTEKbGluZTI=?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
  ]
  for (const [value, header] of table) {
    assert.equal(encodeHeaderValue(value), header)
    assert.equal(decodeHeaderValue(header), value)
  }
})

test('spaces inside stay plain; white space at the edges, tabs and the empty string are encoded', () => {
  assert.equal(encodeHeaderValue('a b  c'), 'a b  c')
  for (const value of ['', ' ', ' a', 'a ', '\ta', 'a\tb', '\u00a0a', 'a\u007f']) {
    assert.match(encodeHeaderValue(value), /^=\?base64\?.*\?=$/, JSON.stringify(value))
  }
  assert.equal(decodeHeaderValue(''), '')
  assert.equal(decodeHeaderValue('a\tb'), 'a\tb')
})

test('only the whole sentinel, in lower case, means Base64', () => {
  for (const header of [
    'SGVsbG8=',
    '=?base64?SGVsbG8=',
    'SGVsbG8=?=',
    '=?BASE64?SGVsbG8=?=',
    'x=?base64?SGVsbG8=?=',
    '=?base64SGVsbG8=?=',
  ]) {
    assert.equal(decodeHeaderValue(header), header)
    assert.equal(encodeHeaderValue(header), header)
  }
})

test('Base64 that is not canonical is invalid', () => {
  for (const base64 of [
    'SGVsbG8',
    'SGVsbG8==',
    'SGVs!!!bG8=',
    'SGVsbG9=',
    'SGVs bG8=',
    'SGVsbG8=\t',
    '-_-_',
    '=',
    'A',
    'SGk=SGk=',
    '?',
  ]) {
    assert.equal(decodeHeaderValue(`=?base64?${base64}?=`), undefined, base64)
  }
  assert.equal(decodeHeaderValue('=?base64??='), '')
  assert.equal(decodeHeaderValue('=?base64?='), undefined)
})

test('Base64 of bytes that are not UTF-8 is invalid', () => {
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    assert.equal(decodeHeaderValue(`=?base64?${Buffer.from(bytes).toString('base64')}?=`), undefined)
  }
  // A byte order mark is part of the value.
  assert.equal(decodeHeaderValue('=?base64?77u/YQ==?='), '\uFEFFa')
})

test('characters that no field value holds are invalid', () => {
  for (const header of ['a\0', 'a\nb', 'a\r', '\u007f', 'é', '世', 'a\u0001b', '=?base64?é?=']) {
    assert.equal(decodeHeaderValue(header), undefined, JSON.stringify(header))
  }
})

test('a header is read in one way only: what decodes from the sentinel encodes to the same header or is plain', () => {
  const header = fc.oneof(
    fc.base64String().map((base64) => `=?base64?${base64}?=`),
    fc
      .array(fc.constantFrom('A', 'Q', 'S', 'G', 'k', '=', '/', '+', '-', ' '), { maxLength: 9 })
      .map((chars) => `=?base64?${chars.join('')}?=`),
  )
  fc.assert(
    fc.property(header, (text) => {
      const value = decodeHeaderValue(text)
      if (value === undefined) return
      assert.equal(`=?base64?${Buffer.from(value).toString('base64')}?=`, text)
    }),
    { numRuns: 1000 },
  )
})
