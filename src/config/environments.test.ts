import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { chooseEnvironment } from './environments.ts'
import { type ConfigResult, parseConfig } from './load.ts'
import { type ConfigProblem, formatProblem } from './problem.ts'
import type { Config } from './types.ts'

type Variables = Readonly<Record<string, string>>

const parse = (text: string, environment?: string, env: Variables = {}): ConfigResult =>
  parseConfig({ name: 'toolgate.yaml', text, dir: '/etc/mcp' }, env, { environment })

const shown = (problems: readonly ConfigProblem[]): readonly string[] => problems.map(formatProblem)

const config = (text: string, environment?: string, env: Variables = {}): Config => {
  const result = parse(text, environment, env)
  assert.ok(result.ok, result.ok ? '' : shown(result.problems).join('\n'))
  return result.config
}

const problems = (text: string, environment?: string, env: Variables = {}): readonly string[] => {
  const result = parse(text, environment, env)
  return result.ok ? [] : shown(result.problems)
}

/** Names and URLs of HTTP backends. */
const urls = ({ backends }: Config): object =>
  Object.fromEntries(
    backends.map((each) => [each.name, each.transport === 'stdio' ? each.command : each.url]),
  )

/** The seed's, word for word. */
const SEED = `
environments:
  production:
    github: https://mcp-github.prod.internal
    database: https://mcp-database.prod.internal
  staging:
    github: https://mcp-github.staging.internal
    database: https://mcp-database.staging.internal
  development:
    github: http://localhost:8001
    database: http://localhost:8002
`

describe('the environment', () => {
  const known = ['production', 'staging', 'development']
  const choose = (asked: string | undefined, env: Variables, names = known): unknown =>
    chooseEnvironment(names, asked, env)

  test('is the one that is asked for, or that of the variables, or development', () => {
    const env = { TOOLGATE_ENV: 'staging', ENVIRONMENT: 'production' }
    assert.deepEqual(choose('development', env), { kind: 'chosen', name: 'development' })
    assert.deepEqual(choose(undefined, env), { kind: 'chosen', name: 'staging' })
    assert.deepEqual(choose(undefined, { ENVIRONMENT: 'production' }), { kind: 'chosen', name: 'production' })
    assert.deepEqual(choose(undefined, { TOOLGATE_ENV: '', ENVIRONMENT: '' }), {
      kind: 'chosen',
      name: 'development',
    })
    assert.deepEqual(choose(undefined, {}), { kind: 'chosen', name: 'development' })
  })

  test('is nobody’s business where there are none, unless somebody asks for one', () => {
    const env = { TOOLGATE_ENV: 'x', ENVIRONMENT: 'something of somebody else' }
    assert.deepEqual(choose(undefined, env, []), { kind: 'chosen', name: undefined })
    const plain = 'backends: { a: http://a }'
    assert.equal(config(plain, undefined, env).environment, undefined)
    assert.equal(config(`${plain}\nenvironments:\n`, undefined, env).environment, undefined)
    assert.deepEqual(problems(plain, 'production'), [
      'toolgate.yaml: environments: there is no environment production, because this configuration has no environments',
    ])
  })

  test('that is not there is refused with those that are', () => {
    assert.deepEqual(problems(SEED, 'prod'), [
      'toolgate.yaml:2:1: environments: there is no environment prod; known are production, staging, development',
    ])
    assert.deepEqual(problems(SEED, undefined, { ENVIRONMENT: 'prodction' }), [
      'toolgate.yaml:2:1: environments: there is no environment prodction (of ENVIRONMENT); known are production, staging, ' +
        'development; did you mean production?',
    ])
    const [hostile] = problems(SEED, undefined, { TOOLGATE_ENV: '\u001B[31m'.repeat(100) })
    assert.match(hostile ?? '', /there is no environment of that name \(of TOOLGATE_ENV\)/)
  })

  test('has to be chosen where there is no development', () => {
    const text = 'backends: { a: http://a }\nenvironments: { production: {}, staging: }'
    const result = parse(text)
    assert.ok(!result.ok)
    assert.deepEqual(result.unchosen, ['production', 'staging'])
    assert.deepEqual(shown(result.problems), [
      'toolgate.yaml:2:1: environments: choose one of production, staging with --env, TOOLGATE_ENV or ENVIRONMENT ' +
        '(development, the one without a choice, is not there)',
    ])
  })

  test('is one of a hundred at most', () => {
    const all = (count: number): string =>
      Array.from({ length: count }, (_, index) => `e${index}: {}`).join(', ')
    const of = (count: number): ConfigResult => parse(`backends: {}\nenvironments: { ${all(count)} }`, 'e0')
    assert.ok(of(100).ok)
    const many = of(101)
    assert.deepEqual(many.ok ? [] : shown(many.problems), [
      'toolgate.yaml:2:1: environments: expected at most 100 environments; found 101',
    ])
  })

  test('is never chosen by anything else', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.string(), { nil: undefined }), (value, asked) => {
        const chosen = chooseEnvironment(known, asked, { ENVIRONMENT: value })
        const wanted = asked ?? (value === '' ? 'development' : value)
        assert.equal(chosen.kind === 'chosen', known.includes(wanted))
      }),
    )
  })
})

