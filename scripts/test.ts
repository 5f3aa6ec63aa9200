/**
 * `npm test`: every check, one after another, going on after failures. `npm test -- lint types` runs only the steps
 * named. The last line counts the tests.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { installMissing } from './system-packages.ts'
import { runStep, totalsOf, type Command, type Step, type Totals } from './steps.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A script on the Node that runs us. */
const node = (...args: string[]): Command => [process.execPath, ...args]

/** A tool from node_modules, by the path of its script. */
const tool = (path: string, ...args: string[]): Command => node(join(root, 'node_modules', path), ...args)

/** Tests by file patterns; one file more at a time than two cores carry, because there is always one that waits. */
const tests = (...patterns: string[]): Command =>
  node('--test', '--test-concurrency=3', '--test-timeout=120000', '--test-reporter=spec', ...patterns)

const steps: readonly Step[] = [
  {
    name: 'format',
    title: 'formatting (npm run format repairs it)',
    commands: [tool('prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.')],
  },
  { name: 'lint', title: 'lint rules and room borders', commands: [tool('oxlint/bin/oxlint')] },
  {
    name: 'types',
    title: 'types, and type tests',
    commands: [tool('typescript/bin/tsc', '-p', '.'), tool('typescript/bin/tsc', '-p', 'test-d')],
  },
  { name: 'unused', title: 'unused files, exports and dependencies', commands: [tool('knip/bin/knip.js')] },
  { name: 'unit', title: 'unit tests', commands: [tests('src/**/*.test.ts', 'bench/**/*.test.ts')] },
  { name: 'e2e', title: 'end-to-end tests', commands: [tests('test/**/*.test.ts')] },
  {
    name: 'protections',
    title: 'every protection taken away once: its test must fail',
    commands: [node('test/protections/run.ts')],
  },
  {
    name: 'package',
    title: 'the package to publish: build, exports, types, start',
    commands: [node('scripts/build.ts'), node('scripts/check-package.ts')],
  },
  {
    name: 'conformance',
    title: 'official conformance suite, every cell of client era × server era',
    commands: [node('test/conformance/run.ts')],
    needs: 'test/conformance/run.ts',
  },
]

/** The steps to run; ends the process if one is asked for that does not exist. */
function selectSteps(names: readonly string[]): readonly Step[] {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name))
  if (unknown.length > 0) {
    console.error(
      `no such step: ${unknown.join(', ')}; there are ${steps.map((step) => step.name).join(', ')}`,
    )
    process.exit(1)
  }
  return names.length === 0 ? steps : steps.filter((step) => names.includes(step.name))
}

/** Runs every step, prints how each went, and returns the names of those that failed with the totals. */
async function runAll(
  selected: readonly Step[],
): Promise<{ failed: readonly string[]; totals: Totals | undefined }> {
  const failed: string[] = []
  let totals: Totals | undefined
  for (const step of selected) {
    console.log(`\n▶ ${step.name}: ${step.title}`)
    if (step.needs !== undefined && !existsSync(join(root, step.needs))) {
      console.log(`- skipped: there is no ${step.needs} yet`)
      continue
    }
    const { ok, output, seconds } = await runStep(step, root)
    if (!ok) {
      failed.push(step.name)
      console.log(output.trimEnd())
    }
    const counted = totalsOf(output)
    if (counted !== undefined) {
      totals = {
        passed: (totals?.passed ?? 0) + counted.passed,
        failed: (totals?.failed ?? 0) + counted.failed,
      }
    }
    const count = counted === undefined ? '' : `, ${counted.passed} passed, ${counted.failed} failed`
    console.log(`${ok ? '✔' : '✖'} ${step.name} (${seconds.toFixed(1)} s${count})`)
    if (process.exitCode !== undefined) break
  }
  return { failed, totals }
}

const selected = selectSteps(process.argv.slice(2))
if (selected.some(({ name }) => name === 'unit' || name === 'e2e'))
  installMissing((text) => console.log(text))
const { failed, totals } = await runAll(selected)
console.log(failed.length === 0 ? '\nall checks passed' : `\nfailed: ${failed.join(', ')}`)
if (totals !== undefined) console.log(`${totals.passed} passed, ${totals.failed} failed`)
if (failed.length > 0) process.exitCode = 1
