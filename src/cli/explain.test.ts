import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Ran, run } from '../../test/cli/fake-io.ts'

/** Stands wherever a secret may stand. */
const CANARY = 'canary9f31c7'

let cwd: string

before(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'toolgate-explain-'))
  await mkdir(join(cwd, 'secrets'))
  await writeFile(join(cwd, 'secrets', 'token'), `${CANARY}\n`)
  await writeFile(
    join(cwd, 'base.yaml'),
    `gateway: { name: base, listen: '127.0.0.1:\${PORT:-8080}' }
backends:
  github: http://localhost:8001/mcp
  debug: { command: npx, args: [-y, server, --token, ${CANARY}], env: { KEY: ${CANARY} } }
environments:
  development:
  production:
    github: https://mcp-github.prod.internal
    backends: { debug: null, database: { url: '\${DB}', headers: { Authorization: 'Bearer \${file:secrets/token}' } } }
`,
  )
  await writeFile(
    join(cwd, 'team.yaml'),
    `gateway: { name: team, allowedHosts: ['\${HOST_NAME:-x}'] }
backends: { github: { timeout: 5s, signing: { key: ${CANARY.repeat(4)}, keyId: k1 } } }
store: { url: 'redis://:${CANARY}@db' }
`,
  )
})

after(async () => rm(cwd, { recursive: true }))

const env = { DB: `https://db.prod.internal/${CANARY}`, HOST_NAME: `${CANARY}.internal` }
const explained = async (...args: readonly string[]): Promise<Ran> =>
  run({ cwd, env }, 'check', 'base.yaml', 'team.yaml', ...args)

describe('check --explain', () => {
  test('says which file, line and environment a value comes from, and what it stands instead of', async () => {
    assert.deepEqual(await explained('--env', 'production', '--explain', 'backends.github.url'), {
      code: 0,
      stdout: `backends.github.url: https://mcp-github.prod.internal
  base.yaml:8:13, environment production
  instead of base.yaml:3:11
`,
      stderr: '',
    })
    const without = await explained('--explain', 'backends.github.url')
    assert.equal(without.stdout, 'backends.github.url: http://localhost:8001/mcp\n  base.yaml:3:11\n')
  })

  test('lists everything beneath a path, defaults included', async () => {
    const { stdout } = await explained('--explain', 'gateway')
    assert.match(stdout, /^gateway\.name: team\n {2}team\.yaml:1:18\n {2}instead of base\.yaml:1:18\n/)
    assert.match(stdout, /^gateway\.limits\.body: 4MiB\n {2}default\n/m)
    assert.match(stdout, /^gateway\.listen: …\n {2}base\.yaml:1:32, from the environment \(PORT\)\n/m)
    assert.doesNotMatch(stdout, /backends|store/)
    const all = (await explained('--explain', '.')).stdout
    for (const path of ['gateway.name', 'backends.debug.cwd', 'admin.listen', 'limits', 'integrity.lock'])
      assert.match(all, new RegExp(`^${path.replaceAll('.', String.raw`\.`)}: `, 'm'))
  })

  test('says what was removed, what is not set, and what does not exist', async () => {
    const removed = await explained('--env', 'production', '--explain', 'backends.debug')
    assert.equal(removed.stdout, 'backends.debug:\n  removed by base.yaml:9:24, environment production\n')
    const unset = await explained('--explain', 'gateway.publicUrl')
    assert.equal(unset.stdout, 'gateway.publicUrl is not set, and has no default\n')
    for (const [path, message] of [
      ['backends.githb.url', 'there is no setting backends.githb.url; did you mean backends.github?'],
      ['gateway.limits.bodi', 'there is no setting gateway.limits.bodi; did you mean gateway.limits.body?'],
      ['nothing', 'there is no setting nothing'],
      ['a..b', '"a..b" is no path'],
    ] as const) {
      const { code, stderr } = await explained('--explain', path)
      assert.deepEqual([code, stderr.split('\n')[0]], [1, `toolgate: ${message}`])
    }
  })

  test('shows no secret, in whatever form', async () => {
    for (const environment of ['production', 'development']) {
      for (const form of [[], ['--json']]) {
        const { code, stdout, stderr } = await explained('--env', environment, '--explain', '.', ...form)
        assert.deepEqual([code, stderr], [0, ''])
        assert.ok(!stdout.includes(CANARY), stdout)
      }
    }
    const { stdout } = await explained('--env', 'production', '--explain', 'backends.database')
    assert.match(
      stdout,
      /^backends\.database\.url: https:\/\/db\.prod\.internal\/…\n.*from the environment \(DB\)$/m,
    )
    assert.match(
      stdout,
      /Authorization: …\n {2}base\.yaml:9:\d+, environment production, from the file secrets\/token\n/,
    )
    const debug = await explained('--explain', 'backends.debug.args')
    assert.match(debug.stdout, /^backends\.debug\.args: \["-y","server","--token","…"\]\n/)
    const signing = await explained('--explain', 'backends.github.signing')
    assert.match(signing.stdout, /signing\.keyId: k1\n/)
  })

  test('--json says the same for programs', async () => {
    const { stdout } = await explained('--env', 'production', '--explain', 'backends.github.url', '--json')
    assert.deepEqual(JSON.parse(stdout), [
      {
        path: 'backends.github.url',
        from: 'file',
        value: 'https://mcp-github.prod.internal',
        hidden: false,
        references: [],
        place: { file: 'base.yaml', line: 8, column: 13, environment: 'production' },
        instead: [{ file: 'base.yaml', line: 3, column: 11 }],
      },
    ])
  })

  test('speaks of a configuration that is not valid, too', async () => {
    await writeFile(join(cwd, 'broken.yaml'), 'backends: { a: { url: http://a, timeout: 5 } }')
    const { code, stdout, stderr } = await run(
      { cwd },
      'check',
      'broken.yaml',
      '--explain',
      'backends.a.timeout',
    )
    assert.deepEqual([code, stdout], [1, 'backends.a.timeout: 5\n  broken.yaml:1:42\n'])
    assert.match(stderr, /^broken\.yaml: 1 problem\n/)
  })
})

