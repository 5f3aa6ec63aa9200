import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type JsonNode,
  DEFAULT_MAX_DEPTH,
  JsonSyntaxError,
  member,
  numberOf,
  rawOf,
  scanJson,
  stringOf,
  valueOf,
} from './json.ts'
import { parseValue } from './value.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20260728 })

const space = fc.constantFrom('', '', '', ' ', '\n', '\r\n\t')

/** Any string of UTF-16 units, lone surrogates too. */
const anyString = fc.oneof(
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 4 })
    .map((units) => String.fromCharCode(...units)),
  fc.string({ maxLength: 4 }),
  fc.constantFrom('__proto__', 'constructor', '', 'a', '"', '\\', '\\u'),
)

const escapeAll = (value: string): string =>
  `"${Array.from({ length: value.length }, (_, index) => `\\u${value.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')}"`

const stringText = (value: string, escaped: boolean): string =>
  escaped ? escapeAll(value) : JSON.stringify(value)

const numberText = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '1.0',
    '1e5',
    '1E-7',
    '-0.0e+0',
    '18446744073709551616',
    '9'.repeat(400),
    '1e999',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
)

/** A JSON text, and what it means: known from how it was made, because `JSON.parse` is not always right. */
interface Sample {
  readonly text: string
  readonly value: unknown
}

/** JSON texts without duplicate members, written in every way that the grammar allows. */
const json = fc.letrec<{ value: Sample; object: Sample; array: Sample }>((tie) => ({
  object: fc
    .tuple(
      fc.uniqueArray(fc.tuple(anyString, fc.boolean(), tie('value'), space, space), {
        selector: ([key]) => key,
        maxLength: 4,
      }),
      space,
    )
    .map(([members, inner]) => ({
      text: `{${inner}${members.map(([key, escaped, { text }, a, b]) => `${stringText(key, escaped)}${a}:${b}${text}${a}`).join(`,${inner}`)}}`,
      value: Object.fromEntries(members.map(([key, , { value }]) => [key, value])),
    })),
  array: fc.tuple(fc.array(tie('value'), { maxLength: 4 }), space).map(([items, inner]) => ({
    text: `[${inner}${items.map(({ text }) => text).join(`${inner},${inner}`)}${inner}]`,
    value: items.map(({ value }) => value),
  })),
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(true, false, null).map((value) => ({ text: String(value), value })),
    numberText.map((text) => ({ text, value: Number(text) })),
    fc
      .tuple(anyString, fc.boolean())
      .map(([value, escaped]) => ({ text: stringText(value, escaped), value })),
    tie('array'),
    tie('object'),
  ),
}))

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function scanError(text: string): JsonSyntaxError | undefined {
  try {
    scanJson(text)
    return undefined
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error
    throw error
  }
}

/** Whether an object in a text that `JSON.parse` accepts has a member twice. */
function hasDuplicates(text: string): boolean {
  const open: Set<unknown>[] = []
  for (const [token, key] of text.matchAll(/("(?:[^"\\]|\\.)*")(?=\s*:)|"(?:[^"\\]|\\.)*"|[{}]/gs)) {
    if (token === '{') open.push(new Set())
    else if (token === '}') open.pop()
    else if (key !== undefined) {
      const name: unknown = JSON.parse(key)
      const keys = open.at(-1)
      if (keys?.has(name)) return true
      keys?.add(name)
    }
  }
  return false
}

/** Reads the value back from the spans alone; fails where anything but punctuation lies between them. */
function rebuild(text: string, node: JsonNode): unknown {
  const gap = (start: number, end: number, expected: RegExp): void => {
    assert.match(text.slice(start, end), expected)
  }
  if (node.kind === 'array') {
    assert.ok(node.items)
    let from = node.start
    const values = node.items.map((item, index) => {
      gap(from, item.start, index === 0 ? /^\[\s*$/ : /^\s*,\s*$/)
      from = item.end
      return rebuild(text, item)
    })
    gap(from, node.end, values.length === 0 ? /^\[\s*\]$/ : /^\s*\]$/)
    return values
  }
  if (node.kind !== 'object') return JSON.parse(text.slice(node.start, node.end))
  assert.ok(node.members)
  let from = node.start
  const entries = node.members.map((entry, index) => {
    gap(from, entry.start, index === 0 ? /^\{\s*$/ : /^\s*,\s*$/)
    const name = /^("(?:[^"\\]|\\.)*")\s*:\s*$/s.exec(text.slice(entry.start, entry.value.start))
    assert.equal(JSON.parse(name?.[1] ?? 'null'), entry.key)
    from = entry.value.end
    return [entry.key, rebuild(text, entry.value)] as const
  })
  gap(from, node.end, entries.length === 0 ? /^\{\s*\}$/ : /^\s*\}$/)
  return Object.fromEntries(entries)
}

