import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Revision } from './cells.ts'
import { startChild } from './children.ts'

/** How one scenario ended; `unfinished` when the run broke off or the scenario itself threw. */
export type Outcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly problems: readonly string[] }
  | { readonly kind: 'unfinished' }

/** What a run of the suite found. */
export interface SuiteResult {
  /** Every required scenario, in the order of the suite. */
  readonly required: ReadonlyMap<string, Outcome>
  /** Scenarios that fail but are not scored; those of extensions are left out. */
  readonly notScoredFailing: readonly string[]
}

/** Which scenarios a revision has for servers and for clients. */
export interface Requirements {
  readonly server: LegRequirements
  readonly client: LegRequirements
}

/** The scenarios of one side. */
export interface LegRequirements {
  readonly required: readonly string[]
  /** Run by the suite, not scored, and not about an extension. */
  readonly notScored: readonly string[]
}

/** What to run the suite against. */
export interface SuiteOptions {
  readonly url: string
  readonly revision: Revision
  /** An empty folder for the results. */
  readonly output: string
  /** Breaks the run off; what has finished until then counts. */
  readonly signal: AbortSignal
}

const PACKAGE = new URL('.', import.meta.resolve('@modelcontextprotocol/conformance/package.json'))
const COMMAND = fileURLToPath(new URL('dist/index.js', PACKAGE))

const REQUIREMENTS_FILE = z.object({
  server: z.array(z.string()),
  client: z.array(z.string()),
  not_scored: z.array(z.object({ scenario: z.string(), leg: z.string(), reason: z.string() })),
})

const CHECKS_FILE = z.array(
  z.object({ id: z.string(), status: z.string(), errorMessage: z.string().optional() }),
)

// The suite names a folder of results after the scenario and the time.
const RESULT_FOLDER = /^(?:server-)?(?<scenario>.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$/u

/** The scenarios of a revision, as the suite itself defines them. */
export async function loadRequirements(revision: Revision): Promise<Requirements> {
  const source = await readFile(new URL(`requirements/${revision}.yaml`, PACKAGE), 'utf8')
  const file = REQUIREMENTS_FILE.parse(parse(source))
  const leg = (name: 'server' | 'client'): LegRequirements => {
    const notScored = file.not_scored.filter(({ leg, reason }) => leg === name && reason !== 'extension')
    return { required: file[name], notScored: notScored.map(({ scenario }) => scenario) }
  }
  return { server: leg('server'), client: leg('client') }
}

/** Runs the official suite with its own command line and reads the results it writes. */
export async function runSuite({ url, revision, output, signal }: SuiteOptions): Promise<SuiteResult> {
  const { server: requirements } = await loadRequirements(revision)
  const args = [COMMAND, 'server', '--url', url, '--requirements', revision, '-o', output]
  const interrupted = new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  {
    await using suite = startChild({ name: 'conformance suite', args })
    // Its exit code is not asked: it says no more than the results, and is 1 for every expected failure.
    if (!signal.aborted) await Promise.race([suite.ended, interrupted])
  }
  const outcomes = await readOutcomes(output)
  return {
    required: new Map(
      requirements.required.map((scenario) => [scenario, outcomes.get(scenario) ?? { kind: 'unfinished' }]),
    ),
    notScoredFailing: requirements.notScored.filter((scenario) => outcomes.get(scenario)?.kind !== 'passed'),
  }
}

/** A result for a run that could not begin. */
export async function unfinishedSuite(revision: Revision): Promise<SuiteResult> {
  const { required } = (await loadRequirements(revision)).server
  return {
    required: new Map(required.map((scenario) => [scenario, { kind: 'unfinished' }])),
    notScoredFailing: [],
  }
}

/** Which client scenario to run, and the program that is the client. */
export interface ClientScenario {
  readonly scenario: string
  readonly revision: Revision
  /** A folder for the results. */
  readonly output: string
  /** The client's command line; the suite appends the URL of its server. */
  readonly command: readonly string[]
}

/** Runs one client scenario of the official suite; a warning counts as a failure, as it does for the suite. */
export async function runClientScenario({
  scenario,
  revision,
  output,
  command,
}: ClientScenario): Promise<Outcome> {
  const line = command.map((part) => `"${part}"`).join(' ')
  const where = ['--scenario', scenario, '--spec-version', revision, '-o', output]
  await using suite = startChild({
    name: 'conformance suite',
    args: [COMMAND, 'client', '--command', line, ...where],
  })
  const [succeeded, outcomes] = [await suite.succeeded, await readOutcomes(output)]
  const outcome = outcomes.get(scenario) ?? { kind: 'unfinished' }
  if (succeeded || outcome.kind !== 'passed') return outcome
  // Every check may be satisfied and the client still have failed: what it printed says why.
  return { kind: 'failed', problems: [`the client failed or there are warnings:\n${suite.lastOutput()}`] }
}

async function readOutcomes(output: string): Promise<ReadonlyMap<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  for (const folder of await readdir(output)) {
    const scenario = RESULT_FOLDER.exec(folder)?.groups?.['scenario']
    if (scenario === undefined) continue
    // A scenario that threw has a folder without this file.
    const source = await readFile(join(output, folder, 'checks.json'), 'utf8').catch(() => undefined)
    if (source !== undefined) outcomes.set(scenario, judge(CHECKS_FILE.parse(JSON.parse(source))))
  }
  return outcomes
}

function judge(checks: z.infer<typeof CHECKS_FILE>): Outcome {
  const failures = checks.filter(({ status }) => status === 'FAILURE')
  if (failures.length === 0) return { kind: 'passed' }
  return {
    kind: 'failed',
    problems: failures.map(({ id, errorMessage = 'failed' }) => shorten(`${id}: ${errorMessage}`)),
  }
}

// Some messages quote a whole response.
function shorten(problem: string): string {
  return problem.length > 400 ? `${problem.slice(0, 400)}…` : problem
}
