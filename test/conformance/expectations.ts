import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { GATEWAY_CELLS } from './cells.ts'
import { CLIENT_CELLS } from './client/cells.ts'
import type { Outcome, SuiteResult } from './suite.ts'

/** Scenario → why it is known to fail. */
export type ExpectedFailures = Readonly<Record<string, string>>

/** What is wrong with a cell; all lists empty means that it is as expected. */
export interface Verdict {
  /** Scenarios that fail and are not listed. */
  readonly unexpected: readonly string[]
  /** Listed scenarios that pass, or that the suite does not require: the entry must go. */
  readonly stale: readonly string[]
  /** Scenarios that fail and that the suite does not score, but that a gateway must pass. */
  readonly unscored: readonly string[]
}

/**
 * What the suite does not score because its own fixture fails it, or because it came late, and a gateway must do all
 * the same: it reads the body, so it validates the headers that mirror it (streamable-http.mdx, Server Validation).
 */
const OBLIGATORY: readonly string[] = [
  'http-header-validation',
  'http-custom-header-server-validation',
  'json-schema-2020-12-preservation',
]

const CELL_NAMES = [...GATEWAY_CELLS, ...CLIENT_CELLS].map(({ name }) => name)

const EXPECTED_FAILURES_FILE = z.partialRecord(
  z.enum(CELL_NAMES),
  z.record(z.string(), z.string().trim().min(1)).nullable(),
)

/**
 * Reads the list of expected failures: cell → scenario → reason.
 *
 * @throws ZodError when a cell is unknown or a reason is missing.
 */
export async function loadExpectedFailures(file: URL): Promise<Readonly<Record<string, ExpectedFailures>>> {
  const entries = EXPECTED_FAILURES_FILE.parse(parse(await readFile(file, 'utf8')) ?? {})
  return Object.fromEntries(Object.entries(entries).map(([cell, failures]) => [cell, failures ?? {}]))
}

/** Compares what happened with what is listed. */
export function compare({ required, notScoredFailing }: SuiteResult, expected: ExpectedFailures): Verdict {
  return {
    unscored: notScoredFailing.filter((scenario) => OBLIGATORY.includes(scenario)),
    unexpected: failedScenarios(required).filter((scenario) => !Object.hasOwn(expected, scenario)),
    stale: Object.keys(expected).filter(
      (scenario) => (required.get(scenario)?.kind ?? 'passed') === 'passed',
    ),
  }
}

/** The names of all scenarios that did not pass. */
export function failedScenarios(required: ReadonlyMap<string, Outcome>): readonly string[] {
  return [...required].filter(([, outcome]) => outcome.kind !== 'passed').map(([scenario]) => scenario)
}
