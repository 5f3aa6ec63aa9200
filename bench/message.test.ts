import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CALL_RESULT, callBody, FIRST_ID, replyProblem } from './message.ts'

const reply = (id: number, result: unknown): string => JSON.stringify({ jsonrpc: '2.0', id, result })

test('callBody: about half a kilobyte, of one length for every id', () => {
  const first = callBody(FIRST_ID)
  assert.ok(first.length > 450 && first.length < 650, `${first.length} bytes`)
  assert.equal(callBody(FIRST_ID + 123_456_789).length, first.length)
})

test('replyProblem: the right reply has none, as JSON, with more members, and as an SSE event', () => {
  const right = reply(7, CALL_RESULT)
  assert.equal(replyProblem(200, right, 7), undefined)
  assert.equal(replyProblem(200, reply(7, { ...CALL_RESULT, _meta: { more: true } }), 7), undefined)
  assert.equal(replyProblem(200, `event: message\ndata: ${right}\n\n`, 7), undefined)
})

test('replyProblem: wrong status, id, content and shape are named', () => {
  const right = reply(7, CALL_RESULT)
  assert.match(replyProblem(502, right, 7) ?? '', /^status 502/)
  assert.match(replyProblem(200, right, 8) ?? '', /^id 7 instead of 8/)
  assert.match(replyProblem(200, reply(7, { content: [] }), 7) ?? '', /^content changed/)
  assert.match(replyProblem(200, '{"jsonrpc":"2.0","id":7,"error":{}}', 7) ?? '', /^no result/)
  assert.match(replyProblem(200, '<html>', 7) ?? '', /^not a JSON-RPC message/)
})
