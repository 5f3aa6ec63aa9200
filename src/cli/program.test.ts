import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../../test/cli/fake-io.ts'

let cwd: string

before(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'toolgate-program-'))
  await writeFile(
    join(cwd, 'toolgate.yaml'),
    `backends:
  github: { url: "https://example.com/mcp?key=hunter2", headers: { Authorization: Bearer hunter2 } }
  storage: { command: npx, args: [-y, server, --token, hunter2, ./data], env: { KEY: hunter2 } }
`,
  )
  await writeFile(join(cwd, 'broken.yaml'), 'backends:\n  a: { url: http://a, timeout: 30 }\n  b: {}\n')
})

after(async () => rm(cwd, { recursive: true }))

test('without a command, or with --help, every command is listed', async () => {
  const { code, stdout } = await run({ cwd })
  assert.equal(code, 0)
  for (const name of ['serve', 'stdio', 'check', 'schema', 'import', 'tools', 'call', 'status', 'keys']) {
    assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'))
  }
  assert.deepEqual(await run({ cwd }, '--help'), { code: 0, stdout, stderr: '' })
})

test('every help fits into 80 columns', async () => {
  for (const name of ['serve', 'stdio', 'check', 'schema', 'import', 'tools', 'call', 'status', 'keys']) {
    const { code, stdout } = await run({ cwd }, name, '--help')
    assert.equal(code, 0)
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line)
  }
})

test('--version, unknown commands and missing arguments', async () => {
  assert.deepEqual(await run({ cwd }, '--version'), { code: 0, stdout: '9.9.9\n', stderr: '' })
  const typo = await run({ cwd }, 'chekc')
  assert.equal(typo.code, 1)
  assert.match(typo.stderr, /unknown command 'chekc'\n\(Did you mean check\?\)/)
  assert.match((await run({ cwd }, 'call')).stderr, /missing required argument 'tool'/)
  assert.match(
    (await run({ cwd }, 'check', 'a.yaml', '-c', 'b.yaml')).stderr,
    /the configuration is named twice: a.yaml and b.yaml/,
  )
})

test('check says what a configuration would do, without its secrets', async () => {
  const { code, stdout, stderr } = await run({ cwd }, 'check')
  assert.deepEqual([code, stderr], [0, ''])
  assert.equal(
    stdout,
    `toolgate.yaml is valid

Name:               toolgate
Clients connect to: http://127.0.0.1:8080/mcp
Who may call:       anybody
Admin listener:     http://127.0.0.1:9901
Tool names:         <backend>_<tool>
Limits:             default
Counted:            in memory
Definitions:        not pinned (toolgate pin writes tools.lock)

BACKEND  TRANSPORT  ERA   TIMEOUT  WHERE
github   http       auto  30s      https://example.com/mcp?key=… (headers:
                                   Authorization)
storage  stdio      auto  30s      npx -y server --token … ./data (in .; env:
                                   KEY)
`,
  )
})

test('check --json says the same, and no secret either', async () => {
  const { code, stdout } = await run({ cwd }, 'check', '--json')
  assert.equal(code, 0)
  assert.ok(!stdout.includes('hunter2'))
  assert.deepEqual(JSON.parse(stdout), {
    ok: true,
    file: 'toolgate.yaml',
    warnings: [],
    gateway: { name: 'toolgate', url: 'http://127.0.0.1:8080/mcp', names: 'prefix' },
    auth: null,
    admin: 'http://127.0.0.1:9901',
    integrity: {
      lock: 'tools.lock',
      onChange: 'quarantine',
      onNew: 'quarantine',
      onShadow: 'warn',
      onInvisible: 'escape',
      approved: null,
    },
    limits: [{ name: 'default', key: ['principal'], kind: 'window', count: 60, per: 60_000 }],
    store: 'memory',
    backends: [
      {
        name: 'github',
        transport: 'http',
        era: 'auto',
        timeoutMs: 30_000,
        url: 'https://example.com/mcp?key=…',
        headers: ['Authorization'],
      },
      {
        name: 'storage',
        transport: 'stdio',
        era: 'auto',
        timeoutMs: 30_000,
        command: 'npx -y server --token … ./data',
        cwd: '.',
        env: ['KEY'],
      },
    ],
  })
})

