import assert from 'node:assert/strict'
import { test } from 'node:test'
import { request, requestOf } from '../../test/support/scripted.ts'
import { rawOf } from './json.ts'
import { referenceOf, subjectNodeOf, subjectOf } from './subject.ts'

test('what a request is for stands where its method says', () => {
  const cases = [
    ['tools/call', { name: 'a', uri: 'b' }, 'a'],
    ['prompts/get', { name: 'a' }, 'a'],
    ['resources/read', { name: 'a', uri: 'b' }, 'b'],
    ['tasks/get', { taskId: 't' }, 't'],
    ['completion/complete', { name: 'x', ref: { type: 'ref/prompt', name: 'a', uri: 'b' } }, 'a'],
    ['completion/complete', { ref: { type: 'ref/resource', name: 'a', uri: 'b' } }, 'b'],
    ['completion/complete', { ref: { type: 'ref/tool', name: 'a' } }, undefined],
    ['completion/complete', { ref: { name: 'a' } }, undefined],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 7 } }, undefined],
    ['completion/complete', { ref: 'a' }, undefined],
    ['completion/complete', undefined, undefined],
    ['tools/list', { name: 'a' }, undefined],
    ['__proto__', { name: 'a' }, undefined],
  ] as const
  for (const [method, params, subject] of cases) assert.equal(subjectOf(request(method, params)), subject)
})

test('the span of a reference is that in the message, escapes included', () => {
  const message = requestOf(
    String.raw`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref": { "n\u0061me" : "\u0061b", "type":"ref/prompt"}}}`,
  )
  const node = subjectNodeOf(message)
  assert.ok(node)
  assert.equal(rawOf(message.text, node), String.raw`"\u0061b"`)
  assert.equal(referenceOf(message)?.type, 'prompt')
  assert.equal(subjectOf(message), 'ab')
})