test('every JSON text is scanned into spans that hold exactly its values', () => {
  fc.assert(
    fc.property(space, json.value, space, (before, { text, value }, after) => {
      const source = before + text + after
      const node = scanJson(source, { detail: 64 })
      assert.equal(rawOf(source, node), text)
      assert.deepEqual(rebuild(source, node), value)
      assert.deepEqual(valueOf(source, node), value)
    }),
    { numRuns: 300 },
  )
})

test('a damaged text is accepted exactly when JSON.parse accepts it and no member is there twice', () => {
  const piece = fc.constantFrom(
    ...'{}[]:,"\\/truefalsn0123456789.-+eE \n\t\0\u001f\u00a0\ufeff',
    '\\u00',
    '\\x',
    '""',
    ',,',
  )
  fc.assert(
    fc.property(json.value, fc.nat(), fc.nat({ max: 2 }), piece, ({ text }, place, drop, insert) => {
      const at = place % (text.length + 1)
      const source = text.slice(0, at) + insert + text.slice(at + drop)
      const error = scanError(source)
      const accepted = parses(source) && !hasDuplicates(source)
      assert.equal(error === undefined, accepted, `${JSON.stringify(source)}: ${error?.message}`)
    }),
    { numRuns: 1500 },
  )
})

test('an unfinished text is refused', () => {
  fc.assert(
    fc.property(json.object, fc.nat(), ({ text }, place) => {
      const cut = place % text.length
      assert.ok((scanError(text.slice(0, cut))?.offset ?? Infinity) <= cut)
    }),
    { numRuns: 200 },
  )
})

test('duplicate members are refused however they are written', () => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"\\u0061":2}',
    '{"\\ud83d\\ude00":1,"😀":2}',
    '{"\\/":1,"/":2}',
    '{"":1,"":1}',
    '{"__proto__":1,"__proto__":1}',
    '{"x":{"y":[{"a":1,"b":2,"a":3}]}}',
    `{${Array.from({ length: 40 }, (_, index) => `"k${index}":0`).join(',')},"k39":1}`,
    `{${Array.from({ length: 40 }, (_, index) => `"k${index}":0`).join(',')},"\\u006b0":1}`,
  ]) {
    assert.match(scanError(text)?.message ?? 'accepted', /^Duplicate member/, text)
  }
})

test('duplicates are refused below the kept detail too, and equal keys of different objects are none', () => {
  assert.throws(() => scanJson('[[[[{"a":1,"a":2}]]]]', { detail: 0 }), JsonSyntaxError)
  assert.equal(scanError('{"a":{"a":{"a":1}},"b":{"a":1}}'), undefined)
  assert.equal(scanError('{"a":1,"A":2,"\\u00e4":3,"a\\u0308":4}'), undefined)
  assert.equal(
    scanError(`{${Array.from({ length: 100 }, (_, index) => `"k${index}":0`).join(',')}}`),
    undefined,
  )
})

