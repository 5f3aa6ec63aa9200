import type { ConfigProblem } from '../config/problem.ts'

/** A configuration that cannot be taken: everything that is wrong with it, at once. Holds no secrets. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super(`The configuration cannot be used:\n${problems.map((problem) => `  ${line(problem)}`).join('\n')}`)
    this.problems = problems
  }
}

function line({ path, message, suggestion }: ConfigProblem): string {
  const hint = suggestion === undefined ? '' : `; did you mean ${suggestion}?`
  return `${path === '' ? '' : `${path}: `}${message}${hint}`
}
