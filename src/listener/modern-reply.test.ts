import assert from 'node:assert/strict'
import { test } from 'node:test'
import { result, rpcError } from '../../test/support/scripted.ts'
import { toRefusal } from '../filters/rescue.ts'
import { GatewayError } from '../errors.ts'
import { parseMessage } from '../protocol/message.ts'
import { modernWriter, statusOf } from './modern-reply.ts'

const writer = modernWriter({ name: 'gw', version: '1' })
const STAMP = '"io.modelcontextprotocol/serverInfo":{"name":"gw","version":"1"}'
const head = (id: string): string => `{"jsonrpc":"2.0","id":${id},"result":`

test('a result gets the client’s id to the letter, and the gateway’s stamp; the rest keeps its bytes', () => {
  const odd = '"resultType":"complete","content":[{"n":1.0e5,"z":-0,"s":"\\u00e9"}]'
  for (const id of ['7', '"7"', '"\\u0041"', '-1', '123456789012345678901']) {
    assert.equal(writer.replyText(result(`{${odd}}`, '101'), id), `${head(id)}{"_meta":{${STAMP}},${odd}}}`)
  }
})

test('the backend’s own stamp stands beside the gateway’s', () => {
  const own = '{"name":"b","version":"2","x":1.0}'
  const reply = result(
    `{"resultType":"complete","_meta":{"k":1.0,"io.modelcontextprotocol/serverInfo":${own}}}`,
  )
  assert.equal(
    writer.replyText(reply, '1'),
    `${head('1')}{"resultType":"complete","_meta":{"io.toolgate/backend":${own},"k":1.0,${STAMP}}}}`,
  )
})

test('a result without a type is complete', () => {
  assert.equal(
    writer.replyText(result('{}'), '1'),
    `${head('1')}{"resultType":"complete","_meta":{${STAMP}}}}`,
  )
})

test('an error keeps all but its id, also where it had none', () => {
  const error = rpcError(-32000, 'no', { data: { x: 1 }, id: '101' })
  assert.equal(writer.replyText(error, '"c"'), error.text.replace('"id":101', '"id":"c"'))
  for (const id of ['', '"id":null,']) {
    const nameless = parseMessage(`{"jsonrpc":"2.0",${id}"error":{"code":-32700,"message":"m"}}`)
    assert.ok(nameless.kind === 'error')
    const written = JSON.parse(writer.replyText(nameless, '"c"')) as { readonly id: unknown }
    assert.equal(written.id, 'c')
  }
})

test('a refusal has the id that could be read, or none', () => {
  const refusal = toRefusal(new GatewayError('UNKNOWN_TOOL', 'x'), () => undefined)
  assert.ok(
    writer.refusalText(refusal, '"c"').startsWith('{"jsonrpc":"2.0","id":"c","error":{"code":-32602,'),
  )
  assert.ok(writer.refusalText(refusal, undefined).startsWith('{"jsonrpc":"2.0","error":'))
})

test('errors of a backend are answers, but a missing capability is a bad request', () => {
  assert.equal(statusOf(result('{}')), 200)
  assert.equal(statusOf(rpcError(-32602)), 200)
  assert.equal(statusOf(rpcError(-32021)), 400)
})
