import { failedScenarios, type ExpectedFailures, type Verdict } from './expectations.ts'
import type { CellResult } from './run-cell.ts'

/** A cell with the judgement on it. */
export interface JudgedCell extends CellResult, Verdict {
  readonly expected: ExpectedFailures
  /** Everything is as listed and no process had trouble. */
  readonly ok: boolean
}

/** The line of one cell for programs: `cell` (client-server), `passed`, `required`, `failed` (names). */
export function formatJson({ cell, suite }: JudgedCell): string {
  const failed = failedScenarios(suite.required)
  const required = suite.required.size
  return JSON.stringify({ cell: cell.name, passed: required - failed.length, required, failed })
}

/** A short table, then everything that is not as it should be. */
export function formatHuman(cells: readonly JudgedCell[], durationMs: number): string {
  const rows = cells.map(formatRow)
  const table = [['client-server', 'passed', 'seconds', ''], ...rows].map((row) =>
    row
      .map((field, column) => field.padEnd(column === 0 ? 22 : 9))
      .join('')
      .trimEnd(),
  )
  const details = cells.flatMap(formatDetails)
  return [...table, ...details, `${(durationMs / 1000).toFixed(1)} s in all`].join('\n')
}

function formatRow({ cell, suite, ok, expected, durationMs }: JudgedCell): readonly string[] {
  const failed = failedScenarios(suite.required)
  const score = `${suite.required.size - failed.length}/${suite.required.size}`
  const known = failed.filter((scenario) => Object.hasOwn(expected, scenario)).length
  const verdict = `${ok ? 'ok' : 'NOT OK'}${known > 0 ? `, ${known} expected to fail` : ''}`
  return [cell.name, score, (durationMs / 1000).toFixed(1), verdict]
}

function formatDetails({ cell, suite, trouble, ...verdict }: JudgedCell): readonly string[] {
  const { unexpected, stale, unscored } = verdict
  const lines: string[] = []
  if (trouble !== undefined) lines.push(`  ${trouble}`)
  const unfinished = unexpected.filter((scenario) => suite.required.get(scenario)?.kind === 'unfinished')
  if (unfinished.length > 0) {
    // The suite runs one after another: the first that is missing is where it stood.
    lines.push(`  ${unfinished.length} scenario(s) without a result, from ${unfinished[0]} on`)
  }
  for (const scenario of unexpected) {
    const outcome = suite.required.get(scenario)
    if (outcome?.kind !== 'failed') continue
    lines.push(`  fails, not expected: ${scenario}`, ...outcome.problems.map((problem) => `      ${problem}`))
  }
  for (const scenario of stale) {
    lines.push(`  passes or is not required: ${scenario}; remove it from expected-failures.yml`)
  }
  for (const scenario of unscored) lines.push(`  fails, not scored but obligatory: ${scenario}`)
  const others = suite.notScoredFailing.filter((scenario) => !unscored.includes(scenario))
  if (trouble === undefined && others.length > 0) {
    lines.push(`  fails, not scored: ${others.join(', ')}`)
  }
  return lines.length === 0 ? [] : ['', `${cell.name}:`, ...lines, '']
}
