import { createInterface } from 'node:readline'
import { nearest } from '../config/nearest.ts'
import type { Config } from '../config/types.ts'
import { type Lock, LockError, formatLock } from '../routing/integrity/lock.ts'
import { requireConfig, shownPath } from './config-file.ts'
import { CliError, type Io } from './io.ts'
import { LOCK_ADVICE, readLock } from './lock.ts'
import { createLog } from './log.ts'
import type { PinOptions } from './options.ts'
import { type PinPlan, hasDrift, nextLock, planPins } from './pin-plan.ts'
import { planDocument, renderPlan } from './pin-text.ts'
import { surround } from './running.ts'
import { paint } from './text.ts'

/** Milliseconds that backends get to list what they have. */
const DEADLINE = 30_000

/** `toolgate pin`: shows how definitions differ from the approved ones, and approves them. */
export async function pinCommand(io: Io, options: PinOptions): Promise<number> {
  const all = await requireConfig(io, options)
  if (all === undefined) return 1
  const config = chosen(all, options.backends)
  const lock = await currentLock(io, config.integrity.lock)
  const configured = options.backends.length === 0 ? all.backends.map(({ name }) => name) : undefined
  const plan = await ask(io, config, { lock, configured })
  const drifted = hasDrift(plan)
  if (!options.json) io.stdout.write(renderPlan(plan, io.stdout))
  const approved = drifted && !options.check && (options.yes || (await confirmed(io, options)))
  if (approved) await io.files.replace(config.integrity.lock, formatLock(nextLock(lock, plan)))
  const file = shownPath(io, config.integrity.lock)
  const complete = plan.backends.every(({ kind }) => kind === 'compared')
  const ok = complete && (approved || !drifted)
  if (options.json) {
    io.stdout.write(
      `${JSON.stringify({ ok, drift: drifted, written: approved, lock: file, ...planDocument(plan) }, null, 2)}\n`,
    )
  } else io.stderr.write(`${verdict(io, { drifted, approved, file }, options)}\n`)
  return ok ? 0 : 1
}

function chosen(config: Config, names: readonly string[]): Config {
  const known = config.backends.map(({ name }) => name)
  for (const name of names) {
    if (known.includes(name)) continue
    const meant = nearest(name, known)
    throw new CliError(`unknown backend: ${name}${meant === undefined ? '' : `; did you mean ${meant}?`}`)
  }
  if (names.length === 0) return config
  return { ...config, backends: config.backends.filter(({ name }) => names.includes(name)) }
}

async function currentLock(io: Io, path: string): Promise<Lock> {
  try {
    return (await readLock(io, path)) ?? { backends: new Map() }
  } catch (error) {
    if (!(error instanceof LockError)) throw error
    throw new CliError(error.message, LOCK_ADVICE)
  }
}

/** Asks the backends themselves, by a gateway that nobody else can reach. */
async function ask(
  io: Io,
  config: Config,
  { lock, configured }: { readonly lock: Lock; readonly configured: readonly string[] | undefined },
): Promise<PinPlan> {
  const log = createLog({ ...config.log, level: 'error' }, io.stderr)
  const { gateway } = await surround(io, config, log)
  try {
    await gateway.ready(DEADLINE)
    if (io.signal.aborted) throw new CliError('interrupted')
    return planPins(gateway, lock, configured)
  } finally {
    await gateway.close()
  }
}

async function confirmed(io: Io, { json }: PinOptions): Promise<boolean> {
  if (json || !io.stdout.isTTY) return false
  io.stderr.write(paint(io.stderr, 'bold', 'Approve this? [y/N] '))
  const lines = createInterface({ input: io.raw.stdin, signal: io.signal })
  const answer = Promise.withResolvers<string>()
  lines.once('line', answer.resolve)
  lines.once('close', () => answer.resolve(''))
  const given = await answer.promise
  lines.close()
  return /^y(es)?$/i.test(given.trim())
}

function verdict(
  io: Io,
  {
    drifted,
    approved,
    file,
  }: { readonly drifted: boolean; readonly approved: boolean; readonly file: string },
  { check }: PinOptions,
): string {
  if (!drifted) return paint(io.stderr, 'green', 'Everything that was listed is as it was approved.')
  if (approved)
    return `${paint(io.stderr, 'green', `Wrote ${file}`)}: a running gateway takes it over by itself.`
  if (check) return paint(io.stderr, 'red', `Not as in ${file}.`)
  return paint(io.stderr, 'yellow', 'Nothing was written: approve with --yes.')
}
