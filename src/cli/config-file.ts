import { isAbsolute, join, relative } from 'node:path'
import { loadConfig } from '../config/load.ts'
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
export type ReadConfig =
  | {
      readonly ok: true
      readonly file: string
      readonly config: Config
      readonly warnings: readonly ConfigProblem[]
    }
  | { readonly ok: false; readonly file: string; readonly problems: readonly ConfigProblem[] }

/**
 * Finds and reads the configuration, and prints nothing.
 *
 * @throws CliError if no file is named and none is found
 */
export async function readConfig(io: Io, options: ConfigOptions): Promise<ReadConfig> {
  const file = options.config ?? (await findConfig(io)) ?? noConfig()
  const readFile = async (path: string): Promise<string> => io.files.read(absolute(io, path))
  const result = await loadConfig(absolute(io, file), { env: io.env, readFile })
  const named = (problem: ConfigProblem): ConfigProblem => ({ ...problem, file })
  return result.ok
    ? { ok: true, file, config: result.config, warnings: result.warnings.map(named) }
    : { ok: false, file, problems: result.problems.map(named) }
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
    for (const warning of result.warnings) {
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

/** The configuration in the working folder that commands take when none is named; undefined if there is none. */
export async function findConfig(io: Io): Promise<string | undefined> {
  const names = await io.files.list(io.cwd)
  return DEFAULT_FILES.find((name) => names.includes(name))
}

function noConfig(): never {
  throw new CliError(
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
