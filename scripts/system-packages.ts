/**
 * Programs of the system that tests use: found, installed where that is allowed, and otherwise missed loudly. What
 * may be installed is decided by whoever runs the checks: root, or a machine that says CI=true.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A program that tests start. */
export interface SystemProgram {
  /** What it is for. */
  readonly purpose: string
  /** Names under which it may be installed, the best first. */
  readonly names: readonly string[]
  /** The package that brings it, by the name of Debian and its relatives. */
  readonly aptPackage: string
  /** The package that brings it in Homebrew. */
  readonly brewPackage: string
}

/** Every program that tests need beside Node. */
export const SYSTEM_PROGRAMS: Readonly<Record<'redis' | 'promtool' | 'python', SystemProgram>> = {
  redis: {
    purpose: 'the tests of the shared store',
    names: ['valkey-server', 'redis-server'],
    aptPackage: 'redis-server',
    brewPackage: 'valkey',
  },
  promtool: {
    purpose: 'the tests of dashboard and alert rules',
    names: ['promtool'],
    aptPackage: 'prometheus',
    brewPackage: 'prometheus',
  },
  python: {
    purpose: 'the tests of signatures made in Python',
    names: ['python3'],
    aptPackage: 'python3',
    brewPackage: 'python',
  },
}

type Environment = Readonly<Record<string, string | undefined>>

/** The path of a program, or undefined where it is not installed. */
export function findProgram({ names }: SystemProgram, env: Environment = process.env): string | undefined {
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'].filter(Boolean)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

/** Says how a program that is missing is installed. */
export function howToInstall({ purpose, names, aptPackage, brewPackage }: SystemProgram): string {
  return `${names.join(' or ')} is not installed, and ${purpose} need it: apt-get install ${aptPackage} (or brew install ${brewPackage})`
}

/**
 * The path of a program for a test that may be skipped where there is none.
 *
 * @throws Error on a machine that says CI: there, nothing is skipped
 */
export function programForTests(program: SystemProgram, env: Environment = process.env): string | undefined {
  const found = findProgram(program, env)
  if (found === undefined && isCi(env)) throw new Error(howToInstall(program))
  return found
}

/** Installs what is missing where that is allowed, and says what is missing where it is not. Never throws. */
export function installMissing(say: (text: string) => void, env: Environment = process.env): void {
  const missing = Object.values<SystemProgram>(SYSTEM_PROGRAMS).filter(
    (one) => findProgram(one, env) === undefined,
  )
  if (missing.length === 0) return
  const install = aptGet(env)
  const packages = missing.map(({ aptPackage }) => aptPackage)
  if (install !== undefined) {
    say(`installing ${packages.join(', ')}`)
    install('update')
    install('install', '--yes', '--no-install-recommends', ...packages)
  }
  for (const program of missing)
    if (findProgram(program, env) === undefined)
      say(`NOT TESTED, unless you install it: ${howToInstall(program)}`)
}

/** Runs apt-get; undefined where it may not be run, or there is none. */
function aptGet(env: Environment): ((...args: readonly string[]) => void) | undefined {
  const isRoot = process.getuid?.() === 0
  const program = findProgram({ purpose: '', names: ['apt-get'], aptPackage: '', brewPackage: '' }, env)
  if (program === undefined || !(isRoot || isCi(env))) return undefined
  const command = isRoot ? [program] : ['sudo', '-n', program]
  return (...args) => {
    const [file = '', ...rest] = command
    const options = { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: 180_000 }
    spawnSync(file, [...rest, ...args], { ...options, stdio: ['ignore', 'ignore', 'inherit'] })
  }
}

function isCi(env: Environment): boolean {
  return env['CI'] !== undefined && env['CI'] !== '' && env['CI'] !== 'false'
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) installMissing((text) => console.log(text))
