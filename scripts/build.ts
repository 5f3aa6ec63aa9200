/** `npm run build`: writes the package to publish into `dist/`, ready for `npm publish dist`. */
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What the published manifest takes over from the private one at the root. */
type Root = {
  readonly version: string
  readonly description: string
  readonly license: string
  readonly engines: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
}

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')

/** The manifest of the published package: no development dependencies, and no Node of its own. */
function manifest({ version, description, license, engines, dependencies }: Root): object {
  return {
    name: 'toolgate',
    version,
    description,
    keywords: ['mcp', 'model-context-protocol', 'gateway', 'proxy', 'tools', 'ai', 'llm', 'agents'],
    license,
    type: 'module',
    bin: { toolgate: './bin/toolgate.js' },
    exports: {
      '.': { types: './index.d.ts', default: './index.js' },
      './signing': { types: './signing/index.d.ts', default: './signing/index.js' },
      './package.json': './package.json',
    },
    files: ['**/*.js', '**/*.d.ts', 'CHANGELOG.md'],
    engines,
    dependencies,
  }
}

rmSync(dist, { recursive: true, force: true })
const tsc = join(root, 'node_modules/typescript/bin/tsc')
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })

const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Root
writeFileSync(join(dist, 'package.json'), `${JSON.stringify(manifest(packageJson), null, 2)}\n`)

mkdirSync(join(dist, 'bin'))
copyFileSync(join(root, 'bin/toolgate.js'), join(dist, 'bin/toolgate.js'))
chmodSync(join(dist, 'bin/toolgate.js'), 0o755)
for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) copyFileSync(join(root, name), join(dist, name))
