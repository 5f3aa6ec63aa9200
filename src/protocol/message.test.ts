import assert from 'node:assert/strict'
import { test } from 'node:test'
import { editMembers } from './edit.ts'
import { type Message, edited, errorText, parseMessage, readMessage, resultMessage } from './message.ts'
import { rawOf, scanJson } from './json.ts'

/** What a text is, with the raw id and what else tells it apart. */
function shape(text: string): string {
  const message = parseMessage(text)
  const id =
    'id' in message && message.id !== undefined && typeof message.id !== 'string'
      ? rawOf(text, message.id)
      : '-'
  switch (message.kind) {
    case 'request':
      return `request ${id} ${message.method} ${message.params === undefined ? '-' : rawOf(text, message.params)}`
    case 'notification':
      return `notification ${message.method} ${message.params === undefined ? '-' : rawOf(text, message.params)}`
    case 'result':
      return `result ${id} ${rawOf(text, message.result)}`
    case 'error':
      return `error ${id} ${message.code} ${message.message}`
    case 'bad':
      return `bad ${message.problem} ${message.id ?? '-'}`
  }
}

const rpc = (members: string): string => `{"jsonrpc":"2.0",${members}}`

test('every shape of message is told apart, and ids keep their type and digits', () => {
  const table: readonly (readonly [string, string])[] = [
    [rpc('"id":1,"method":"ping"'), 'request 1 ping -'],
    [rpc('"id":"1","method":"ping"'), 'request "1" ping -'],
    [rpc('"id":"","method":"ping","params":{}'), 'request "" ping {}'],
    [rpc('"id":0,"method":"ping"'), 'request 0 ping -'],
    [rpc('"id":-7,"method":"ping"'), 'request -7 ping -'],
    [rpc('"id":18446744073709551616,"method":"ping"'), 'request 18446744073709551616 ping -'],
    [rpc('"id":"\\u0061","method":"ping"'), 'request "\\u0061" ping -'],
    [rpc('"id":1,"method":"\\u0070ing","x":[1.0]'), 'request 1 ping -'],
    [rpc('"method":"notifications/x","params":{"a":1.0}'), 'notification notifications/x {"a":1.0}'],
    [rpc('"id":1,"result":{"a" : 1e5}'), 'result 1 {"a" : 1e5}'],
    [rpc('"id":1,"error":{"code":-32601,"message":"no","data":null}'), 'error 1 -32601 no'],
    [rpc('"error":{"code":-32700,"message":"?"}'), 'error - -32700 ?'],
    [rpc('"id":null,"error":{"code":-32700,"message":"?"}'), 'error - -32700 ?'],
  ]
  for (const [text, expected] of table) assert.equal(shape(text), expected, text)
})

