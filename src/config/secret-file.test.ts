import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type ConfigResult, parseConfig } from './load.ts'
import { formatProblem } from './problem.ts'
import { readSecretFile } from './secret-file.ts'

let dir: string

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'toolgate-secrets-'))
})

after(() => rmSync(dir, { recursive: true }))

/** Writes a file, and gives its path. */
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(dir, name), content)
  return join(dir, name)
}

const textOf = (path: string): string | undefined => {
  const found = readSecretFile(path)
  return found.kind === 'text' ? found.text : undefined
}

const reasonOf = (path: string): string | undefined => {
  const found = readSecretFile(path)
  return found.kind === 'unusable' ? found.reason : undefined
}

describe('a file that holds a value', () => {
  test('gives it without the line break at its end', () => {
    for (const [written, expected] of [
      ['secret', 'secret'],
      ['secret\n', 'secret'],
      ['secret\r\n', 'secret'],
      ['secret\n\n', 'secret\n'],
      [' two\nlines \n', ' two\nlines '],
      ['', ''],
    ]) {
      assert.equal(textOf(file('x', written ?? '')), expected)
    }
  })

  test('may be a link, as Kubernetes mounts secrets', () => {
    symlinkSync(file('real', 'secret'), join(dir, 'link'))
    assert.equal(textOf(join(dir, 'link')), 'secret')
  })

  test('is missing, or cannot be taken', () => {
    assert.deepEqual(readSecretFile(join(dir, 'none')), { kind: 'missing' })
    assert.deepEqual(readSecretFile(join(file('plain', 'x'), 'below')), { kind: 'missing' })
    mkdirSync(join(dir, 'folder'))
    assert.equal(reasonOf(join(dir, 'folder')), 'is no regular file')
    assert.equal(reasonOf('/dev/zero'), 'is no regular file')
    assert.equal(reasonOf(file('binary', Uint8Array.of(0xff, 0xfe))), 'is no UTF-8 text')
    assert.equal(reasonOf(file('large', 'x'.repeat(64 * 1024 + 1))), 'is larger than 64 KiB')
    assert.equal(textOf(file('largest', 'x'.repeat(64 * 1024)))?.length, 64 * 1024)
  })

  test('is not waited for where it is a pipe that nobody writes into', () => {
    execFileSync('mkfifo', [join(dir, 'pipe')])
    assert.equal(reasonOf(join(dir, 'pipe')), 'is no regular file')
  })
})

describe('a reference to a file', () => {
  const parse = (text: string, env: Readonly<Record<string, string>> = {}): ConfigResult =>
    parseConfig({ name: 'toolgate.yaml', text: `backends: { a: { url: http://a, ${text} } }`, dir }, env)
  const header = (text: string): string | undefined => {
    const result = parse(`headers: { Authorization: "${text}" }`)
    assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'))
    const [backend] = result.config.backends
    return backend?.transport === 'http' ? backend.headers['Authorization'] : undefined
  }
  const problems = (text: string): readonly string[] => {
    const result = parse(text)
    return result.ok ? [] : result.problems.map(({ message }) => message)
  }

  test('is replaced by what it holds, relative to the configuration', () => {
    file('token', 'abc\n')
    assert.equal(header('Bearer ${file:token}'), 'Bearer abc')
    assert.equal(header(`Bearer \${file:${join(dir, 'token')}}`), 'Bearer abc')
    assert.equal(header('$${file:token}'), '${file:token}')
  })

  test('has a default for a file that is missing or empty', () => {
    file('empty', '\n')
    assert.equal(header('${file:none:-otherwise}'), 'otherwise')
    assert.equal(header('${file:empty:-otherwise}'), 'otherwise')
    assert.equal(header('${file:empty}'), '')
  })

  test('says what is wrong once, and never with what is in the file', () => {
    file('canary', 'canary-7f3a')
    mkdirSync(join(dir, 'directory'), { recursive: true })
    for (const [text, message] of [
      [
        'timeout: "${file:none}"',
        'the file none is not there; create it, or give a default: ${file:none:-…}',
      ],
      ['timeout: "${file:directory:-5s}"', 'the file directory is no regular file'],
      ['timeout: "${file:}"', 'expected the path of a file: ${file:/run/secrets/name}'],
      ['timeout: "${file:${X}}"', 'the path of ${file:…} cannot hold another reference'],
      ['timeout: "${file:x:-${Y}}"', 'the default of ${file:x:-…} cannot hold another reference'],
    ] as const) {
      assert.ok(problems(text).includes(message), `${text}: ${problems(text).join('\n')}`)
    }
    const [wrong] = problems('timeout: "${file:canary}"')
    assert.match(wrong ?? '', /^expected a duration .*; found a value from the file canary$/)
    const everything = [
      'era: "${file:canary}"',
      'connections: "${file:canary}"',
      'keepAlive: "${file:canary}"',
      'retry: "${file:canary}"',
      'headers: { X: "a\\n${file:canary}" }',
      'signing: { key: "${file:canary}", keyId: k }',
      'health: { path: "${file:canary}" }',
    ]
    for (const text of everything) {
      assert.ok(problems(text).length > 0, text)
      for (const message of problems(text)) assert.ok(!message.includes('canary-7f3a'), message)
    }
  })

  test('is bounded over all references together', () => {
    const large = file('sixty', 'x'.repeat(60 * 1024))
    const args = Array.from({ length: 150 }, () => `\${file:${large}}`)
    const result = parseConfig(
      { name: 'x.json', text: JSON.stringify({ backends: { a: { command: 'x', args } } }), dir },
      {},
    )
    assert.ok(!result.ok)
    assert.match(result.problems[0]?.message ?? '', /would make the configuration too large$/)
  })
})
