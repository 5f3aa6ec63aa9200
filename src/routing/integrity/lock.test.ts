import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Pin, readPin } from './definition.ts'
import { type Lock, LockError, countPins, formatLock, parseLock } from './lock.ts'

fc.configureGlobal({ seed: 20260728 })

const pin = (name: string, over: object = {}): Pin =>
  readPin(
    JSON.stringify({
      name,
      description: `Does ${name}.`,
      inputSchema: { type: 'object', properties: { b: {}, a: {} } },
      ...over,
    }),
  )
const DIGEST = `sha256-${'a'.repeat(43)}`

describe('the lock file', () => {
  test('is sorted, a line per fact, and read back as it was', () => {
    const lock: Lock = {
      backends: new Map([
        ['zoo', { tools: new Map(), prompts: new Map([['p', pin('p')]]) }],
        [
          'art',
          {
            tools: new Map([
              ['b', pin('b')],
              ['a', pin('a')],
            ]),
            prompts: new Map(),
          },
        ],
      ]),
    }
    const text = formatLock(lock)
    assert.deepEqual(parseLock(text, 'x'), lock)
    assert.equal(countPins(lock), 3)
    assert.equal(formatLock(parseLock(text, 'x')), text)
    assert.match(
      text,
      /^\{\n {2}"about": ".*",\n {2}"lockVersion": 1,\n {2}"backends": \{\n {4}"art": \{\n {6}"tools": \{\n {8}"a": \{\n {10}"digest": "sha256-[\w-]{43}",\n {10}"summary": "Does a\.",\n {10}"arguments": \["b", "a"\],\n {10}"members": \{\n {12}"description": "[0-9a-f]{12}",/,
    )
    assert.match(text, /"prompts": \{\}\n {4}\},\n {4}"zoo"/)
    assert.ok(text.endsWith('}\n'))
  })

  test('holds any name that a backend may think of', () => {
    const name = fc.oneof(fc.string({ minLength: 1 }), fc.constantFrom('__proto__', 'constructor', '"', '\n'))
    fc.assert(
      fc.property(fc.uniqueArray(name, { maxLength: 5 }), (names) => {
        const tools = new Map(names.toSorted().map((one) => [one, pin(one, { [one]: 1 })]))
        const lock: Lock = { backends: new Map([['a', { tools, prompts: new Map() }]]) }
        assert.deepEqual(parseLock(formatLock(lock), 'x'), lock)
      }),
    )
  })

  const tool = (over: string): string =>
    `{"lockVersion":1,"backends":{"a":{"tools":{"x":{"digest":"${DIGEST}"${over}}}}}}`
  const cases: Readonly<Record<string, readonly [text: string, problem: RegExp]>> = {
    'is empty': ['', /^line 1: Unexpected end/],
    'is cut off': [tool('').slice(0, -3), /^line 1: Unexpected end/],
    'holds a merge': [`{\n<<<<<<< ours\n`, /^holds the marks of an unfinished merge$/],
    'has a member twice': ['{"lockVersion":1,\n"lockVersion":1}', /^line 2: Duplicate member$/],
    'is a list': ['[]', /^the file is no object$/],
    'is of another program': [
      '{"packages":{}}',
      /^is no lock file of toolgate.*Set integrity\.lock to another name$/,
    ],
    'is of another version': [
      '{"lockVersion":2,"backends":{}}',
      /^"lockVersion" is not 1: it was written by another version/,
    ],
    'says nothing of backends': ['{"lockVersion":1}', /^"backends" is missing$/],
    'has backends of another type': ['{"lockVersion":1,"backends":[]}', /^"backends" is no object$/],
    'has an unknown member': [
      '{"lockVersion":1,"backends":{},"exempt":true}',
      /^the file has an unknown member "exempt"/,
    ],
    'has an unknown kind': [
      '{"lockVersion":1,"backends":{"a":{"tolls":{}}}}',
      /^backends\."a" has an unknown member "tolls"; known are tools, prompts$/,
    ],
    'lacks a digest': [
      `{"lockVersion":1,"backends":{"a":{"tools":{"x":{}}}}}`,
      /^backends\."a"\.tools\."x"\.digest is missing$/,
    ],
    'has a digest that is none': [
      tool('').replace(DIGEST, 'md5-1'),
      /^backends\."a"\.tools\."x"\.digest is no digest/,
    ],
    'has a summary that is no text': [tool(',"summary":1'), /\.summary is no text$/],
    'has a huge summary': [
      tool(`,"summary":"${'x'.repeat(5000)}"`),
      /\.summary is longer than 4096 characters$/,
    ],
    'has arguments that are no list': [tool(',"arguments":{}'), /\.arguments is no list$/],
    'has an argument that is no text': [tool(',"arguments":[1]'), /\.arguments is no text$/],
    'has a member digest that is none': [
      tool(',"members":{"title":"x"}'),
      /\.members\."title" is no digest of 12/,
    ],
    'is nested': [`{"lockVersion":1,"backends":${'['.repeat(100)}`, /^line 1: Nested deeper/],
    'has a name with controls': [
      '{"lockVersion":1,"backends":{"a\\u001b[2J":1}}',
      /^backends\."a\?\[2J" is no object$/,
    ],
  }
  for (const [what, [text, problem]] of Object.entries(cases)) {
    test(`that ${what} is refused, and says where`, () => {
      assert.throws(
        () => parseLock(text, 'tools.lock'),
        (error) => {
          assert.ok(error instanceof LockError)
          assert.match(error.problem, problem)
          assert.equal(error.message, `tools.lock: ${error.problem}`)
          return true
        },
      )
    })
  }

  test('is never believed by accident: any damage is refused or means the same digests', () => {
    const text = formatLock({
      backends: new Map([['a', { tools: new Map([['x', pin('x')]]), prompts: new Map() }]]),
    })
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('', '"', '}', 'x', '\u202e'), (at, put) => {
        try {
          parseLock(`${text.slice(0, at)}${put}${text.slice(at + 1)}`, 'x')
        } catch (error) {
          assert.ok(error instanceof LockError, String(error))
        }
      }),
    )
  })
})
