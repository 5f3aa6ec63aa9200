import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type MemberChanges, editMembers, splice } from './edit.ts'
import { type JsonObject, rawOf, scanJson } from './json.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20260728 })

function scanObject(text: string): JsonObject {
  const node = scanJson(text)
  assert.ok(node.kind === 'object')
  return node
}

/** The same change, made on parsed values. */
function changed(text: string, changes: MemberChanges): unknown {
  const members = new Map<string, unknown>(Object.entries(JSON.parse(text) as object))
  for (const [key, raw] of Object.entries(changes)) {
    if (raw === undefined) members.delete(key)
    else members.set(key, JSON.parse(raw))
  }
  return Object.fromEntries(members)
}

function check(text: string, changes: MemberChanges): string {
  const object = scanObject(text)
  const edits = editMembers(object, changes)
  const result = splice(text, edits)
  const where = `${JSON.stringify(text)} ${JSON.stringify(changes)} → ${JSON.stringify(result)}`
  const after = scanObject(result)
  assert.deepEqual(JSON.parse(result), changed(text, changes), where)
  for (const { key, start, value } of object.members ?? []) {
    if (Object.hasOwn(changes, key)) continue
    const kept = after.members?.find((entry) => entry.key === key)
    assert.ok(kept, where)
    assert.equal(result.slice(kept.start, kept.value.end), text.slice(start, value.end), where)
  }
  for (const { key, value } of after.members ?? []) {
    if (Object.hasOwn(changes, key)) assert.equal(rawOf(result, value), changes[key], where)
  }
  return result
}

const raw = fc.constantFrom(
  '1.0',
  '18446744073709551616',
  '{ "x" : [ ] }',
  '"\\u0061"',
  'null',
  '-0',
  '[1, 2]',
  '""',
)
const keys = ['a', 'b', 'c', 'd', '__proto__', 'constructor', 'ä', '', '"']
const space = fc.constantFrom('', ' ', '\n  ')

test('editing members changes the value as editing a parsed object does, and leaves the others to the letter', () => {
  const objectText = fc
    .tuple(
      fc.uniqueArray(fc.tuple(fc.constantFrom(...keys), raw), { selector: ([key]) => key, maxLength: 6 }),
      space,
      space,
    )
    .map(
      ([members, a, b]) =>
        `${a}{${b}${members.map(([key, value]) => `${JSON.stringify(key)}${a}:${b}${value}${a}`).join(`,${b}`)}}${b}`,
    )
  const changes = fc
    .array(fc.tuple(fc.constantFrom(...keys), fc.option(raw, { nil: undefined })), { maxLength: 5 })
    .map((entries): MemberChanges => Object.fromEntries(entries))
  fc.assert(
    fc.property(objectText, changes, (text, change) => {
      check(text, change)
    }),
    { numRuns: 1000 },
  )
})

test('every way of removing, replacing and adding in small objects leaves the right commas', () => {
  const names = ['a', 'b', 'c', 'd']
  const choices = ['keep', 'remove', 'replace'] as const
  for (let size = 0; size <= 4; size++) {
    for (let code = 0; code < 3 ** size; code++) {
      const changes: Record<string, string | undefined> = {}
      for (let index = 0; index < size; index++) {
        const choice = choices[Math.floor(code / 3 ** index) % 3]
        if (choice !== 'keep') changes[names[index] ?? ''] = choice === 'remove' ? undefined : '"new"'
      }
      for (const [open, comma, close] of [
        ['{', ',', '}'],
        ['{ ', ' ,\n', ' }'],
      ] as const) {
        const text =
          open +
          names
            .slice(0, size)
            .map((name, index) => `"${name}":${index}`)
            .join(comma) +
          close
        check(text, changes)
        check(text, { ...changes, x: '1' })
        check(text, { ...changes, x: '1', y: '[]', absent: undefined })
      }
    }
  }
})

test('commas and white space of what stays are as they were', () => {
  assert.equal(check('{ "a" : 1 , "b" : 2 , "c" : 3 }', { b: undefined }), '{ "a" : 1 , "c" : 3 }')
  assert.equal(check('{ "a" : 1 , "b" : 2 }', { b: undefined }), '{ "a" : 1 }')
  assert.equal(check('{ "a" : 1 , "b" : 2 }', { a: undefined }), '{ "b" : 2 }')
  assert.equal(check('{ "a" : 1 , "b" : 2 }', { a: '3' }), '{ "a" : 3 , "b" : 2 }')
  assert.equal(check('{}', { a: '1' }), '{"a":1}')
  assert.equal(check('{"b":2}', { a: '1' }), '{"a":1,"b":2}')
})

test('without changes there are no edits, and removing what is absent is no change', () => {
  assert.deepEqual(editMembers(scanObject('{"a":1}'), {}), [])
  assert.deepEqual(editMembers(scanObject('{"a":1}'), { b: undefined }), [])
  const text = ' {"a":1} '
  assert.equal(splice(text, []), text)
})

test('a member written with escapes is found by its decoded key', () => {
  assert.equal(check('{"\\u0061":1,"b":2}', { a: undefined }), '{"b":2}')
  assert.equal(check('{"\\u0061":1}', { a: '2' }), '{"\\u0061":2}')
})

test('splice keeps everything outside the spans, in whatever order the edits come', () => {
  const spans = fc
    .tuple(
      fc.string({ maxLength: 30 }),
      fc.uniqueArray(fc.nat({ max: 30 }), { maxLength: 8 }),
      fc.array(fc.string({ maxLength: 3 }), { minLength: 4, maxLength: 4 }),
    )
    .map(([source, cuts, texts]) => {
      const places = cuts.filter((cut) => cut <= source.length).toSorted((a, b) => a - b)
      const edits = []
      for (let index = 0; index + 1 < places.length; index += 2) {
        edits.push({ start: places[index] ?? 0, end: places[index + 1] ?? 0, text: texts[index / 2] ?? '' })
      }
      return { source, edits }
    })
  fc.assert(
    fc.property(spans, ({ source, edits }) => {
      // From the end, so that earlier offsets stay right.
      const expected = edits.reduceRight(
        (text, edit) => text.slice(0, edit.start) + edit.text + text.slice(edit.end),
        source,
      )
      assert.equal(splice(source, edits), expected)
      assert.equal(splice(source, edits.toReversed()), expected)
    }),
  )
})

test('insertions at one place stay in order, before a replacement that starts there', () => {
  const edits = [
    { start: 1, end: 2, text: 'X' },
    { start: 1, end: 1, text: '1' },
    { start: 1, end: 1, text: '2' },
  ]
  assert.equal(splice('abc', edits), 'a12Xc')
})
