import { isAbsolute, join, relative } from 'node:path'
import { readConfigFiles } from '../config/config-files.ts'
import { type ConfigTree, openConfig } from '../config/load.ts'
import { type ConfigProblem, formatProblem } from '../config/problem.ts'
import type { Config } from '../config/types.ts'
import { CliError, type Io } from './io.ts'
import type { ConfigOptions } from './options.ts'
import { paint } from './text.ts'

/** Files that are looked for, in this order, when none is named. */
const DEFAULT_FILES: readonly string[] = [
  'toolgate.yaml',
  'toolgate.yml',
  'toolgate.json',
  'mcp.json',
  '.mcp.json',
]

/** A configuration that was read, or what is wrong with it. */
export type ReadConfig = ReadFiles & (ReadWell | ReadBadly)

interface ReadFiles {
  /** How the configuration is called: its files. */
  readonly file: string
  /** What is wrong with environments that were not chosen. */
  readonly elsewhere: readonly ConfigProblem[]
  /** Undefined if a file cannot be read or no environment is chosen. */
  readonly tree: ConfigTree | undefined
}

interface ReadWell {
  readonly ok: true
  readonly config: Config
  readonly warnings: readonly ConfigProblem[]
}

interface ReadBadly {
  readonly ok: false
  readonly problems: readonly ConfigProblem[]
  /** Set where the only problem is that none of these environments is chosen. */
  readonly unchosen?: readonly string[]
}

/**
 * Finds and reads the configuration, and prints nothing.
 *
 * @throws CliError if no file is named and none is found
 */
export async function readConfig(io: Io, options: ConfigOptions): Promise<ReadConfig> {
  const names = await namedConfig(io, options)
  if (names.length === 0) throw noConfig()
  const named = names.map((name) => ({ name, path: absolute(io, name) }))
  const ports = {
    readFile: async (path: string): Promise<string> => io.files.read(path),
    listFolder: async (path: string): Promise<readonly string[]> => io.files.list(path),
  }
  const files = await readConfigFiles(named, ports)
  const { result, tree } = openConfig(files, io.env, { environment: options.env })
  return { ...result, file: names.join(', '), tree }
}

/**
 * Finds and reads the configuration for a command that needs it. Warnings and problems are printed on stderr.
 *
 * @returns undefined if there are problems: the command is to end with exit code 1
 * @throws CliError if no file is named and none is found
 */
export async function requireConfig(io: Io, options: ConfigOptions): Promise<Config | undefined> {
  const result = await readConfig(io, options)
  if (result.ok) {
    for (const warning of [...result.warnings, ...result.elsewhere]) {
      io.stderr.write(`${paint(io.stderr, 'yellow', 'warning:')} ${formatProblem(warning)}\n`)
    }
    return result.config
  }
  printProblems(io, result)
  return undefined
}

/** Prints what is wrong with a configuration on stderr. */
export function printProblems(
  io: Io,
  result: { readonly file: string; readonly problems: readonly ConfigProblem[] },
): void {
  const count = result.problems.length === 1 ? '1 problem' : `${result.problems.length} problems`
  io.stderr.write(`${paint(io.stderr, 'red', `${result.file}: ${count}`)}\n`)
  for (const problem of result.problems) io.stderr.write(`  ${formatProblem(problem)}\n`)
}

/**
 * The paths of the configuration: those that are named, or else the file in the working folder. Empty if there is none.
 *
 * @throws CliError if there is none of which an environment could be chosen
 */
export async function namedConfig(io: Io, { config, env }: ConfigOptions): Promise<readonly string[]> {
  if (config.length > 0) return config
  const names = await io.files.list(io.cwd)
  const found = DEFAULT_FILES.filter((name) => names.includes(name)).slice(0, 1)
  if (found.length === 0 && env !== undefined) throw noConfig()
  return found
}

function noConfig(): CliError {
  return new CliError(
    `no configuration here: looked for ${DEFAULT_FILES.join(', ')}`,
    'Name a file with -c, or let `toolgate import -o toolgate.yaml` write one from the MCP servers you use already.',
  )
}

/** The path from the root. */
export function absolute(io: Io, path: string): string {
  return isAbsolute(path) ? path : join(io.cwd, path)
}

/** The path as people like to read it: relative if it is below the working folder, `~` for the home. */
export function shownPath(io: Io, path: string): string {
  const here = relative(io.cwd, path)
  if (!here.startsWith('..') && !isAbsolute(here)) return here === '' ? '.' : here
  const home = relative(io.home, path)
  return home.startsWith('..') || isAbsolute(home) ? path : join('~', home)
}