test('what is no message is refused, with its id where there is one to answer', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'bad json -'],
    ['{', 'bad json -'],
    [rpc('"id":1,"id":2,"method":"ping"'), 'bad json -'],
    [rpc('"id":1,"\\u0069d":2,"method":"ping"'), 'bad json -'],
    ['[]', 'bad shape -'],
    [`[${rpc('"id":1,"method":"ping"')}]`, 'bad shape -'],
    ['1', 'bad shape -'],
    ['null', 'bad shape -'],
    ['{}', 'bad shape -'],
    ['{"id":1,"method":"ping"}', 'bad shape 1'],
    ['{"id":1.5,"method":"ping"}', 'bad shape -'],
    ['{"id":[],"result":{}}', 'bad shape -'],
    ['{"jsonrpc":"1.0","id":1,"method":"ping"}', 'bad shape 1'],
    ['{"jsonrpc":2.0,"id":1,"method":"ping"}', 'bad shape 1'],
    [rpc('"id":null,"method":"ping"'), 'bad shape -'],
    [rpc('"id":1.0,"method":"ping"'), 'bad shape -'],
    [rpc('"id":1e5,"method":"ping"'), 'bad shape -'],
    [rpc('"id":true,"method":"ping"'), 'bad shape -'],
    [rpc('"id":{},"method":"ping"'), 'bad shape -'],
    [rpc('"id":1,"method":7'), 'bad shape 1'],
    [rpc('"id":1,"method":null'), 'bad shape 1'],
    [rpc('"id":1,"method":"ping","params":[]'), 'bad shape 1'],
    [rpc('"id":1,"method":"ping","params":null'), 'bad shape 1'],
    [rpc('"id":1,"method":"ping","result":{}'), 'bad shape 1'],
    [rpc('"id":1,"method":"ping","error":{"code":1,"message":""}'), 'bad shape 1'],
    [rpc('"id":"x"'), 'bad shape "x"'],
    [rpc('"id":1,"result":{},"error":{"code":1,"message":""}'), 'bad shape 1'],
    [rpc('"result":{}'), 'bad shape -'],
    [rpc('"id":null,"result":{}'), 'bad shape -'],
    [rpc('"id":1,"result":null'), 'bad shape 1'],
    [rpc('"id":1,"result":[]'), 'bad shape 1'],
    [rpc('"id":1,"error":"no"'), 'bad shape 1'],
    [rpc('"id":1,"error":{"message":""}'), 'bad shape 1'],
    [rpc('"id":1,"error":{"code":1.5,"message":""}'), 'bad shape 1'],
    [rpc('"id":1,"error":{"code":"1","message":""}'), 'bad shape 1'],
    [rpc('"id":1,"error":{"code":1}'), 'bad shape 1'],
    [rpc('"id":1,"error":{"code":1e999,"message":""}'), 'bad shape 1'],
  ]
  for (const [text, expected] of table) assert.equal(shape(text), expected, text)
})

test('limits reach the scan', () => {
  const bad = parseMessage(rpc('"id":1,"method":"m","params":{"a":[]}'), { maxDepth: 2 })
  assert.ok(bad.kind === 'bad' && bad.problem === 'json')
})

test('a message inside a batch is read from its own node', () => {
  const text = `[ ${rpc('"id":1,"method":"a"')} , ${rpc('"method":"b"')} ]`
  const batch = scanJson(text)
  assert.ok(batch.kind === 'array')
  const kinds = batch.items?.map((item) => readMessage(text, item).kind)
  assert.deepEqual(kinds, ['request', 'notification'])
})

test('an edited message is read again, and keeps the rest of its text', () => {
  const text = rpc('"id" : 1 , "method":"tools/call","params":{"name":"a","arguments":{"n":1.0}}')
  const message = parseMessage(text)
  assert.ok(message.kind === 'request' && message.params !== undefined)
  const next = edited(message, [
    ...editMembers(message.params, { name: '"b"' }),
    ...editMembers(message.root, { id: '"x"' }),
  ])
  assert.equal(next.text, text.replace('1 ,', '"x" ,').replace('"a"', '"b"'))
  assert.equal(rawOf(next.text, next.id), '"x"')
  assert.equal(edited(message, []), message)
  assert.throws(() => edited(message, editMembers(message.root, { id: undefined })), TypeError)
})

test('a result of our own is a message, and what is no result is not', () => {
  const message: Message = resultMessage('{"tools":[]}')
  assert.equal(message.kind === 'result' && rawOf(message.text, message.result), '{"tools":[]}')
  assert.throws(() => resultMessage('[]'), TypeError)
  assert.throws(() => resultMessage('{},"error":{}'), TypeError)
})

test('an error response carries the raw id, or none', () => {
  const error = { code: -32603, message: 'a "b"\n' }
  assert.equal(shape(errorText('"\\u0061"', error)), 'error "\\u0061" -32603 a "b"\n')
  assert.equal(shape(errorText('18446744073709551616', error)), 'error 18446744073709551616 -32603 a "b"\n')
  assert.equal(shape(errorText(undefined, error)), 'error - -32603 a "b"\n')
})
