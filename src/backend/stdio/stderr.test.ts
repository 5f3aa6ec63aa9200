import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testPorts } from './fixtures/kit.test.ts'
import { createStderrReader } from './stderr.ts'

test('characters and lines may be split anywhere', () => {
  const ports = testPorts()
  const reader = createStderrReader('b', ports)
  for (const byte of Buffer.from('aä€😀\r\nend')) reader.push(Uint8Array.of(byte))
  reader.end()
  assert.deepEqual(
    ports.logged.map(({ message }) => message),
    ['aä€😀', 'end'],
  )
})

test('the last line that says something is the reason, not a stack or a banner', () => {
  const reader = createStderrReader('b', testPorts())
  assert.equal(reader.lastLine(), undefined)
  reader.push(Buffer.from('TypeError: no\n    at x\n  [cause]: y\n}\n\nNode.js v26.10.0\n'))
  reader.end()
  assert.equal(reader.lastLine(), 'TypeError: no')
})
