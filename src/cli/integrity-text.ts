import { z } from 'zod'
import type { LockReport, IntegrityReport } from '../routing/integrity/report.ts'
import type { Output } from './io.ts'
import { oneLine, paint } from './text.ts'

/** Findings of one backend that the status shows; the lock file and `toolgate pin` know them all. */
const MAX_FINDINGS = 200

/** What `status` says about the definitions of a backend, for machines. */
export function integrityDocument({ pinned, approved, findings }: IntegrityReport): ShownIntegrity {
  const count = (state: string): number => findings.filter((finding) => finding.state === state).length
  return {
    pinned,
    approved,
    changed: count('changed'),
    new: count('added'),
    gone: count('gone'),
    quarantined: findings.filter(({ quarantined }) => quarantined).length,
    findings: findings.slice(0, MAX_FINDINGS),
    more: Math.max(0, findings.length - MAX_FINDINGS),
  }
}

/** The lock file for machines. */
export function lockDocument({ file, state, problem }: LockReport): ShownLock {
  return { file, state, problem: problem ?? null }
}

/** What a status says about the definitions of a backend. */
export interface ShownIntegrity {
  readonly pinned: boolean
  readonly approved: number
  readonly changed: number
  readonly new: number
  readonly gone: number
  readonly quarantined: number
  readonly findings: readonly {
    readonly state: string
    readonly kind: string
    readonly name: string
    readonly detail: string
    readonly quarantined: boolean
  }[]
  /** Findings that are not told. */
  readonly more: number
}

/** What a status says about the lock file. */
export interface ShownLock {
  readonly file: string
  readonly state: string
  readonly problem?: string | null | undefined
}

/** How both are read back from an admin listener, which may be of another version. */
export const INTEGRITY: z.ZodType<ShownIntegrity> = z.object({
  pinned: z.boolean(),
  approved: z.number(),
  changed: z.number(),
  new: z.number(),
  gone: z.number(),
  quarantined: z.number(),
  findings: z.array(
    z.object({
      state: z.string(),
      kind: z.string(),
      name: z.string(),
      detail: z.string(),
      quarantined: z.boolean(),
    }),
  ),
  more: z.number(),
})

/** As {@link INTEGRITY}, for the lock file. */
export const LOCK: z.ZodType<ShownLock> = z.object({
  file: z.string(),
  state: z.string(),
  problem: z.string().nullish(),
})

interface Shown {
  readonly name: string
  readonly integrity?: ShownIntegrity | undefined
}

const WORDS: Readonly<Record<string, string>> = {
  changed: 'changed since it was approved',
  added: 'new, not approved',
  gone: 'approved, but not listed any more',
  shadows: 'suspicious',
  escaped: 'invisible characters made visible',
  excluded: 'left out for invisible characters',
}

/** The lines of `status` about definitions; empty where there is nothing to tell. */
export function renderIntegrity(
  backends: readonly Shown[],
  lock: ShownLock | undefined,
  output: Output,
): string {
  const problem =
    lock?.state === 'invalid'
      ? `${paint(output, 'red', `${oneLine(lock.file, 200)} is not believed`)}: ${oneLine(lock.problem ?? '', 500)}\n`
      : ''
  const told = backends.flatMap(({ name, integrity }) =>
    integrity === undefined || (integrity.findings.length === 0 && !integrity.pinned)
      ? []
      : [renderBackend(name, integrity, output)],
  )
  const text = problem + told.join('')
  return text === '' ? '' : `\n${paint(output, 'bold', 'DEFINITIONS')}\n${text}`
}

function renderBackend(name: string, found: ShownIntegrity, output: Output): string {
  const facts = [
    found.pinned ? `${found.approved} approved` : 'not pinned',
    ...(found.changed > 0 ? [`${found.changed} changed`] : []),
    ...(found.new > 0 ? [`${found.new} new`] : []),
    ...(found.gone > 0 ? [`${found.gone} gone`] : []),
    ...(found.quarantined > 0 ? [`${found.quarantined} in quarantine`] : []),
  ]
  const lines = found.findings.map(({ state, kind, name: definition, detail, quarantined }) => {
    const what = `${oneLine(definition, 64)}${kind === 'tools' ? '' : ` (${oneLine(kind, 20)})`}`
    const why = `${WORDS[state] ?? oneLine(state, 20)}${detail === '' ? '' : `: ${oneLine(detail, 200)}`}`
    const line = `  ${what}: ${why}${quarantined ? ' [quarantined]' : ''}\n`
    return quarantined ? paint(output, 'red', line) : line
  })
  const more = found.more > 0 ? `  and ${found.more} more\n` : ''
  const advice = found.changed + found.new > 0 ? `  review: toolgate pin ${oneLine(name, 40)}\n` : ''
  return `${oneLine(name, 40)}: ${facts.join(', ')}\n${lines.join('')}${more}${advice}`
}
