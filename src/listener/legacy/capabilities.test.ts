import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scanJson } from '../../protocol/json.ts'
import { readCapabilities } from './capabilities.ts'

function read(text: string, version: string) {
  const root = scanJson(text)
  assert.equal(root.kind, 'object')
  return readCapabilities(text, root.kind === 'object' ? root : undefined, version)
}

test('each revision declares what it knows, in the modern form', () => {
  const all =
    '{"elicitation":{"form":{"x":1.0},"url":{}},"sampling":{"tools":{}},"roots":{"listChanged":true},"tasks":{},"experimental":{"e":1.0}}'
  const rows = [
    ['2024-11-05', '{"sampling":{},"roots":{},"experimental":{"e":1.0}}', 'sampling roots'],
    [
      '2025-06-18',
      '{"elicitation":{"form":{}},"sampling":{},"roots":{},"experimental":{"e":1.0}}',
      'form sampling roots',
    ],
    [
      '2025-11-25',
      '{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{},"experimental":{"e":1.0}}',
      'form url sampling roots',
    ],
  ] as const
  for (const [version, modern, accepts] of rows) {
    const capabilities = read(all, version)
    assert.equal(capabilities.modern, modern)
    assert.deepEqual([...capabilities.accepts], accepts.split(' '))
  }
})

test('elicitation without a mode means forms', () => {
  assert.equal(read('{"elicitation":{}}', '2025-11-25').modern, '{"elicitation":{"form":{}}}')
  assert.equal(read('{"elicitation":{"url":{}}}', '2025-11-25').modern, '{"elicitation":{"url":{}}}')
})

test('nothing is declared for a client that declares nothing, or nonsense', () => {
  assert.equal(readCapabilities('', undefined, '2025-11-25').modern, '{}')
  const nonsense = read('{"sampling":true,"roots":[],"elicitation":"x"}', '2025-11-25')
  assert.deepEqual([nonsense.modern, nonsense.accepts.size], ['{}', 0])
})
