import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { parse } from 'yaml'
import { run } from '../../test/cli/fake-io.ts'
import { parseConfig } from '../config/load.ts'

let home: string
let cwd: string

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'toolgate-import-'))
  cwd = join(home, 'work')
  await mkdir(cwd)
})

afterEach(async () => rm(home, { recursive: true }))

const put = async (path: string, content: object | string): Promise<void> => {
  await mkdir(dirname(join(home, path)), { recursive: true })
  await writeFile(join(home, path), typeof content === 'string' ? content : JSON.stringify(content))
}

const server = (name: string, more: object = {}): object => ({
  mcpServers: { [name]: { command: name, ...more } },
})

const backendsOf = (yaml: string): Readonly<Record<string, unknown>> =>
  (parse(yaml) as { readonly backends: Readonly<Record<string, unknown>> }).backends

for (const [platform, settings] of [
  ['linux', '.config'],
  ['darwin', 'Library/Application Support'],
  ['win32', 'AppData/Roaming'],
] as const) {
  test(`the files of every client are found on ${platform}`, async () => {
    await put(`${settings}/Claude/claude_desktop_config.json`, server('desktop'))
    await put('.claude.json', {
      ...server('code'),
      projects: { '/src/app': server('project') },
      history: ['long'],
    })
    await put('work/.mcp.json', server('shared'))
    await put('.cursor/mcp.json', server('cursor'))
    await put(
      `${settings}/Code/User/mcp.json`,
      '{ // comment\n "servers": { "user": { "type": "stdio", "command": "user" }, } }',
    )
    await put('work/.vscode/mcp.json', {
      servers: { workspace: { type: 'http', url: 'https://example.com/mcp' } },
    })
    await put('.codeium/windsurf/mcp_config.json', {
      mcpServers: { surf: { serverUrl: 'https://surf.example/mcp' } },
    })
    const { code, stdout, stderr } = await run({ cwd, home, platform }, 'import')
    assert.equal(code, 0)
    assert.deepEqual(backendsOf(stdout), {
      desktop: { command: 'desktop' },
      code: { command: 'code' },
      project: { command: 'project', cwd: '/src/app' },
      shared: { command: 'shared' },
      cursor: { command: 'cursor' },
      user: { command: 'user' },
      workspace: { url: 'https://example.com/mcp' },
      surf: { url: 'https://surf.example/mcp' },
    })
    assert.match(stderr, /workspace {2}https:\/\/example\.com\/mcp\n {6}from VS Code \(\.vscode\/mcp\.json\)/)
  })
}

test('secrets become references, are listed by name, and are printed and written nowhere', async () => {
  await put('mcp.json', {
    mcpServers: {
      github: {
        command: 'npx',
        args: ['-y', 'server', '--token', 'hunter2-a', '--verbose'],
        env: { GITHUB_TOKEN: 'hunter2-b', LOG_LEVEL: 'debug', USER_ID: 'hunter2-c' },
      },
      other: { command: 'x', env: { GITHUB_TOKEN: 'hunter2-d' } },
      remote: {
        url: 'https://example.com/mcp?api_key=hunter2-e&mode=fast',
        headers: { Authorization: 'Bearer hunter2-f', 'X-Key': '${input:my-key}', 'X-Env': '${env:GIVEN}' },
      },
    },
  })
  const file = join(home, 'mcp.json')
  const { code, stdout, stderr } = await run({ cwd, home }, 'import', file, '-o', 'toolgate.yaml')
  assert.deepEqual([code, stdout], [0, ''])
  const written = await readFile(join(cwd, 'toolgate.yaml'), 'utf8')
  assert.ok(!`${stdout}${stderr}${written}`.includes('hunter2'))
  assert.deepEqual(backendsOf(written), {
    github: {
      command: 'npx',
      args: ['-y', 'server', '--token', '${GITHUB_TOKEN_2}', '--verbose'],
      env: { GITHUB_TOKEN: '${GITHUB_TOKEN}', LOG_LEVEL: 'debug', USER_ID: '${USER_ID}' },
    },
    other: { command: 'x', env: { GITHUB_TOKEN: '${GITHUB_TOKEN_3}' } },
    remote: {
      url: 'https://example.com/mcp?api_key=${REMOTE_API_KEY}&mode=fast',
      headers: { Authorization: 'Bearer ${REMOTE_TOKEN}', 'X-Key': '${MY_KEY}', 'X-Env': '${env:GIVEN}' },
    },
  })
  for (const variable of [
    'GITHUB_TOKEN',
    'GITHUB_TOKEN_2',
    'USER_ID',
    'REMOTE_API_KEY',
    'REMOTE_TOKEN',
    'MY_KEY',
    'GIVEN',
  ]) {
    assert.match(stderr, new RegExp(`export ${variable}=… `))
  }
  const env: Readonly<Record<string, string>> = Object.fromEntries(
    [...written.matchAll(/\$\{(?:env:)?(\w+)\}/g)].map(([, name]) => [name ?? '', 'v'] as const),
  )
  assert.ok(parseConfig({ name: 'toolgate.yaml', text: written, dir: cwd }, env).ok)
})