describe('a configuration of several files', () => {
  test('is named by arguments or by -c, in that order, for every command that takes one', async () => {
    const named = ['-c', 'base.yaml', '-c', 'team.yaml']
    const { stdout } = await run({ cwd, env }, 'check', ...named)
    assert.match(stdout, /^base\.yaml, team\.yaml is valid\n/)
    assert.match(stdout, /^Name: +team$/m)
    for (const command of [
      ['can', 'anonymous', 'github_x'],
      ['keys', 'list'],
      ['keys', 'rotate-sealing'],
      ['pin', '--check', 'nobody'],
      ['tools'],
      ['call', 'x'],
      ['status'],
      ['isolate', 'github'],
      ['serve'],
      ['stdio'],
    ]) {
      const { code, stderr } = await run({ cwd, env }, ...command, ...named, '--env', 'nowhere')
      assert.equal(code, 1, command.join(' '))
      assert.match(
        stderr,
        /there is no environment nowhere; known are development, production/,
        command.join(' '),
      )
    }
  })

  test('may be a folder, whose files are read in the order of their names', async () => {
    const folder = join(cwd, 'conf.d')
    await mkdir(folder)
    await writeFile(join(folder, '20-team.yml'), 'gateway: { name: twenty }')
    await writeFile(join(folder, '10-base.yaml'), 'gateway: { name: ten }\nbackends: { a: http://a }')
    await writeFile(join(folder, '30-last.json'), '{ "log": { "level": "loud" } }')
    await writeFile(join(folder, '.hidden.yaml'), 'nonsense')
    await writeFile(join(folder, 'README.md'), 'nonsense')
    const broken = await run({ cwd }, 'check', 'conf.d')
    assert.match(broken.stderr, /^conf\.d: 1 problem\n {2}conf\.d\/30-last\.json:1:21: log\.level: /)
    await rm(join(folder, '30-last.json'))
    const { stdout } = await run({ cwd }, 'check', 'conf.d', '--explain', 'gateway.name')
    assert.equal(
      stdout,
      'gateway.name: twenty\n  conf.d/20-team.yml:1:18\n  instead of conf.d/10-base.yaml:1:18\n',
    )
  })

  test('may not be an empty folder, a folder of hundreds, or a folder in one', async () => {
    const problem = async (name: string): Promise<string> => (await run({ cwd }, 'check', name)).stderr
    await mkdir(join(cwd, 'empty'))
    assert.match(await problem('empty'), /cannot be read: the folder holds no \*\.yaml, \*\.yml or \*\.json/)
    await mkdir(join(cwd, 'many'))
    for (let index = 0; index <= 100; index++) await writeFile(join(cwd, 'many', `${index}.yaml`), '')
    assert.match(await problem('many'), /cannot be read: the folder holds more than 100 files/)
    await mkdir(join(cwd, 'outer', 'inner.yaml'), { recursive: true })
    assert.match(await problem('outer'), /outer\/inner\.yaml: cannot be read: it is a folder/)
    assert.match(await problem('nowhere.yaml'), /nowhere\.yaml: cannot be read: there is no such file/)
  })
})