describe('the environments of the seed', () => {
  test('are lists of backends by their URLs', () => {
    assert.deepEqual(urls(config(SEED, 'production')), {
      github: 'https://mcp-github.prod.internal',
      database: 'https://mcp-database.prod.internal',
    })
    assert.deepEqual(urls(config(SEED)), {
      github: 'http://localhost:8001',
      database: 'http://localhost:8002',
    })
    assert.equal(config(SEED, 'staging').environment, 'staging')
  })

  test('leave what else is said of a backend as it is', () => {
    const [backend] = config(`backends: { github: { url: http://a, timeout: 7s } }\n${SEED}`).backends
    assert.deepEqual(
      [backend?.timeout, backend?.transport === 'http' && backend.url],
      [7000, 'http://localhost:8001'],
    )
  })

  test('take references for URLs', () => {
    const text = 'environments: { development: { a: "${A:-http://x}", b: "${B}" } }'
    assert.deepEqual(urls(config(text, undefined, { B: 'http://b' })), { a: 'http://x', b: 'http://b' })
    assert.deepEqual(problems(text), [
      'toolgate.yaml:1:56: environments.development.b: the environment variable B is not set; set it, or give a default: ${B:-…}',
    ])
  })

  test('are not mistaken for sections, nor sections for them', () => {
    const of = (overlay: string): readonly string[] =>
      problems(`backends: { a: http://a }\nenvironments: { development: { ${overlay} } }`)
    assert.match(
      of('store: http://x')[0] ?? '',
      /development\.store: store is a section; a backend of that name is written backends: { store: … }$/,
    )
    assert.match(
      of('gatway: { name: x }')[0] ?? '',
      /development\.gatway: unknown setting; .* did you mean gateway\?$/,
    )
    assert.match(of('limts: off')[0] ?? '', /did you mean limits\?$/)
    assert.match(
      of('b: http://x, backends: { b: http://y }')[0] ?? '',
      /development\.b: stands below backends of this environment too/,
    )
    assert.match(of('environments: { x: {} }')[0] ?? '', /development\.environments: unknown setting/)
    assert.match(
      of('"b c": http://x')[0] ?? '',
      /2:32: environments\.development\."b c": expected a name of 1 to 32/,
    )
    assert.match(
      problems('environments: { development: [] }')[1] ?? '',
      /environments\.development: expected a mapping: sections/,
    )
    assert.match(
      problems('environments: [production]')[1] ?? '',
      /environments: expected a mapping of environments by name/,
    )
    assert.match(problems('environments: { "a b": {} }')[1] ?? '', /environments\."a b": expected a name/)
  })
})

