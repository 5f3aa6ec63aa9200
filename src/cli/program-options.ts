import type { Command } from 'commander'
import { CliError, type Io } from './io.ts'
import type { ConfigOptions } from './options.ts'

/** What the commands of one run share: the result goes into `code`. */
export interface Run {
  readonly io: Io
  code: number
}

const CONFIG_HELP =
  'configuration file, or folder of files; repeat to lay more over it ' +
  '(default: toolgate.yaml, .yml or .json, mcp.json or .mcp.json here)'

const ENV_HELP = 'environment of the configuration (default: TOOLGATE_ENV, ENVIRONMENT, or development)'

type Paths = readonly string[] | undefined

/** Not {@link collect}: help would print the empty list that it begins with. */
function another(path: string, before: Paths): Paths {
  return [...(before ?? []), path]
}

/** Adds the options that say which configuration: `-c`, which may be repeated, and `--env`. */
export function withConfig(command: Command, help: string = CONFIG_HELP): Command {
  return command.option('-c, --config <path>', help, another).option('--env <name>', ENV_HELP)
}

/** The configuration that is named, as arguments or with `-c`. */
export function configOf(raw: Raw, positional: readonly string[] = []): ConfigOptions {
  const { config = [], env } = raw
  if (positional.length > 0 && config.length > 0 && positional.join('\n') !== config.join('\n')) {
    const names = `${positional.join(', ')} and ${config.join(', ')}`
    throw new CliError(
      `the configuration is named twice: ${names}`,
      'Name all files as arguments, or all with -c.',
    )
  }
  return { config: positional.length > 0 ? positional : config, env }
}

/** Options that nearly every command has, as the parser gives them. */
export interface Raw {
  readonly config?: readonly string[]
  readonly env?: string
  readonly json?: boolean
  readonly url?: string
}

/** Gathers the values of an option that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}
