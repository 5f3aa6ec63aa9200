import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type SseEvent,
  SSE_KEEP_ALIVE,
  SseEncodingError,
  SseOverflowError,
  createSseParser,
  encodeSse,
} from './sse.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20260728 })

interface Outcome {
  readonly events: readonly SseEvent[]
  readonly retry: number | undefined
  readonly error: string | undefined
}

/** Feeds chunks from one buffer that is overwritten each time, as a reader may do. */
function parse(chunks: readonly Uint8Array[], maxEventBytes = 1000): Outcome {
  const events: SseEvent[] = []
  const parser = createSseParser((event) => events.push(event), maxEventBytes)
  const shared = new Uint8Array(Math.max(0, ...chunks.map((chunk) => chunk.length)))
  let error: string | undefined
  try {
    for (const chunk of chunks) {
      shared.set(chunk)
      parser.push(shared.subarray(0, chunk.length))
      shared.fill(0x7f)
    }
    parser.end()
  } catch (thrown) {
    assert.ok(thrown instanceof SseOverflowError || thrown instanceof SseEncodingError)
    error = thrown.name
  }
  return { events, retry: parser.retry(), error }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const parseText = (text: string, maxEventBytes?: number): Outcome => parse([bytesOf(text)], maxEventBytes)
const dataOf = (text: string): readonly string[] => parseText(text).events.map((event) => event.data)

/** The rules of WHATWG HTML 9.2.6 as they are written, on the whole text at once. */
function reference(text: string): Outcome {
  const events: SseEvent[] = []
  let [data, type, id] = ['', '', '']
  let retry: number | undefined
  for (const line of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\r|\n/)
    .slice(0, -1)) {
    if (line === '') {
      if (data !== '')
        events.push({ event: type || 'message', data: data.replace(/\n$/, ''), id: id || undefined })
      data = ''
      type = ''
      continue
    }
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/su.exec(line) ?? []
    if (field === 'data') data += `${value}\n`
    if (field === 'event') type = value
    if (field === 'id' && !value.includes('\0')) id = value
    if (field === 'retry' && /^[0-9]+$/.test(value)) retry = Number(value)
  }
  return { events, retry, error: undefined }
}

/** Cuts bytes at any places, between the bytes of a character and of a CRLF too. */
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

const sizes = fc.oneof(fc.constant([1]), fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 }))
const line = fc.oneof(
  fc.constantFrom(
    '',
    '',
    '',
    'data',
    'data:',
    'data: x',
    'data:x',
    'data:  two spaces ',
    'data: a: b',
    'data: é世界😀',
  ),
  fc.constantFrom(
    ' data: x',
    'data : x',
    'Data: x',
    ':',
    ': comment',
    ':data: x',
    'event',
    'event: update',
    'event:',
    'foo: bar',
  ),
  fc.constantFrom(
    'id',
    'id: 1',
    'id: 2',
    'id: a\0b',
    'retry: 10',
    'retry: x',
    'retry: 1.5',
    'retry:',
    '\uFEFFdata: x',
    'data: \uFEFF',
  ),
)
const stream = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\n', '\r', '\r\n')), { maxLength: 20 })
  .chain((lines) => fc.tuple(fc.constant(lines.map((pair) => pair.join('')).join('')), line))
  .map(([lines, rest]) => lines + rest)

test('any stream in any chunks gives what the standard says', () => {
  fc.assert(
    fc.property(stream, sizes, (text, chunkSizes) => {
      assert.deepEqual(parse(cut(bytesOf(text), chunkSizes)), reference(text))
    }),
    { numRuns: 1500 },
  )
})

test('any bytes and any bound give the same in any chunks: the same events before the same error', () => {
  const byte = fc.constantFrom(...bytesOf('data: x\n\r\n\n:é😀'), 0xff, 0xc3, 0x80, 0xed, 0xf0, 0x0a, 0x0a)
  const piece = fc.oneof(
    fc.array(byte, { maxLength: 4 }),
    fc.constantFrom('data: x\n\n', 'data: é\n', '\n', ': c\r\n').map((text) => [...bytesOf(text)]),
  )
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 12 }),
      sizes,
      fc.integer({ min: 4, max: 30 }),
      (pieces, chunkSizes, bound) => {
        const bytes = Uint8Array.from(pieces.flat())
        const [whole, chunked] = [parse([bytes], bound), parse(cut(bytes, chunkSizes), bound)]
        // A line that is both too long and not UTF-8 may fail for either reason, but at the same place.
        assert.deepEqual(chunked.events, whole.events)
        assert.equal(chunked.error === undefined, whole.error === undefined)
      },
    ),
    { numRuns: 1000 },
  )
})

test('what is encoded is read back, a line break of any kind as LF', () => {
  const text = fc
    .array(fc.constantFrom('a', ' ', ':', '\n', '\r', '\r\n', 'é', '\uFEFF', 'data: ', '{"a":1}'), {
      maxLength: 10,
    })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(
      text,
      fc.option(fc.constantFrom('1', 'a b', 'é'), { nil: undefined }),
      sizes,
      (data, id, chunkSizes) => {
        const expected = [{ event: 'message', data: data.replaceAll(/\r\n|\r/g, '\n'), id }]
        assert.deepEqual(
          parse(cut(bytesOf(SSE_KEEP_ALIVE + encodeSse(data, id) + SSE_KEEP_ALIVE), chunkSizes)).events,
          expected,
        )
      },
    ),
  )
})

