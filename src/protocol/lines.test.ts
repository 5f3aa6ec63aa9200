import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineOverflowError, createLineSplitter, toLine } from './lines.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20260728 })

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const BAD = Symbol('bad')

interface Outcome {
  readonly lines: readonly (string | typeof BAD)[]
  readonly overflow: boolean
}

/** Feeds chunks from one buffer that is overwritten each time, as a reader may do. */
function split(chunks: readonly Uint8Array[], maxBytes = 1000): Outcome {
  const lines: (string | typeof BAD)[] = []
  const sink = { line: (text: string) => void lines.push(text), bad: () => void lines.push(BAD) }
  const splitter = createLineSplitter(sink, maxBytes)
  const shared = new Uint8Array(Math.max(0, ...chunks.map((chunk) => chunk.length)))
  try {
    for (const chunk of chunks) {
      shared.set(chunk)
      splitter.push(shared.subarray(0, chunk.length))
      shared.fill(0x7f)
    }
    splitter.end()
    return { lines, overflow: false }
  } catch (error) {
    assert.ok(error instanceof LineOverflowError)
    return { lines, overflow: true }
  }
}

/** The same on all bytes at once: as Latin-1, so that every byte is one character. */
function reference(bytes: Uint8Array, maxBytes: number): Outcome {
  const lines: (string | typeof BAD)[] = []
  for (const latin1 of Buffer.from(bytes).toString('latin1').split('\n')) {
    if (latin1.length > maxBytes) return { lines, overflow: true }
    const raw = Buffer.from(latin1.replace(/\r$/, ''), 'latin1')
    const text = raw.toString('utf8')
    if (raw.length > 0) lines.push(Buffer.from(text, 'utf8').equals(raw) ? text : BAD)
  }
  return { lines, overflow: false }
}

function cut(bytes: Uint8Array, sizes: readonly number[]): readonly Uint8Array[] {
  const chunks: Uint8Array[] = []
  let from = 0
  for (let index = 0; from < bytes.length; index++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[index % sizes.length] ?? 1)
    chunks.push(bytes.subarray(from, from + size))
    from += size
  }
  return chunks
}

test('any bytes in any chunks give the same lines', () => {
  const piece = fc.oneof(
    fc
      .constantFrom('\n', '\n', '\r\n', '\r', '{"a":1}', 'é', '世😀', '\uFEFF', ' ', 'abc')
      .map((text) => [...bytesOf(text)]),
    fc.constantFrom([0xff], [0xc3], [0x80], [0xed, 0xa0, 0x80], [0]),
  )
  const sizes = fc.oneof(fc.constant([1]), fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 }))
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 24 }),
      sizes,
      fc.integer({ min: 3, max: 40 }),
      (pieces, chunkSizes, maxBytes) => {
        const bytes = Uint8Array.from(pieces.flat())
        assert.deepEqual(split(cut(bytes, chunkSizes), maxBytes), reference(bytes, maxBytes))
      },
    ),
    { numRuns: 1500 },
  )
})

test('LF and CRLF end a line, a lone CR does not, blank lines are skipped', () => {
  assert.deepEqual(split([bytesOf('a\nb\r\n\n\r\nc\rd\n')]).lines, ['a', 'b', 'c\rd'])
})

test('the last line needs no line break', () => {
  assert.deepEqual(split([bytesOf('a\nb')]).lines, ['a', 'b'])
  assert.deepEqual(split([]).lines, [])
})

test('a line that is not UTF-8 is reported, and the next one is read', () => {
  assert.deepEqual(split([Uint8Array.from([...bytesOf('a\n'), 0xc3, 0x28, 0x0a, ...bytesOf('é\n')])]).lines, [
    'a',
    BAD,
    'é',
  ])
})

test('a line may be as long as the bound and no longer', () => {
  assert.deepEqual(split([bytesOf('12345\n1234é')], 6), { lines: ['12345', '1234é'], overflow: false })
  assert.deepEqual(split([bytesOf('a\n1234567\nb\n')], 6), { lines: ['a'], overflow: true })
})

test('a line without an end is refused as soon as it is too long', () => {
  const splitter = createLineSplitter(
    { line: () => assert.fail('no line'), bad: () => assert.fail('not bad') },
    1000,
  )
  splitter.push(bytesOf('x'.repeat(1000)))
  assert.throws(() => splitter.push(bytesOf('x')), LineOverflowError)
})

test('a long line in chunks of one byte is read', () => {
  const text = 'x'.repeat(100_000)
  assert.deepEqual(split(cut(bytesOf(`${text}\n`), [1]), 100_000).lines, [text])
})

test('JSON becomes one line that means the same', () => {
  assert.equal(toLine('{"a":1}'), '{"a":1}\n')
  assert.equal(toLine('{\r\n  "a": "x\\ny"\n}'), '{    "a": "x\\ny" }\n')
  fc.assert(
    fc.property(fc.json(), fc.constantFrom('\n', '\r\n', '\r', '  '), (json, indent) => {
      const pretty = JSON.stringify(JSON.parse(json), undefined, 1).replaceAll('\n', indent)
      const line = toLine(pretty)
      assert.match(line, /^[^\r\n]*\n$/)
      assert.deepEqual(JSON.parse(line), JSON.parse(json))
    }),
  )
})
