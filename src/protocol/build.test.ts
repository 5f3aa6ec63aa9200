import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { buildResult } from './build.ts'
import { type JsonNode, valueOf } from './json.ts'
import { parseMessage } from './message.ts'

/** The same spans, keys and kinds, as deep as the built node goes. */
function assertSameSpans(built: JsonNode, scanned: JsonNode): void {
  assert.deepEqual([built.kind, built.start, built.end], [scanned.kind, scanned.start, scanned.end])
  if (built.kind !== 'object' || built.members === undefined) return
  assert.ok(scanned.kind === 'object')
  const place = ({ key, start }: { readonly key: string; readonly start: number }): unknown => [key, start]
  assert.deepEqual(built.members.map(place), scanned.members?.map(place))
  built.members.forEach(({ value }, index) => {
    const other = scanned.members?.[index]
    if (other !== undefined) assertSameSpans(value, other.value)
  })
}

const raw = fc.oneof(
  fc.string().map((text) => JSON.stringify(text)),
  fc.integer().map(String),
  fc.boolean().map(String),
  fc.array(fc.integer()).map((list) => JSON.stringify(list)),
  fc.constant('{"a":{"b":[1.0,-0]}}'),
)
const key = fc.string().filter((text) => text !== '__proto__')
const members = fc.dictionary(key, fc.oneof(raw, fc.dictionary(key, raw, { noNullPrototype: true })), {
  noNullPrototype: true,
})

test('a built result is the one that a scan of its text finds', () => {
  fc.assert(
    fc.property(members, (given) => {
      const built = buildResult(given)
      const scanned = parseMessage(built.text, { detail: 4 })
      assert.ok(scanned.kind === 'result', JSON.stringify(scanned))
      assertSameSpans(built.root, scanned.root)
      assertSameSpans(built.result, scanned.result)
      assert.deepEqual([built.id.start, built.id.end], [scanned.id.start, scanned.id.end])
      assert.deepEqual(
        valueOf(built.text, built.result),
        JSON.parse(built.text.slice(built.result.start, built.result.end)),
      )
    }),
  )
})

test('an empty result is an object', () => {
  assert.equal(buildResult({}).text, '{"jsonrpc":"2.0","id":0,"result":{}}')
})