test('a message is encoded as one event', () => {
  assert.equal(encodeSse('{"a":1}'), 'event: message\ndata: {"a":1}\n\n')
  assert.equal(encodeSse('{\r\n"a":1\n}', '7'), 'event: message\nid: 7\ndata: {\ndata: "a":1\ndata: }\n\n')
  assert.equal(encodeSse(''), 'event: message\ndata: \n\n')
  for (const id of ['a\nb', 'a\rb', '\0']) assert.throws(() => encodeSse('{}', id), TypeError)
})

test('an event is dispatched by its blank line, be it CR, LF or CRLF, and not later', () => {
  for (const end of ['\n\n', '\r\r', '\r\n\r\n', '\n\r', '\r\n\r', '\n\r\n']) {
    assert.deepEqual(dataOf(`data: x${end}`), ['x'], JSON.stringify(end))
  }
  assert.deepEqual(dataOf('data: x\r\n'), [])
})

test('the LF of a CRLF ends no second line, though it comes in a chunk of its own', () => {
  const chunks = ['data: a\r', '\n', 'data: b\r', '\n\r', '\n', 'data: c\n\n'].map(bytesOf)
  assert.deepEqual(
    parse(chunks).events.map((event) => event.data),
    ['a\nb', 'c'],
  )
  // An empty chunk in between changes nothing.
  assert.deepEqual(
    parse(['data: a\r', '', '\ndata: b\n\n'].map(bytesOf)).events.map((event) => event.data),
    ['a\nb'],
  )
})

test('an event without data is not dispatched, one with empty data is', () => {
  assert.deepEqual(dataOf('event: x\nid: 1\n\n: only a comment\n\n\n'), [])
  assert.deepEqual(parseText('id: 1\ndata:\n\n').events, [{ event: 'message', data: '', id: '1' }])
  assert.deepEqual(dataOf('data\ndata\n\n'), ['\n'])
})

test('an event that the end of the stream cuts off is dropped', () => {
  assert.deepEqual(dataOf('data: a\n\ndata: b\n'), ['a'])
  assert.deepEqual(dataOf('data: a\n\ndata: b'), ['a'])
})

test('type and data are of one event, the id stays until another one comes', () => {
  const { events } = parseText('event: a\nid: 1\ndata: 1\n\ndata: 2\n\nid: 2\n\ndata: 3\n\nid\ndata: 4\n\n')
  assert.deepEqual(
    events.map(({ event, id }) => [event, id]),
    [
      ['a', '1'],
      ['message', '1'],
      ['message', '2'],
      ['message', undefined],
    ],
  )
})

test('only a byte order mark at the very start is left out', () => {
  assert.deepEqual(dataOf('\uFEFFdata: x\n\n'), ['x'])
  assert.equal(parse(cut(bytesOf('\uFEFFdata: x\n\n'), [1])).events.length, 1)
  assert.deepEqual(dataOf('data: a\n\n\uFEFFdata: b\n\n'), ['a'])
  assert.deepEqual(dataOf('data: \uFEFFa\n\n'), ['\uFEFFa'])
})

test('retry is the last whole number that was asked for', () => {
  assert.equal(parseText('retry: 10\nretry: 2000\nretry: -1\nretry: 1e3\nretry:\n').retry, 2000)
  assert.equal(parseText('data: x\n\n').retry, undefined)
  assert.equal(parseText(`retry: ${'9'.repeat(40)}\n`).retry, undefined)
})

test('bytes that are not UTF-8 end the stream, after the events before them', () => {
  for (const bad of [[0xff], [0xc3], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
    const bytes = Uint8Array.from([...bytesOf('data: a\n\ndata: '), ...bad, ...bytesOf('\n\ndata: b\n\n')])
    const { events, error } = parse([bytes])
    assert.deepEqual([events.length, error], [1, 'SseEncodingError'])
  }
  assert.equal(parseText('data: \uFFFD\n\n').error, undefined)
})

test('an event may be as long as the bound and no longer, in one line or in many', () => {
  assert.equal(parseText(`data: ${'x'.repeat(14)}\n\n`, 20).error, undefined)
  assert.equal(parseText(`data: ${'x'.repeat(15)}\n\n`, 20).error, 'SseOverflowError')
  assert.equal(parseText('data: xxxx\ndata: xxxx\n\n', 20).error, undefined)
  assert.equal(parseText('data: xxxx\ndata: xxxxx\n\n', 20).error, 'SseOverflowError')
  assert.equal(parseText(`data: ${'é'.repeat(7)}\n\n`, 20).error, undefined)
  assert.equal(parseText(`data: ${'é'.repeat(7)}x\n\n`, 20).error, 'SseOverflowError')
  assert.equal(parseText('data: x\n\n'.repeat(100), 20).error, undefined)
})

test('a line without an end is refused as soon as it is too long', () => {
  const parser = createSseParser(() => assert.fail('no event'), 1000)
  parser.push(bytesOf(`data: ${'x'.repeat(994)}`))
  assert.throws(() => parser.push(bytesOf('x')), SseOverflowError)
})

test('fields that are not kept count too, comments between them do not add up', () => {
  assert.equal(parseText('x\n'.repeat(21), 20).error, 'SseOverflowError')
  assert.equal(parseText(': ping\n'.repeat(1000) + 'data: x\n\n', 20).error, undefined)
  assert.equal(parseText(`:${'x'.repeat(20)}\n`, 20).error, 'SseOverflowError')
})

test('a long event in chunks of one byte is read', () => {
  const text = 'x'.repeat(100_000)
  const events = parse(cut(bytesOf(`data: ${text}\n\n`), [1]), 200_000).events
  assert.equal(events[0]?.data, text)
})
