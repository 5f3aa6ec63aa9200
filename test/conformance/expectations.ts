import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import { GATEWAY_CELLS } from './cells.ts'
import type { Outcome } from './suite.ts'

/** Scenario → why it is known to fail. */
export type ExpectedFailures = Readonly<Record<string, string>>

/** What is wrong with a cell; both lists empty means that it is as expected. */
export interface Verdict {
  /** Scenarios that fail and are not listed. */
  readonly unexpected: readonly string[]
  /** Listed scenarios that pass, or that the suite does not require: the entry must go. */
  readonly stale: readonly string[]
}

const CELL_NAMES = GATEWAY_CELLS.map(({ name }) => name)

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
export function compare(required: ReadonlyMap<string, Outcome>, expected: ExpectedFailures): Verdict {
  return {
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
