import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.ts'

test('the nearest word is found over typos, transpositions and case', () => {
  const words = ['url', 'transport', 'timeout', 'headers', 'command']
  for (const [typed, meant] of [
    ['timeot', 'timeout'],
    ['tiemout', 'timeout'],
    ['Timeout', 'timeout'],
    ['comand', 'command'],
    ['ulr', 'url'],
    ['header', 'headers'],
  ] as const) {
    assert.equal(nearest(typed, words), meant)
  }
})

test('what is like nothing has no suggestion', () => {
  for (const typed of ['', 'x', 'password', 'a'.repeat(1000)]) {
    assert.equal(nearest(typed, ['timeout', 'transport']), undefined)
  }
})
