import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { scanJson } from '../protocol/json.ts'
import { HIDDEN, createRedactor } from './redact.ts'

function told(value: unknown, paths: readonly string[] = [], most = 10_000): unknown {
  const text = JSON.stringify(value)
  return JSON.parse(createRedactor(paths).json('arguments', { text, node: scanJson(text) }, most))
}

describe('what is told of arguments', () => {
  test('is without secrets, by their names, at any depth, though nobody named a path', () => {
    const secrets = {
      password: 'x',
      apiKey: 'x',
      client_secret: 'x',
      Authorization: 'x',
      pin: 1234,
      cardNumber: '4111',
    }
    const hidden = Object.fromEntries(Object.keys(secrets).map((name) => [name, HIDDEN]))
    const plain = { text: 'hello', author: 'Ada', monkey: 1, none: null, yes: true }
    assert.deepEqual(told({ ...plain, deep: [{ ...secrets, ...plain }] }), {
      ...plain,
      deep: [{ ...hidden, ...plain }],
    })
  })

  test('costs no more for a long word than for many short ones', () => {
    // No timing: what is quadratic in it takes so long that nobody would wait for the end of this.
    const word = 'a'.repeat(64_000)
    for (let times = 0; times < 200; times++) told(word)
    assert.match(String(told(`${word}://`)), /^a{1024}… \(62979 more\)$/)
  })

  test('is without texts that look like secrets', () => {
    for (const secret of [
      'ghp_0123456789abcdef0123',
      'eyJhbGciOiJIUzI1NiJ9.e30.x',
      'Authorization: Bearer abcdefgh12345678',
      '-----BEGIN PRIVATE KEY-----\nabc',
    ])
      assert.deepEqual(told({ text: secret }), { text: HIDDEN }, secret)
    assert.deepEqual(told({ text: 'see https://ada:pw@host/x and http://host/' }), {
      text: `see https://${HIDDEN}@host/x and http://host/`,
    })
  })

  test('is without what a path leads to', () => {
    const value = {
      card: { number: 1, cvx: 2 },
      list: [
        { iban2: 'a', n: 1 },
        { iban2: 'b', n: 2 },
      ],
      text: 'c',
    }
    assert.deepEqual(told(value, ['arguments.card.number', 'arguments.list.*.iban2']), {
      card: { number: HIDDEN, cvx: 2 },
      list: [
        { iban2: HIDDEN, n: 1 },
        { iban2: HIDDEN, n: 2 },
      ],
      text: 'c',
    })
    assert.deepEqual(told(value, ['**.n']), {
      ...value,
      list: [
        { iban2: 'a', n: HIDDEN },
        { iban2: 'b', n: HIDDEN },
      ],
    })
    assert.deepEqual(told(value, ['result.card']), value)
    assert.equal(told(value, ['arguments']), HIDDEN)
    assert.equal(told(value, ['**']), HIDDEN)
  })

  test('costs no more for a path with many **, at any depth', () => {
    const deep = Array.from({ length: 25 }).reduce<unknown>((inner) => ({ a: inner }), { x: 1, y: 2 })
    const shown = JSON.stringify(told(deep, [`arguments.${'**.'.repeat(12)}x`]))
    assert.match(shown, /\{"x":"\[redacted\]","y":2\}/)
    assert.equal(told({ a: 1 }, ['arguments.**.**']), HIDDEN)
    assert.deepEqual(told({ a: { b: 1, c: 2 } }, ['arguments.a.**.b']), { a: { b: HIDDEN, c: 2 } })
  })

  test('is bounded in length, in number and as a whole', () => {
    assert.deepEqual(told({ text: 'x'.repeat(2000) }), { text: `${'x'.repeat(1024)}… (976 more)` })
    const many = told({ list: Array.from({ length: 1000 }, () => 1) }) as {
      readonly list: readonly unknown[]
    }
    assert.deepEqual([many.list[0], many.list[999]], [1, '…'])
    assert.deepEqual(told({ text: 'x'.repeat(100) }, [], 50), { omitted: '111 characters' })
    assert.deepEqual(told({ text: 'x'.repeat(70_000) }), { omitted: '70011 characters' })
  })
})