test('the same server twice is taken once, a different one of the same name gets another', async () => {
  await put('.cursor/mcp.json', server('a'))
  await put('.codeium/windsurf/mcp_config.json', server('a'))
  await put('work/.mcp.json', server('a', { args: ['other'] }))
  const { stdout, stderr } = await run({ cwd, home }, 'import')
  assert.deepEqual(backendsOf(stdout), { a: { command: 'a', args: ['other'] }, 'a-2': { command: 'a' } })
  assert.match(stderr, /a is called a-2, because another a is different/)
})

test('a file that is there is not overwritten without --force, and --dry-run writes nothing', async () => {
  await put('.cursor/mcp.json', server('a'))
  await put('work/toolgate.yaml', 'mine')
  const refused = await run({ cwd, home }, 'import', '-o', 'toolgate.yaml')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /toolgate: toolgate\.yaml exists already\nOverwrite it with --force/)
  const dry = await run({ cwd, home }, 'import', '-o', 'toolgate.yaml', '--force', '--dry-run')
  assert.deepEqual(backendsOf(dry.stdout), { a: { command: 'a' } })
  assert.equal(await readFile(join(cwd, 'toolgate.yaml'), 'utf8'), 'mine')
  assert.equal((await run({ cwd, home }, 'import', '-o', 'toolgate.yaml', '--force')).code, 0)
  assert.match(await readFile(join(cwd, 'toolgate.yaml'), 'utf8'), /command: a/)
})

test('--from reads one client only; unknown clients and nothing found are errors', async () => {
  await put('.cursor/mcp.json', server('a'))
  await put('.claude.json', server('b'))
  const { stdout } = await run({ cwd, home }, 'import', '--from', 'cursor')
  assert.deepEqual(backendsOf(stdout), { a: { command: 'a' } })
  assert.match(
    (await run({ cwd, home }, 'import', '--from', 'emacs')).stderr,
    /unknown client: emacs\nKnown are claude-desktop,/,
  )
  assert.match(
    (await run({ cwd, home }, 'import', '--from', 'windsurf')).stderr,
    /no MCP servers found in\n {2}Windsurf/,
  )
  assert.match(
    (await run({ cwd, home }, 'import', 'gone.json')).stderr,
    /gone\.json cannot be read: there is no such file/,
  )
})

test('what cannot be imported is said', async () => {
  await put('work/.mcp.json', {
    mcpServers: {
      ok: { command: 'a' },
      old: { type: 'sse', url: 'http://old/sse' },
      off: { command: 'b', disabled: true },
    },
  })
  const { stdout, stderr } = await run({ cwd, home }, 'import')
  assert.deepEqual(backendsOf(stdout), { ok: { command: 'a' } })
  assert.match(stderr, /mcpServers\.old\.type: the transport sse \(2024-11-05\) is not served yet/)
  assert.match(stderr, /mcpServers\.off: disabled in this file, so left out/)
})
