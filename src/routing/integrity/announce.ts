import type { DriftPolicy, IntegrityPolicy } from '../../config/types.ts'
import type { Audit, DefinitionAudit, SuspicionAudit } from '../../pipeline/audit.ts'
import type { ListKind } from '../../protocol/methods.ts'
import type { Entry } from '../entry.ts'
import type { Drift } from './drift.ts'
import { escapeHidden } from './hidden.ts'
import type { Invisible } from './inspect.ts'
import { countPins } from './lock.ts'
import type { LockFile } from './lock-file.ts'
import type { Shadow } from './shadow.ts'

/** Lines of the audit log about one list of one backend at a time: a hostile one must not fill it. */
const MAX_LINES = 50
const MAX_NAME = 128

/** Says how the file with the approved definitions is now. */
export function tellLock(audit: Audit, { path: file, state }: LockFile): void {
  if (state.kind === 'absent') audit({ event: 'lock.removed', file })
  else if (state.kind === 'invalid') audit({ event: 'lock.invalid', file, problem: state.problem })
  else audit({ event: 'lock.loaded', file, definitions: countPins(state.lock) })
}

/** How a list of a backend stood to what was approved, and stands now. */
export interface DriftNews {
  readonly backend: string
  readonly kind: ListKind
  readonly policy: IntegrityPolicy
  readonly before: readonly Drift[]
  readonly now: readonly Drift[]
  /** What has changed. */
  readonly cause: 'list' | 'lock'
}

/** Says which definitions stand in another way than before. */
export function tellDrift(audit: Audit, { backend, kind, policy, before, now, cause }: DriftNews): void {
  const known = new Map(before.map((drift) => [drift.name, stateOf(drift)]))
  const events = now.flatMap((drift): readonly DefinitionAudit[] => {
    const last = known.get(drift.name)
    if (last === stateOf(drift) || (last === undefined && drift.kind === 'same')) return []
    const said = saidOf(drift, policy, cause)
    return said === undefined ? [] : [{ ...said, backend, kind, name: nameOf(drift.name) }]
  })
  tellSome(audit, events)
}

function stateOf(drift: Drift): string {
  return 'now' in drift ? `${drift.kind} ${drift.now.digest}` : drift.kind
}

type Said = Pick<DefinitionAudit, 'event' | 'action' | 'changes'>

function saidOf(drift: Drift, policy: IntegrityPolicy, cause: DriftNews['cause']): Said | undefined {
  switch (drift.kind) {
    case 'same':
      return { event: cause === 'lock' ? 'definition.approved' : 'definition.restored', action: 'listed' }
    case 'gone':
      return { event: 'definition.gone', action: 'gone' }
    case 'added':
      return acted('definition.added', policy.onNew)
    case 'changed': {
      const said = acted('definition.changed', policy.onChange)
      return said && { ...said, changes: drift.changes.join(', ') }
    }
  }
}

function acted(event: DefinitionAudit['event'], policy: DriftPolicy): Said | undefined {
  if (policy === 'allow') return undefined
  return { event, action: policy === 'quarantine' ? 'quarantined' : 'listed' }
}

/** Says which tools pass for others. */
export function tellShadows(
  audit: Audit,
  shadows: readonly Shadow[],
  isHeld: (entry: Entry) => boolean,
): void {
  const events = shadows.map(({ entry, finding }): SuspicionAudit => ({
    event: 'definition.shadows',
    backend: entry.backend,
    kind: entry.kind,
    name: nameOf(entry.key),
    finding: escapeHidden(finding),
    action: isHeld(entry) ? 'quarantined' : 'listed',
  }))
  tellSome(audit, events)
}

/** Says which definitions hold hidden characters that did not before. */
export function tellInvisible(
  audit: Audit,
  news: {
    readonly backend: string
    readonly kind: ListKind
    readonly before: readonly Invisible[]
    readonly now: readonly Invisible[]
  },
): void {
  const { backend, kind } = news
  const known = new Set(news.before.map(({ key, finding }) => `${key} ${finding}`))
  const events = news.now
    .filter(({ key, finding }) => !known.has(`${key} ${finding}`))
    .map(({ key, finding, action }): SuspicionAudit => {
      return { event: 'definition.invisible', backend, kind, name: nameOf(key), finding, action }
    })
  tellSome(audit, events)
}

function tellSome(audit: Audit, events: readonly (DefinitionAudit | SuspicionAudit)[]): void {
  const more = events.length - MAX_LINES
  events.slice(0, MAX_LINES).forEach((event, index) => {
    audit(index === MAX_LINES - 1 && more > 0 ? { ...event, more } : event)
  })
}

function nameOf(key: string): string {
  const name = escapeHidden(key)
  return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name
}