test('duplicates are refused however many keys are open around them', () => {
  const before = Array.from({ length: 12 }, (_, index) => `"key${index}":0`).join(',')
  const nested = (inner: string, after = ''): string =>
    `${`{${before},"deeper":`.repeat(50)}${inner}${after}${'}'.repeat(50)}`
  assert.equal(scanError(nested('{"a":1,"b":2}')), undefined)
  assert.match(scanError(nested('{"a":1,"b":2,"a":3}'))?.message ?? 'accepted', /^Duplicate member/)
  // Of the object around it, once the inner one has ended.
  assert.match(scanError(nested('{"a":1}', ',"key11":1'))?.message ?? 'accepted', /^Duplicate member/)
  assert.equal(scanError(nested('{"key11":1}', ',"a":1')), undefined)
  const outermost = `${nested('{}').slice(0, -1)},"key3":1}`
  assert.match(scanError(outermost)?.message ?? 'accepted', /^Duplicate member/)
})

test('a duplicate is reported where it stands', () => {
  assert.equal(scanError('{"a":1, "a":2}')?.offset, 8)
})

test('numbers keep what was written', () => {
  for (const text of [
    '1.0',
    '1e5',
    '18446744073709551616',
    '-0',
    '0.1000',
    '9'.repeat(1000),
    '1E+2',
    '-1e-0',
  ]) {
    const source = `{"n": ${text} }`
    assert.equal(rawOf(source, member(scanJson(source), 'n') ?? scanJson('0')), text)
  }
  assert.equal(numberOf('1.50', scanJson('1.50')), 1.5)
  assert.ok(Object.is(numberOf('-0', scanJson('-0')), -0))
  assert.equal(numberOf('"1"', scanJson('"1"')), undefined)
})

test('what JSON does not know as a number is refused', () => {
  for (const text of [
    '01',
    '-',
    '+1',
    '1.',
    '.5',
    '1e',
    '1e+',
    '--1',
    '0x1',
    'NaN',
    'Infinity',
    '-Infinity',
    '1_0',
    '٣',
  ]) {
    assert.ok(scanError(text), text)
  }
})

test('strings decode like JSON.parse, lone surrogates included', () => {
  for (const text of [
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\u007f\u2028"',
    '""',
  ]) {
    assert.equal(stringOf(text, scanJson(text)), JSON.parse(text))
  }
  assert.equal(stringOf('1', scanJson('1')), undefined)
})

test('what JSON does not know as a string is refused', () => {
  for (const text of [
    '"\n"',
    '"\t"',
    '"\0"',
    '"\u001f"',
    '"\\x41"',
    '"\\u12"',
    '"\\u12g4"',
    '"\\u+123"',
    "'a'",
    '"a',
    '"\\',
    '"\\"',
  ]) {
    assert.ok(scanError(text), text)
  }
})

test('only JSON white space is white space, and a byte order mark is not', () => {
  for (const text of ['\ufeff1', '\u00a01', '1\u2028', '\v1', '1\f', '/**/1', '1 2', '', ' ']) {
    assert.ok(scanError(text), JSON.stringify(text))
  }
})

test('an escaped key is read right, whatever was parsed before (nodejs/node#63785)', () => {
  for (const text of ['{"a":1,"\\\\":2}', '{"a":1,"\\\\n":2}'])
    assert.deepEqual(valueOf(text, scanJson(text)), JSON.parse(text))
  for (const [written, key] of [
    ['\\u0062', 'b'],
    ['\\n', '\n'],
    ['\\"', '"'],
    ['\\nx', '\nx'],
  ] as const) {
    const text = `{"a":1,"${written}":2}`
    assert.deepEqual(valueOf(text, scanJson(text)), { a: 1, [key]: 2 }, text)
    const handmade: JsonNode = { kind: 'object', start: 0, end: text.length, members: undefined }
    assert.deepEqual(valueOf(text, handmade), { a: 1, [key]: 2 }, text)
    const nested = `[[[[[${text}]]]]]`
    assert.deepEqual(valueOf(nested, scanJson(nested, { detail: 1 })), [[[[[{ a: 1, [key]: 2 }]]]]], nested)
    assert.deepEqual(scanJson(nested, { detail: 0 }), {
      kind: 'array',
      start: 0,
      end: nested.length,
      escapedKeys: true,
      items: undefined,
    })
  }
  const mixed = scanJson('[{"\\u0061":1},{"b":"\\n"}]')
  assert.deepEqual(
    mixed.kind === 'array' && mixed.items?.map((item) => 'escapedKeys' in item && item.escapedKeys),
    [true, false],
  )
})

test('a whole text is read as its values are, and as strictly', () => {
  assert.deepEqual(parseValue('[{"a":1,"\\u0062":2}, "x", null]'), [{ a: 1, b: 2 }, 'x', null])
  assert.throws(() => parseValue('{"a":1,"a":2}'), JsonSyntaxError)
})

test('__proto__ is a member like any other', () => {
  const text = '{"__proto__":{"x":1}}'
  const root = scanJson(text)
  assert.equal(rawOf(text, member(root, '__proto__') ?? root), '{"x":1}')
  assert.equal(member(root, 'constructor'), undefined)
  assert.equal(member(scanJson('{}'), '__proto__'), undefined)
})

test('nesting is accepted up to the bound and refused one deeper', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  assert.equal(scanError(nested(DEFAULT_MAX_DEPTH)), undefined)
  assert.match(scanError(nested(DEFAULT_MAX_DEPTH + 1))?.message ?? '', /Nested deeper than 64/)
  assert.match(scanError('{"a":'.repeat(65))?.message ?? '', /Nested deeper than 64/)
  assert.match(scanError('['.repeat(1_000_000))?.message ?? '', /Nested deeper than 64/)
  assert.equal(scanJson('[1]', { maxDepth: 1 }).kind, 'array')
  assert.throws(() => scanJson('[[1]]', { maxDepth: 1 }), JsonSyntaxError)
})

