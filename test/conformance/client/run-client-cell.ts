import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { REVISIONS } from '../cells.ts'
import type { CellResult } from '../run-cell.ts'
import { loadRequirements, runClientScenario, type Outcome } from '../suite.ts'
import { type ClientCell, withoutOAuth } from './cells.ts'

/** How to run a client cell. */
export interface ClientCellOptions {
  /** The gateway's program. */
  readonly gateway: string
  /** Where the suite's results are kept; none: they are removed. */
  readonly output: string | undefined
  /** Ends the run after the scenario that runs. */
  readonly signal: AbortSignal
}

const WRAPPER = fileURLToPath(new URL('via-gateway.ts', import.meta.url))

/** Runs every client scenario of a cell's revision that does not concern OAuth, each before a gateway of its own. */
export async function runClientCell(cell: ClientCell, options: ClientCellOptions): Promise<CellResult> {
  const started = performance.now()
  const folder = await mkdtemp(join(tmpdir(), 'toolgate-conformance-'))
  const revision = REVISIONS[cell.server]
  const output = join(options.output === undefined ? folder : resolve(options.output), nameOfFolder(cell))
  // The era is left to the gateway: finding it out is part of what a client does.
  const command = [process.execPath, WRAPPER, cell.client, 'auto', resolve(options.gateway)]
  const run = async (scenario: string): Promise<Outcome> => {
    if (options.signal.aborted) return { kind: 'unfinished' }
    return runClientScenario({ scenario, revision, output, command })
  }
  try {
    await mkdir(output, { recursive: true })
    const { client } = await loadRequirements(revision)
    const required = new Map<string, Outcome>()
    for (const scenario of withoutOAuth(client.required)) required.set(scenario, await run(scenario))
    const notScoredFailing: string[] = []
    for (const scenario of withoutOAuth(client.notScored))
      if ((await run(scenario)).kind !== 'passed') notScoredFailing.push(scenario)
    return {
      cell,
      suite: { required, notScoredFailing },
      trouble: options.signal.aborted ? 'interrupted' : undefined,
      durationMs: performance.now() - started,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A colon is not allowed in names of files everywhere. */
function nameOfFolder({ name }: ClientCell): string {
  return name.replace(':', '-')
}
