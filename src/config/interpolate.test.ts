import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Interpolated, interpolate as replace } from './interpolate.ts'
import type { SecretFile } from './secret-file.ts'

const env = { NAME: 'value', EMPTY: '', REF: '${NAME}' }

const FILES: Readonly<Record<string, SecretFile>> = {
  '/run/secrets/x': { kind: 'text', text: 'from a file' },
  empty: { kind: 'text', text: '' },
  pipe: { kind: 'unusable', reason: 'is no regular file' },
}

const interpolate = (text: string, variables: Readonly<Record<string, string>>): Interpolated =>
  replace(text, { env: variables, readSecret: (path) => FILES[path] ?? { kind: 'missing' } })

const messages = (text: string, variables: Readonly<Record<string, string>>): readonly string[] =>
  interpolate(text, variables).problems.map(({ message }) => message)

const replaced: readonly (readonly [string, string])[] = [
  ['plain', 'plain'],
  ['${NAME}', 'value'],
  ['${env:NAME}', 'value'],
  ['a${NAME}b${NAME}c', 'avaluebvaluec'],
  ['${MISSING:-default}', 'default'],
  ['${env:MISSING:-default}', 'default'],
  ['${NAME:-default}', 'value'],
  ['${EMPTY:-default}', 'default'],
  ['${EMPTY}', ''],
  ['${MISSING:-}', ''],
  ['${MISSING:-http://127.0.0.1:1/mcp}', 'http://127.0.0.1:1/mcp'],
  ['$${NAME}', '${NAME}'],
  ['$NAME and $ and $$', '$NAME and $ and $$'],
  ['${REF}', '${NAME}'],
  ['Bearer ${file:/run/secrets/x}', 'Bearer from a file'],
  ['${file:/run/secrets/x:-default}', 'from a file'],
  ['${file:missing:-default}', 'default'],
  ['${file:empty:-default}', 'default'],
  ['${file:empty}', ''],
  ['$${file:missing}', '${file:missing}'],
]

test('references are replaced by environment variables and their defaults', () => {
  for (const [text, expected] of replaced) {
    assert.deepEqual([interpolate(text, env).text, interpolate(text, env).problems], [expected, []], text)
  }
})

const refused: readonly (readonly [string, string])[] = [
  ['${MISSING}', 'the environment variable MISSING is not set; set it, or give a default: ${MISSING:-…}'],
  ['${NAME', 'expected a } after ${; write $${ for a literal ${'],
  ['${}', '${} is no reference: expected ${NAME} or ${NAME:-default}; write $${ for a literal ${'],
  ['${1A}', '${1A} is no reference: expected ${NAME} or ${NAME:-default}; write $${ for a literal ${'],
  [
    '${A B:-secret}',
    '${A B} is no reference: expected ${NAME} or ${NAME:-default}; write $${ for a literal ${',
  ],
  ['${file:missing}', 'the file missing is not there; create it, or give a default: ${file:missing:-…}'],
  ['${file:pipe:-default}', 'the file pipe is no regular file'],
  ['${file:}', 'expected the path of a file: ${file:/run/secrets/name}'],
  ['${file:a\nb}', 'expected the path of a file: ${file:/run/secrets/name}'],
  ['${A:-${NAME}}', 'the default of ${A:-…} cannot hold another reference'],
  [
    '${input:api-key}',
    '${input:api-key} asks a person in VS Code; set an environment variable instead and write ${API_KEY}',
  ],
  ['${workspaceFolder}', '${workspaceFolder} is known to editors only: write the path of the folder'],
]

test('a reference that cannot be replaced is a problem that names the variable', () => {
  for (const [text, expected] of refused) assert.deepEqual(messages(text, env), [expected], text)
})

test('property: a text without ${ is left as it is', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.includes('${'))
      assert.equal(interpolate(text, env).text, text)
    }),
  )
})

test('property: a value goes in literally, whatever it holds, and no problem ever shows it', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), (value, around) => {
      fc.pre(!/[${]/.test(around))
      assert.equal(interpolate(`${around}\${V}${around}`, { V: value }).text, around + value + around)
      const secret = `secret-${value}`
      const problems = messages('${V} ${W} ${X', { V: secret })
      assert.ok(problems.length > 0 && problems.every((problem) => !problem.includes(secret)))
    }),
  )
})

test('property: doubling the dollar keeps any text of references', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const text = `\${${name.replaceAll('$', '')}}`
      assert.equal(interpolate(`$${text}`, env).text, text)
    }),
  )
})

test('what every object has is no variable', () => {
  for (const name of ['constructor', 'toString', '__proto__']) {
    assert.deepEqual(interpolate(`\${${name}:-default}`, process.env as never).text, 'default')
    assert.match(messages(`\${${name}}`, process.env as never).join(), /is not set/)
  }
})
