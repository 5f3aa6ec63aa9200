import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatListen, isLoopback, parseListen } from './listen.ts'

test('addresses are host:port, IPv6 in brackets', () => {
  for (const [text, host, port] of [
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['[::1]:0', '::1', 0],
    ['localhost:65535', 'localhost', 65_535],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['mcp.internal:80', 'mcp.internal', 80],
  ] as const) {
    assert.deepEqual(parseListen(text), { value: { host, port } }, text)
    assert.equal(formatListen({ host, port }), text)
  }
})

test('an address without a host is refused, because listening everywhere must be explicit', () => {
  for (const found of [':8080', '8080', 8080, '*:8080']) {
    assert.deepEqual(parseListen(found), {
      expected:
        'expected an address as host:port, such as 127.0.0.1:8080 or [::1]:8080 (listening on every address must be explicit)',
      hint: '127.0.0.1:8080 for this machine only, or 0.0.0.0:8080',
    })
  }
})

test('what is no address is refused', () => {
  const bad = [
    '',
    'localhost',
    'localhost:',
    '::1:80',
    '[::1]',
    '[x]:80',
    '1.2.3:80',
    'a b:80',
    'h:65536',
    null,
  ]
  for (const found of bad) assert.ok('expected' in parseListen(found), String(found))
})

test('loopback is 127.0.0.0/8, ::1 and localhost', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', 'LOCALHOST'])
    assert.ok(isLoopback(host), host)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.example.com', 'localhost.example.com']) {
    assert.ok(!isLoopback(host), host)
  }
})
