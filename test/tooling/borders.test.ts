/** The linter must refuse each kind of import and global that crosses a border, in the words that say why. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

type Diagnostic = {
  readonly filename: string
  readonly message: string
  readonly help?: string
  readonly code?: string
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Planted files, each with the words its report must hold, or `undefined` where nothing may be reported. */
const planted: Readonly<Record<string, readonly [source: string, report: string | undefined]>> = {
  'src/backend/up.ts': [
    "export { a } from '../filters/a.ts'",
    'backend must not import filters: imports go only downwards',
  ],
  'src/backend/http/deep.ts': ["export { a } from '../../gateway.ts'", 'backend must not import gateway'],
  'src/backend/http/own.ts': ["export { a } from '../config/a.ts'", undefined],
  'src/backend/across.ts': ["export { a } from '../listener/a.ts'", 'backend must not import listener'],
  'src/listener/across.ts': [
    "export { a } from '../backend/a.ts'",
    'listener and backend never import each other',
  ],
  'src/listener/type-only.ts': [
    "export type { A } from '../backend/a.ts'",
    'listener and backend never import each other',
  ],
  'src/listener/dynamic.ts': [
    "export const a = (): unknown => import('../backend/a.ts')",
    'never import each other',
  ],
  'src/routing/side.ts': ["export { a } from '../auth/a.ts'", 'neighbours that do not know each other'],
  'src/pipeline/filter.ts': ["export { a } from '../filters/a.ts'", 'pipeline must not import filters'],
  'src/protocol/up.test.ts': ["export { a } from '../config/a.ts'", 'protocol must not import config'],
  'src/config/down.ts': ["export { a } from '../pipeline/a.ts'", undefined],
  'src/cli/down.ts': ["export { a } from '../gateway.ts'", undefined],
  'src/errors.ts': ["export { a } from './protocol/a.ts'", 'errors must not import protocol'],
  'src/filters/mint.ts': [
    "export { mintPermit } from '../pipeline/permit.ts'",
    'only src/filters/authorize.ts makes one',
  ],
  'src/filters/namespace.ts': [
    "export * as permits from '../pipeline/permit.ts'",
    'only src/filters/authorize.ts makes one',
  ],
  'src/filters/verify.ts': ["export { Permit } from '../pipeline/permit.ts'", undefined],
  'src/filters/authorize.ts': ["export { mintPermit } from '../pipeline/permit.ts'", undefined],
  'src/filters/authorize.test.ts': ["export { mintPermit } from '../pipeline/permit.ts'", undefined],
  'src/gateway.ts': ["export { mintSystemPermit } from './pipeline/permit.ts'", undefined],
  'src/admin/mint.ts': [
    "export { mintSystemPermit } from '../pipeline/permit.ts'",
    'only src/gateway.ts makes one',
  ],
  'src/cli/process.ts': [
    'export const a = process.argv',
    'Only src/main.ts and src/host.ts touch the process',
  ],
  'src/cli/node-process.ts': [
    "export { argv } from 'node:process'",
    'Only src/main.ts and src/host.ts touch the process',
  ],
  'src/cli/clock.ts': ['export const now = Date.now()', undefined],
  'src/main.ts': ['export const a = process.argv', undefined],
  'src/backend/clock.ts': ['export const now = Date.now()', 'comes in as a port from gateway.ts'],
  'src/backend/timer.ts': ['setTimeout(String, 1)', 'comes in as a port from gateway.ts'],
  'src/backend/timers.ts': ["export { setTimeout } from 'node:timers/promises'", 'Clock port'],
  'src/backend/fetch.ts': [
    "export const a = fetch('http://127.0.0.1')",
    'comes in as a port from gateway.ts',
  ],
  'src/backend/clock.test.ts': ['export const now = Date.now()', undefined],
  'src/backend/sdk.ts': [
    "export { Client } from '@modelcontextprotocol/client'",
    'The MCP SDK is a test peer',
  ],
  'src/backend/test-helper.ts': ["export { a } from '../../test/a.ts'", 'src/ is published alone'],
  'src/config/default.ts': ['export default 1', 'default'],
}

const project = mkdtempSync(join(tmpdir(), 'toolgate-borders-'))
let diagnostics: readonly Diagnostic[] = []

before(() => {
  for (const name of ['oxlint.config.ts', 'scripts/rooms.ts', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, name), join(project, name))
  }
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'), 'junction')
  for (const [path, [source]] of Object.entries(planted)) {
    mkdirSync(dirname(join(project, path)), { recursive: true })
    writeFileSync(join(project, path), `${source}\n`)
  }
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint')
  const { stdout, stderr } = spawnSync(process.execPath, [oxlint, '--format=json', 'src'], {
    cwd: project,
    encoding: 'utf8',
  })
  assert.ok(stdout.startsWith('{'), `the linter printed no report: ${stdout}${stderr}`)
  diagnostics = (JSON.parse(stdout) as { readonly diagnostics: readonly Diagnostic[] }).diagnostics
})

after(() => {
  rmSync(project, { recursive: true })
})

for (const [path, [source, expected]] of Object.entries(planted)) {
  test(`${path}: ${source} is ${expected === undefined ? 'allowed' : 'refused'}`, () => {
    const reports = diagnostics
      .filter(({ filename }) => filename.replaceAll('\\', '/') === path)
      .filter(({ code }) => code === undefined || /restricted|default-export/.test(code))
      .map(({ message, help }) => `${message} ${help ?? ''}`)
    if (expected === undefined) assert.deepEqual(reports, [])
    else
      assert.ok(
        reports.some((report) => report.includes(expected)),
        `reported: ${JSON.stringify(reports)}`,
      )
  })
}
