import type { Io } from './io.ts'

/** What the commands of one run share: the result goes into `code`. */
export interface Run {
  readonly io: Io
  code: number
}

/** The option that names the configuration. */
export const CONFIG = '-c, --config <file>'
/** What help says about it. */
export const CONFIG_HELP =
  'configuration file (default: toolgate.yaml, .yml or .json, mcp.json or .mcp.json here)'

/** Options that nearly every command has, as the parser gives them. */
export interface Raw {
  readonly config?: string
  readonly json?: boolean
  readonly url?: string
}

/** Gathers the values of an option that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}