describe('an environment', () => {
  const base = `
gateway: { name: base, drain: 1s, allowedHosts: [a, b] }
backends:
  github: { url: http://a, headers: { A: '1', B: '2' } }
  debug: { command: node }
`

  test('is laid over the rest: mappings by their members, lists as a whole, null removes', () => {
    const text = `${base}
environments:
  development:
    gateway: { drain: 2s, allowedHosts: [c] }
    backends: { github: { headers: { B: null, C: '3' } }, debug: null }
`
    const { gateway, backends } = config(text)
    assert.deepEqual([gateway.name, gateway.drain, gateway.allowedHosts], ['base', 2000, ['c']])
    assert.deepEqual(
      backends.map(({ name, ...rest }) => [name, 'headers' in rest && rest.headers]),
      [['github', { A: '1', C: '3' }]],
    )
  })

  test('may be empty', () => {
    assert.equal(config(`${base}environments: { development: }`).gateway.name, 'base')
  })

  test('that removes nothing is doubted', () => {
    const result = parse(`${base}environments: { development: { auth: null } }`)
    assert.ok(result.ok)
    assert.deepEqual(shown(result.warnings), [
      'toolgate.yaml:6:32: environments.development.auth: removes nothing, because nothing of that name is there; an empty section is written {}',
    ])
  })

  test('is found with its own lines, and what it is laid over with those of that', () => {
    const text = `${base}
environments:
  development:
    gateway: { drain: 3 }
    backends: { github: { timeout: 4 } }
`
    assert.deepEqual(
      problems(text.replace('name: base', 'names: base')).map((problem) => problem.split(': expected')[0]),
      [
        'toolgate.yaml:2:19: gateway.names',
        'toolgate.yaml:9:23: environments.development.gateway.drain',
        'toolgate.yaml:10:36: environments.development.backends.github.timeout',
      ],
    )
  })
})

describe('environments that are not chosen', () => {
  const elsewhere = (text: string, env: Variables = {}): readonly string[] => {
    const result = parse(text, 'development', env)
    assert.ok(result.ok, result.ok ? '' : shown(result.problems).join('\n'))
    return shown(result.elsewhere)
  }

  test('may want variables and files that are not here', () => {
    const text = `
backends: { github: { url: http://a, headers: { Authorization: "\${TOKEN:-x}" } } }
environments:
  development: {}
  production:
    backends: { github: { url: "\${URL}", headers: { Authorization: "Bearer \${file:/nowhere/at/all}" }, timeout: "\${T}" } }
`
    assert.deepEqual(elsewhere(text), [])
    assert.equal(problems(text, 'production').length, 3)
  })

  test('are checked for everything else', () => {
    const text = `
backends: { a: http://a }
environments:
  development: {}
  production: { gateway: { nmae: x }, backends: { b: { url: http://b, timeout: 5 }, c: "\${X" } }
  staging: { backends: { a: null }, gatway: {} }
  other: { admin: { listen: 127.0.0.1:8080 } }
`
    assert.deepEqual(
      elsewhere(text).map((problem) => problem.replace(/; (known|found|did) .*/, '')),
      [
        'toolgate.yaml:5:28: environments.production.gateway.nmae: unknown setting',
        'toolgate.yaml:5:80: environments.production.backends.b.timeout: expected a duration with its unit, such as 30s, 500ms, 2m or 1h',
        'toolgate.yaml:5:88: environments.production.backends.c: expected a } after ${; write $${ for a literal ${',
        'toolgate.yaml:6:37: environments.staging.gatway: unknown setting',
        'toolgate.yaml:7:29: environments.other.admin.listen: the same address as gateway.listen',
      ],
    )
  })

  test('are told once of what they have in common, with their name where the line is not theirs', () => {
    const text = `
gateway: { listen: 127.0.0.1:9901 }
backends: { a: http://a }
environments:
  development: { admin: false }
  production: {}
  staging: {}
`
    assert.deepEqual(elsewhere(text), [
      'toolgate.yaml: admin.listen: in the environment production: the same address as gateway.listen',
    ])
  })

  test('may have backends that are called like what every object has', () => {
    const text = 'backends: { a: http://a }\nenvironments: { development: { toString: http://b } }'
    assert.deepEqual(problems(text, 'development'), [])
  })

  test('do not read files, whatever they say', () => {
    // This one holds no URL, so that it would be told.
    const text = `backends: { a: http://a }
environments: { development: , x: { b: "\${file:${import.meta.filename}:-http://b}", c: "\${file:/dev/zero}" } }`
    assert.deepEqual(elsewhere(text), [])
    assert.equal(problems(text, 'x').length, 2)
  })
})
