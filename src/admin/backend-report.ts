import type { Policy } from '../auth/policy/policy.ts'
import type { Backend, BackendStatus } from '../backend/backend.ts'
import type { LaneReport, LaneStates } from '../filters/lanes.ts'
import type { Catalog } from '../routing/catalog.ts'
import type { Integrity } from '../routing/integrity/integrity.ts'
import type { IntegrityReport } from '../routing/integrity/report.ts'

/** A backend as the operator sees it. */
export interface BackendReport extends BackendStatus, Partial<LaneReport> {
  /** Tools that are known of it; undefined while none were listed. */
  readonly tools: number | undefined
  /** Tools that no rule lets anybody call, as far as they are known. */
  readonly uncallable: readonly string[]
  /** How its definitions stand to what was approved. */
  readonly integrity: IntegrityReport
}

/** What a report of a backend is made of. */
export interface ReportSources {
  readonly catalog: Pick<Catalog, 'known'>
  readonly policy: Pick<Policy, 'isReachable'> | undefined
  readonly integrity: Pick<Integrity, 'report'>
  readonly lanes: Pick<LaneStates, 'report'>
}

/** How a backend is now. Asks nobody. */
export function reportOf(backend: Backend, sources: ReportSources): BackendReport {
  const { catalog, policy, integrity, lanes } = sources
  const known = catalog.known('tools', backend.name)
  const entries = known === undefined || known.kind === 'omitted' ? undefined : known.listing.entries
  const closed = policy === undefined ? [] : (entries ?? []).filter((entry) => !policy.isReachable(entry))
  return {
    ...backend.status(),
    tools: entries?.length,
    uncallable: closed.map(({ key }) => key),
    integrity: integrity.report(backend.name),
    ...lanes.report(backend.name),
  }
}
