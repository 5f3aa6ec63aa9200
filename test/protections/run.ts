/** Takes every protection away, one at a time, and proves that its test then fails: a test that cannot fail shows nothing. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text as readText } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { authentication } from './authentication.ts'
import { authorization } from './authorization.ts'
import { configuration } from './configuration.ts'
import { embedding } from './embedding.ts'
import { hardening } from './hardening.ts'
import { integrity } from './integrity.ts'
import { metrics } from './metrics.ts'
import { type Protection, REMOVED } from './protection.ts'
import { services } from './services.ts'
import { signatures } from './signatures.ts'
import { telemetry } from './telemetry.ts'

/** Every list of protections. */
const PROTECTIONS: readonly Protection[] = [
  ...authentication,
  ...authorization,
  ...configuration,
  ...embedding,
  ...hardening,
  ...integrity,
  ...metrics,
  ...services,
  ...signatures,
  ...telemetry,
]

/** Processes at once; one more than two cores carry, because there is always one that waits. */
const PARALLEL = 3
/** Milliseconds for one test; what then still runs has failed, and is ended. */
const PATIENCE = 10_000

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Why a protection is not proved; undefined where it is. */
async function problemOf(protection: Protection): Promise<string | undefined> {
  const { test, fails } = protection
  const pattern = `^${fails.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')}`
  const hook = fileURLToPath(new URL('remove.ts', import.meta.url))
  const args = [
    '--import',
    hook,
    '--test',
    '--test-isolation=none',
    `--test-timeout=${PATIENCE}`,
    '--test-reporter=tap',
    `--test-name-pattern=/${pattern}/`,
    test,
  ]
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, [REMOVED]: JSON.stringify(protection), NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 3 * PATIENCE,
    killSignal: 'SIGKILL',
  })
  const [output, errors] = await Promise.all([
    readText(child.stdout),
    readText(child.stderr),
    once(child, 'close'),
  ])
  const names = [...output.matchAll(/^ *(not )?ok \d+ - (.*)$/gm)].filter(([, , name]) =>
    name?.startsWith(fails),
  )
  if (names.length === 0) return `no such test ran:\n${(output + errors).slice(-2000)}`
  return names.some(([, failed]) => failed !== undefined) ? undefined : 'the test passes without it'
}

/** Proves all that are asked for, by a part of their file or of what they are against. */
async function run(words: readonly string[]): Promise<void> {
  const asked = PROTECTIONS.filter(({ file, against }) =>
    words.every((word) => `${file} ${against}`.includes(word)),
  )
  const left = asked.values()
  let unproved = 0
  const work = async (): Promise<void> => {
    for (const protection of left) {
      const problem = await problemOf(protection)
      if (problem !== undefined) unproved++
      const name = `${protection.against} (${protection.file})`
      console.log(problem === undefined ? `✔ ${name}` : `✖ ${name}: “${protection.fails}”: ${problem}`)
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, work))
  console.log(`ℹ pass ${asked.length - unproved}\nℹ fail ${unproved}`)
  if (unproved > 0 || asked.length === 0) process.exitCode = 1
}

await run(process.argv.slice(2))
