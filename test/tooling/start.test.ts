/** What starts the project and the published command, before any of the gateway's own code runs. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A project of its own with the starters, no dependencies, and the given supported versions of Node. */
function project(context: TestContext, node: string, files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'toolgate-start-'))
  context.after(() => rmSync(folder, { recursive: true }))
  const manifest = { name: 'project', version: '1.0.0', type: 'module', engines: { node } }
  const lock = { name: 'project', version: '1.0.0', lockfileVersion: 3, packages: { '': manifest } }
  for (const name of ['bin', 'scripts', 'src']) mkdirSync(join(folder, name))
  for (const name of ['bin/toolgate.js', 'scripts/with-runtime.mjs'])
    cpSync(join(root, name), join(folder, name))
  const all = {
    'package.json': JSON.stringify(manifest),
    'package-lock.json': JSON.stringify(lock),
    ...files,
  }
  for (const [name, content] of Object.entries(all)) writeFileSync(join(folder, name), content)
  return folder
}

const node = (cwd: string, ...args: string[]) => spawnSync(process.execPath, args, { cwd, encoding: 'utf8' })
const withRuntime = (cwd: string, ...args: string[]) => node(cwd, 'scripts/with-runtime.mjs', ...args)

/** Leaves in node_modules the lock file that npm writes there when it has installed the given packages. */
function install(folder: string, packages: object = {}): void {
  mkdirSync(join(folder, 'node_modules'))
  writeFileSync(join(folder, 'node_modules/.package-lock.json'), JSON.stringify({ packages }))
}

test('an older Node gets one line that says what is needed, and no stack trace', (t) => {
  const { status, stdout, stderr } = node(project(t, '>=999.11'), 'bin/toolgate.js')
  assert.equal(status, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /^toolgate needs Node\.js >=999\.11 \(this is v[\d.]+\)\. .+\n$/)
})

test('a Node of the same major and an older minor is too old', (t) => {
  const major = process.versions.node.split('.')[0]
  assert.match(node(project(t, `>=${major}.999`), 'bin/toolgate.js').stderr, /needs Node\.js/)
})

test('in a checkout the command runs from source', (t) => {
  const folder = project(t, '>=24.11', { 'src/main.ts': "console.log('source', process.argv[2])" })
  assert.equal(node(folder, 'bin/toolgate.js', 'check').stdout, 'source check\n')
})

test('in the published package the command runs the built main', (t) => {
  const folder = project(t, '>=24.11', { 'main.js': "console.log('built', process.argv[2])" })
  assert.equal(node(folder, 'bin/toolgate.js', 'check').stdout, 'built check\n')
})

test('what is missing is installed once, and says so on stderr only', (t) => {
  const folder = project(t, '>=24.11', { 'script.ts': "console.log('ran')" })
  install(folder, { 'node_modules/left-over': { version: '1.0.0' } })
  const first = withRuntime(folder, 'script.ts')
  assert.equal(first.stdout, 'ran\n', first.stderr)
  assert.match(first.stderr, /installing dependencies/)
  assert.equal(withRuntime(folder, 'script.ts').stderr, '')
})

test('nothing is installed when all is there', (t) => {
  const folder = project(t, '>=24.11', { 'script.ts': "console.log('ran')" })
  install(folder)
  const { stdout, stderr } = withRuntime(folder, 'script.ts')
  assert.deepEqual([stdout, stderr], ['ran\n', ''])
})

test('the script gets its arguments, and its exit status is ours', (t) => {
  const folder = project(t, '>=24.11', {
    'script.ts': 'console.log(process.argv.slice(2).join()); process.exit(7)',
  })
  install(folder)
  const { status, stdout } = withRuntime(folder, 'script.ts', 'a', '--b')
  assert.deepEqual([status, stdout], [7, 'a,--b\n'])
})

test('SIGTERM reaches the script, which ends in its own time', async (t) => {
  const folder = project(t, '>=24.11', {
    'script.ts':
      "process.on('SIGTERM', () => { console.log('drained'); process.exit(0) }); setInterval(() => 0, 1000); console.log('ready')",
  })
  install(folder)
  const child = spawn(process.execPath, ['scripts/with-runtime.mjs', 'script.ts'], { cwd: folder })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
    if (stdout === 'ready\n') child.kill('SIGTERM')
  })
  const [status] = (await once(child, 'close')) as [number | null]
  assert.deepEqual([status, stdout], [0, 'ready\ndrained\n'])
})
