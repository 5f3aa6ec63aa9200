import { resolve } from 'node:path'
import { checkValue } from './load.ts'
import { type ConfigPath, type ConfigProblem, type Finding, formatPath } from './problem.ts'
import type { Config } from './types.ts'

/** What came of checking a configuration of values. Problems have no line. */
export type ValueResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigProblem[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** How a configuration that is no file is called. */
export const NAME = 'the configuration'

/** Bounds of a configuration that a program made: what goes in circles ends here too. */
const MAX_DEPTH = 32
const MAX_NODES = 100_000

/**
 * Checks a configuration that is there as values already. Texts mean what they say: there are no references in them.
 *
 * @param dir absolute folder that relative paths in it start from
 */
export function configOf(value: object, dir: string): ValueResult {
  const findings: Finding[] = []
  const copy = plainCopy(value, { findings, nodes: 0 }, []) as Readonly<Record<string, unknown>>
  const resolved = { value: copy, findings, sourcesAt: () => [], unresolved: new Set<string>() }
  const checked = checkValue(resolved, (_path, written) => resolve(dir, written))
  const { config } = checked
  if (config === undefined) return { ok: false, problems: checked.findings.map(toProblem) }
  return { ok: true, config, warnings: checked.warnings.map(toProblem) }
}

function toProblem({ path, message, suggestion }: Finding): ConfigProblem {
  const problem = { file: NAME, line: 0, column: 0, path: formatPath(path), message }
  return suggestion === undefined ? problem : { ...problem, suggestion }
}

interface Copying {
  readonly findings: Finding[]
  nodes: number
}

/** Plain data without prototypes, and without members that are undefined. */
function plainCopy(value: unknown, copying: Copying, path: ConfigPath): unknown {
  if (++copying.nodes > MAX_NODES || path.length > MAX_DEPTH) {
    if (copying.nodes <= MAX_NODES + 1)
      copying.findings.push({ path, message: 'the configuration is too large or nested too deeply' })
    copying.nodes = MAX_NODES + 1
    return undefined
  }
  if (typeof value !== 'object' || value === null) return plainValue(value, copying, path)
  if (Array.isArray(value))
    return value.map((item: unknown, index) => plainCopy(item, copying, [...path, index]))
  const copy = Object.create(null) as Record<string, unknown>
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined && key !== '__proto__') copy[key] = plainCopy(item, copying, [...path, key])
  }
  return copy
}

function plainValue(value: unknown, { findings }: Copying, path: ConfigPath): unknown {
  const isPlain = value === null || ['string', 'number', 'boolean', 'undefined'].includes(typeof value)
  if (!isPlain) findings.push({ path, message: `expected plain data; found a ${typeof value}` })
  return isPlain ? value : undefined
}