test('check shows every endpoint of a backend, without its secrets', async () => {
  const text = `backends: { a: { endpoints: [{ url: "http://one/mcp?key=hunter2" }, { url: "http://two/mcp", weight: 3 }] } }`
  await writeFile(join(cwd, 'endpoints.yaml'), text)
  const { stdout } = await run({ cwd, columns: 120 }, 'check', 'endpoints.yaml')
  assert.match(stdout, /http:\/\/one\/mcp\?key=…, http:\/\/two\/mcp$/m)
  const json = await run({ cwd }, 'check', 'endpoints.yaml', '--json')
  const { backends } = JSON.parse(json.stdout) as {
    readonly backends: readonly { readonly endpoints: unknown }[]
  }
  assert.deepEqual(backends[0]?.endpoints, [
    { url: 'http://one/mcp?key=…', weight: 1 },
    { url: 'http://two/mcp', weight: 3 },
  ])
  await rm(join(cwd, 'endpoints.yaml'))
})

test('check lists every problem with its place and exits with 1', async () => {
  for (const args of [['broken.yaml'], ['-c', 'broken.yaml']]) {
    assert.deepEqual(await run({ cwd }, 'check', ...args), {
      code: 1,
      stdout: '',
      stderr: `broken.yaml: 2 problems
  broken.yaml:2:32: backends.a.timeout: expected a duration with its unit, such as 30s, 500ms, 2m or 1h; found the number 30; did you mean 30s or 30ms?
  broken.yaml:3:3: backends.b.url: missing: a backend needs a url (http), a command (stdio) or rest
`,
    })
  }
  const { code, stdout } = await run({ cwd }, 'check', 'broken.yaml', '--json')
  assert.equal(code, 1)
  assert.equal((JSON.parse(stdout) as { readonly problems: readonly object[] }).problems.length, 2)
})

test('a command that needs a configuration stops at its problems', async () => {
  for (const name of ['serve', 'stdio']) {
    const { code, stdout, stderr } = await run({ cwd }, name, 'broken.yaml')
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /^broken\.yaml: 2 problems\n/)
  }
})

test('without a configuration the message says what was looked for and what to do', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'toolgate-empty-'))
  const { code, stderr } = await run({ cwd: empty }, 'check')
  await rm(empty, { recursive: true })
  assert.deepEqual(
    [code, stderr],
    [
      1,
      'toolgate: no configuration here: looked for toolgate.yaml, toolgate.yml, toolgate.json, mcp.json, .mcp.json\n' +
        'Name a file with -c, or let `toolgate import -o toolgate.yaml` write one from the MCP servers you use already.\n',
    ],
  )
})

test('colours are used only where the terminal has them', async () => {
  const escape = '\u001B['
  assert.ok((await run({ cwd, isTTY: true, color: true }, 'check')).stdout.includes(escape))
  assert.ok(!(await run({ cwd, isTTY: true, color: false }, 'check')).stdout.includes(escape))
})

test('schema prints the JSON Schema', async () => {
  const { stdout } = await run({ cwd }, 'schema')
  assert.equal(
    (JSON.parse(stdout) as { readonly $schema: string }).$schema,
    'https://json-schema.org/draft/2020-12/schema',
  )
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the real program as a process. */
const spawned = async (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> => {
  const program = fileURLToPath(new URL('../main.ts', import.meta.url))
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program, ...args], { cwd, env }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr })
    })
  })
}

test('the program runs as a process: version, exit code, no colours in a pipe', async () => {
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  assert.deepEqual(await spawned(['--version']), { code: 0, stdout: `${manifest.version}\n`, stderr: '' })
  const broken = await spawned(['check', 'broken.yaml'])
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /^broken\.yaml: 2 problems\n/)
})