describe('check', () => {
  const check = async (text: string, ...args: readonly string[]): Promise<Ran> => {
    await writeFile(join(cwd, 'checked.yaml'), text)
    return run({ cwd }, 'check', 'checked.yaml', ...args)
  }
  const wrong =
    'backends: { a: http://a }\nenvironments: { development: {}, production: { gateway: { drain: 5 } } }'

  test('wants every environment to be valid, unless one is named', async () => {
    const all = await check(wrong)
    assert.equal(all.code, 1)
    assert.match(all.stderr, /checked\.yaml:2:66: environments\.production\.gateway\.drain: expected/)
    const one = await check(wrong, '--env', 'development')
    assert.equal(one.code, 0)
    assert.match(
      one.stdout,
      /^checked\.yaml is valid\nwarning: checked\.yaml:2:66: environments\.production\.gateway\.drain/,
    )
    assert.match(one.stdout, /^Environment: +development$/m)
    assert.equal((await check(wrong, '--env', 'production')).code, 1)
    const json = await check(wrong, '--json')
    assert.equal((JSON.parse(json.stdout) as { readonly ok: boolean }).ok, false)
  })

  test('needs no choice to say that all of them are', async () => {
    const text = 'environments: { production: { a: http://a }, staging: { a: "${UNSET}" } }'
    assert.deepEqual(await check(text), {
      code: 0,
      stdout:
        'checked.yaml is valid in every environment: production, staging\n' +
        'None of them is chosen: see what one would do with --env.\n',
      stderr: '',
    })
    const json = await check(text, '--json')
    assert.deepEqual(JSON.parse(json.stdout), {
      ok: true,
      file: 'checked.yaml',
      environments: ['production', 'staging'],
    })
    const { code, stderr } = await run({ cwd }, 'serve', 'checked.yaml')
    assert.equal(code, 1)
    assert.match(stderr, /choose one of production, staging with --env, TOOLGATE_ENV or ENVIRONMENT/)
  })

  test('tells a command that runs of problems elsewhere, and lets it run', async () => {
    await writeFile(join(cwd, 'checked.yaml'), wrong)
    const { code, stderr } = await run({ cwd }, 'can', 'anonymous', 'a_x', '-c', 'checked.yaml')
    assert.equal(code, 0)
    assert.match(stderr, /^warning: checked\.yaml:2:66: environments\.production\.gateway\.drain: expected/)
  })
})

test('--env without a configuration, or beside --url, is refused', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'toolgate-empty-'))
  for (const command of [['keys', 'list'], ['tools'], ['check']]) {
    const { code, stderr } = await run({ cwd: empty }, ...command, '--env', 'production')
    assert.deepEqual([code, stderr.split(':').slice(0, 2)], [1, ['toolgate', ' no configuration here']])
  }
  await rm(empty, { recursive: true })
  const { stderr } = await run({ cwd }, 'tools', '--url', 'http://x', '--env', 'production')
  assert.match(stderr, /name either a configuration \(-c, --env\) or a --url, not both/)
})
