/** Checks the built package in `dist/` as its users would meet it: metadata, types, import, command. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs a script on the Node that runs us; throws if it fails. */
function node(...args: string[]): void {
  execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
}

const tool = (path: string): string => join(root, 'node_modules', path)

node(tool('publint/src/cli.js'), 'dist', '--strict')
node(tool('@arethetypeswrong/cli/dist/index.js'), '--pack', 'dist', '--profile', 'esm-only', '--no-emoji')
node(
  '--input-type=module',
  '--eval',
  "await Promise.all([import('./dist/index.js'), import('./dist/signing/index.js')])",
)
node('dist/bin/toolgate.js', '--version')