test('members are kept for as many levels as asked for, and spans for all', () => {
  const text = '{"a":{"b":{"c":{"d":1}}}}'
  const at = (detail: number, ...keys: readonly string[]): JsonNode | undefined =>
    keys.reduce<JsonNode | undefined>((node, key) => member(node, key), scanJson(text, { detail }))
  assert.equal(rawOf(text, at(3, 'a', 'b', 'c') ?? scanJson('0')), '{"d":1}')
  assert.equal(at(3, 'a', 'b', 'c', 'd'), undefined)
  assert.equal(at(4, 'a', 'b', 'c', 'd')?.kind, 'number')
  assert.equal(at(0, 'a'), undefined)
  const array = scanJson('[[1]]', { detail: 1 })
  assert.ok(
    array.kind === 'array' && array.items?.[0]?.kind === 'array' && array.items[0].items === undefined,
  )
})

test('a scan after a failed one starts afresh, and limits do not stick', () => {
  assert.throws(() => scanJson('[[[', { maxDepth: 2, detail: 0 }), JsonSyntaxError)
  assert.deepEqual(rebuild('[[1]]', scanJson('[[1]]')), [[1]])
})

test('a document of a megabyte is scanned, with many members and long strings', () => {
  const text = JSON.stringify({
    members: Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`key${index}`, index])),
    text: 'x'.repeat(600_000),
  })
  const root = scanJson(text)
  assert.equal(root.end, text.length)
  assert.equal(stringOf(text, member(root, 'text'))?.length, 600_000)
})

test('a long text of nothing but escapes is scanned as fast as any other', { timeout: 60_000 }, () => {
  // With a search for the closing quote after every escape, this takes many minutes.
  for (const escape of [String.raw`\n`, String.raw`\"`, String.raw`\u0061`]) {
    const text = `{"a":"${escape.repeat(1_000_000)}","b":1}`
    const node = scanJson(text)
    assert.equal(numberOf(text, member(node, 'b')), 1)
  }
})
