import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import { KEY_BYTES, formatSealingKey, parseSealingKey } from './sealing-schema.ts'

const random = (): string => randomBytes(KEY_BYTES).toString('base64url')

/** The problems of these keys, without file and place. */
function problems(...keys: readonly string[]): readonly string[] {
  const text = `gateway: { sealing: { keys: ${JSON.stringify(keys)} } }\nbackends: { a: http://a }`
  const result = parseConfig({ name: 'toolgate.yaml', text, dir: '/' }, { KEY: 'short' })
  return result.ok ? [] : result.problems.map((one) => formatProblem(one).replace(/^[^ ]+ /, ''))
}

describe('sealing keys of a configuration', () => {
  test('are 32 random bytes each, and come back as they were', () => {
    const key = fc.uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES })
    fc.assert(
      fc.property(key, (bytes) => {
        const parsed = parseSealingKey(formatSealingKey(bytes))
        if ('value' in parsed) assert.deepEqual([...parsed.value], [...bytes])
        else assert.ok(new Set(bytes).size < 16)
      }),
    )
    assert.deepEqual(problems(random()), [])
    assert.deepEqual(problems(...Array.from({ length: 8 }, random)), [])
  })

  test('are refused without being shown', () => {
    const expected = 'expected 32 random bytes in base64url (43 characters)'
    assert.deepEqual(problems('hunter2'), [`gateway.sealing.keys[0]: ${expected}; found text`])
    assert.deepEqual(problems('A'.repeat(43)), [
      `gateway.sealing.keys[0]: ${expected}; these are not random; found text`,
    ])
    assert.deepEqual(problems('${KEY}'), [
      `gateway.sealing.keys[0]: ${expected}; found a value from the environment (KEY)`,
    ])
    // The last character has spare bits: one spelling only.
    const key = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFB'
    assert.deepEqual(problems(key), [`gateway.sealing.keys[0]: ${expected}; found text`])
  })

  test('are one to eight, each once', () => {
    const key = random()
    assert.deepEqual(problems(), ['gateway.sealing.keys: expected 1 to 8 keys; found a list'])
    assert.deepEqual(problems(...Array.from({ length: 9 }, random)), [
      'gateway.sealing.keys: expected 1 to 8 keys; found a list',
    ])
    assert.deepEqual(problems(key, random(), key), [
      'gateway.sealing.keys: expected each key once, but key 3 is there already; found a list',
    ])
  })
})
