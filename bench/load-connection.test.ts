import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRequest, parseResponse } from './load-connection.ts'
import { callBody, FIRST_ID } from './message.ts'

const fixed = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello'
const chunked =
  'HTTP/1.1 502 Bad Gateway\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n'

for (const [name, text, status] of [
  ['a length', fixed, 200],
  ['chunks', chunked, 502],
] as const) {
  test(`parseResponse: with ${name}, complete only at its last byte`, () => {
    const bytes = Buffer.from(text)
    for (let length = 0; length < bytes.length; length += 1) {
      assert.equal(parseResponse(bytes.subarray(0, length)), undefined, `${length} bytes`)
    }
    const response = parseResponse(Buffer.concat([bytes, Buffer.from('HTTP/1.1')]))
    assert.equal(response?.status, status)
    assert.equal(response?.body.toString(), 'hello')
    assert.equal(response?.length, bytes.length)
  })
}

test('parseResponse: neither length nor chunks is refused, as are malformed chunks', () => {
  assert.throws(() => parseResponse(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), /without a length/)
  const malformed = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'
  assert.throws(() => parseResponse(Buffer.from(malformed)), /malformed chunk/)
})

test('createRequest: the id is set in place and the headers are those of the revision', () => {
  const request = createRequest({ url: new URL('http://127.0.0.1:8080/mcp/bench') })
  request.setId(FIRST_ID + 41)
  const [head = '', body] = request.bytes.toString().split('\r\n\r\n')
  assert.equal(body, callBody(FIRST_ID + 41))
  assert.match(head, /^POST \/mcp\/bench HTTP\/1\.1\r\nHost: 127\.0\.0\.1:8080\r\n/)
  assert.match(head, /\r\nMcp-Method: tools\/call\r\nMcp-Name: search_code\r\n/)
  assert.match(head, new RegExp(`\r\nContent-Length: ${callBody(FIRST_ID).length}$`))
})
