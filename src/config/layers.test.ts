import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ConfigResult, parseConfig } from './load.ts'
import { type ConfigProblem, formatProblem } from './problem.ts'
import type { Config } from './types.ts'

const shown = (problems: readonly ConfigProblem[]): readonly string[] => problems.map(formatProblem)

describe('several files', () => {
  const files = (...texts: readonly (readonly [name: string, text: string])[]): ConfigResult =>
    parseConfig(
      texts.map(([name, text]) => ({ name, text, dir: `/${name.split('/')[0]}` })),
      { FROM_ENV: 'x' },
    )
  const settled = (result: ConfigResult): Config => {
    assert.ok(result.ok, result.ok ? '' : shown(result.problems).join('\n'))
    return result.config
  }

  test('are laid over each other, and their environments over all of them', () => {
    const { gateway, backends } = settled(
      files(
        [
          'one/a.yaml',
          'gateway: { name: one, drain: 1s }\nbackends: { a: http://a, b: http://b }\nenvironments: { development: { gateway: { name: env, sessionIdle: 1m }, b: http://env } }',
        ],
        [
          'two/b.yaml',
          'gateway: { name: two, drain: 2s }\nbackends: { a: null, c: http://c }\nenvironments: { development: { gateway: { sessionIdle: 2m } } }',
        ],
      ),
    )
    assert.deepEqual([gateway.name, gateway.drain, gateway.sessionIdle], ['env', 2000, 120_000])
    assert.deepEqual(
      backends.map((each) => [each.name, each.transport === 'http' && each.url]),
      [
        ['b', 'http://env'],
        ['c', 'http://c'],
      ],
    )
  })

  test('may say only a part, or nothing', () => {
    assert.equal(
      settled(files(['one/a.yaml', 'backends: { a: http://a }'], ['two/b.yaml', '# later\n'])).backends
        .length,
      1,
    )
    const nothing = files(['one/a.yaml', ''], ['two/b.yaml', '# later\n'])
    assert.deepEqual(nothing.ok ? [] : shown(nothing.problems), [
      'one/a.yaml: the file is empty; it needs at least backends',
    ])
  })

  test('have paths that start from the file that wrote them', () => {
    const { gateway, integrity, auth, backends } = settled(
      files(
        [
          'one/a.yaml',
          'gateway: { stateDir: state }\nauth: { apiKeys: { file: keys.json } }\nbackends: { a: { command: x }, b: { command: x, cwd: data } }',
        ],
        [
          'two/b.yaml',
          'auth: { apiKeys: { file: k.json } }\nintegrity: { onNew: warn }\nbackends: { a: { timeout: 5s }, b: { cwd: data }, c: { command: x } }',
        ],
      ),
    )
    assert.equal(gateway.stateDir, '/one/state')
    assert.equal(integrity.lock, '/one/tools.lock')
    assert.equal(auth?.apiKeys?.file, '/two/k.json')
    assert.deepEqual(
      backends.map((each) => each.transport === 'stdio' && each.cwd),
      ['/one', '/two/data', '/two'],
    )
    const lock = settled(files(['one/a.yaml', 'backends: {}'], ['two/b.yaml', 'integrity: { lock: l }']))
    assert.equal(lock.integrity.lock, '/two/l')
  })

  test('have each problem in its file, in their order', () => {
    const result = files(
      ['z.yaml', 'backends:\n  a: { url: http://a, timeout: 5 }\n  b: { url: http://b }'],
      ['y.yaml', 'backends:\n  b: { timeout: 6 }\n\ngatway: {}'],
      ['x.json', '{ "backends": { "c": { "era": "old" } } }'],
    )
    assert.ok(!result.ok)
    assert.deepEqual(
      shown(result.problems).map((problem) => problem.split(': ').slice(0, 2).join(' ')),
      [
        'z.yaml:2:32 backends.a.timeout',
        'y.yaml:2:17 backends.b.timeout',
        'y.yaml:4:1 gatway',
        'x.json:1:17 backends.c.url',
        'x.json:1:31 backends.c.era',
      ],
    )
  })

  test('are all told apart when one of them cannot be read', () => {
    const result = files(['a.yaml', 'backends: {'], ['b.yaml', '- 1'])
    assert.ok(!result.ok)
    assert.deepEqual(
      result.problems.map(({ file }) => file),
      ['a.yaml', 'b.yaml'],
    )
  })

  test('may be those of desktop clients', () => {
    const { gateway, backends } = settled(
      files(
        [
          'home/mcp.json',
          '{ "mcpServers": { "My Files": { "command": "x" }, "web": { "url": "http://w" } }, "other": 1, "environments": { "development": { "web": "http://dev" } } }',
        ],
        ['two/team.yaml', 'gateway: { name: team }\nbackends: { My-Files: { timeout: 5s } }'],
      ),
    )
    assert.equal(gateway.name, 'team')
    assert.deepEqual(
      backends.map(({ name, timeout }) => [name, timeout]),
      [
        ['My-Files', 5000],
        ['web', 30_000],
      ],
    )
    assert.equal(backends[1]?.transport === 'http' && backends[1].url, 'http://dev')
    assert.equal(backends[0]?.transport === 'stdio' && backends[0].cwd, '/home')
  })

  test('are bounded in depth, however deep an overlay is', () => {
    const deep = `${'{ a: '.repeat(40)}1${' }'.repeat(40)}`
    const result = files([
      'a.yaml',
      `backends: { a: http://a }\nenvironments: { development: { gateway: ${deep} } }`,
    ])
    assert.ok(!result.ok)
    assert.match(shown(result.problems).join('\n'), /nested too deeply/)
  })

  test('know no key that means something to the language', () => {
    const result = files(
      ['a.yaml', 'backends: { a: http://a }'],
      [
        'b.json',
        '{ "__proto__": { "x": 1 }, "environments": { "__proto__": {}, "development": { "__proto__": {} } } }',
      ],
    )
    assert.ok(!result.ok)
    assert.deepEqual(
      result.problems.map(({ file, message }) => [file, message]),
      Array.from({ length: 3 }, () => ['b.json', 'a key must be a word']),
    )
  })
})
