/** The way from the root of a configuration to a value: keys and list positions. */
export type ConfigPath = readonly (string | number)[]

/** One thing that is wrong (or, as a warning, doubtful) in a configuration. Never holds a secret. */
export interface ConfigProblem {
  /** The name of the file as it was given. */
  readonly file: string
  /** Counted from 1; 0 when the problem is the file as a whole. */
  readonly line: number
  /** Counted from 1; 0 when the problem is the file as a whole. */
  readonly column: number
  /** Such as `backends.github.timeout`; empty for the file as a whole. */
  readonly path: string
  /** What was found and what is allowed. */
  readonly message: string
  /** What was probably meant, such as the nearest valid key. */
  readonly suggestion?: string
}

/** What is wrong at a path, before its place in the file is looked up. */
export interface Finding {
  readonly path: ConfigPath
  /** `key` points at the key of the path instead of its value. Default `value`. */
  readonly at?: 'key' | 'value'
  /** Position in the text, where it is known better than by the path. */
  readonly offset?: number
  readonly message: string
  readonly suggestion?: string
}

const PLAIN = /^[\w-]+$/

/** The path as people write it: `backends.github.args[1]`, odd keys in quotes. */
export function formatPath(path: ConfigPath): string {
  const parts = path.map((part) => {
    if (typeof part === 'number') return `[${part}]`
    return PLAIN.test(part) ? `.${part}` : `.${JSON.stringify(part)}`
  })
  return parts.join('').replace(/^\./, '')
}

/** One line for people: `toolgate.yaml:4:14: backends.github.timeout: expected …`. */
export function formatProblem(problem: ConfigProblem): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`
  const path = problem.path === '' ? '' : `${problem.path}: `
  const suggestion = problem.suggestion === undefined ? '' : `; did you mean ${problem.suggestion}?`
  return `${place}: ${path}${problem.message}${suggestion}`
}
