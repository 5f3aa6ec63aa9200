import type { Gateway } from '../gateway.ts'
import { type Pin, type PinnedKind, PINNED_KINDS, readPin } from '../routing/integrity/definition.ts'
import type { ListedDefinition } from '../routing/integrity/definitions.ts'
import { type Drift, compare } from '../routing/integrity/drift.ts'
import type { Lock, PinnedBackend } from '../routing/integrity/lock.ts'
import type { IntegrityFinding } from '../routing/integrity/report.ts'
import { reasonFor } from './running.ts'

/** How one backend stands to what was approved of it. */
export type BackendPlan =
  | { readonly kind: 'unreachable'; readonly backend: string; readonly reason: string }
  | {
      readonly kind: 'compared'
      readonly backend: string
      /** Whether anything of it was approved before. */
      readonly known: boolean
      readonly drifts: Readonly<Record<PinnedKind, readonly Drift[]>>
      readonly next: PinnedBackend
      /** Descriptions as they are now, in full, by kind and name. */
      readonly descriptions: ReadonlyMap<string, string>
      /** What is odd about its definitions whether they were approved or not. */
      readonly findings: readonly IntegrityFinding[]
    }

/** What approving would change. */
export interface PinPlan {
  readonly backends: readonly BackendPlan[]
  /** Backends that were approved and are not configured any more. */
  readonly removed: readonly string[]
}

/**
 * Holds what a gateway has learnt of its backends against a lock.
 *
 * @param configured every backend of the configuration if all are asked; undefined if only some are
 */
export function planPins(gateway: Gateway, lock: Lock, configured: readonly string[] | undefined): PinPlan {
  const reports = new Map(gateway.report().map((report) => [report.name, report]))
  const backends = [...gateway.definitions.listed()].map(([backend, definitions]): BackendPlan => {
    const report = reports.get(backend)
    if (definitions === undefined) {
      const condition = report?.condition
      const reason = condition?.state === 'down' ? reasonFor(condition) : undefined
      return { kind: 'unreachable', backend, reason: reason ?? 'it did not list everything in time' }
    }
    const findings = (report?.integrity.findings ?? []).filter(({ state }) => ODD.has(state))
    return compared(backend, { definitions, approved: lock.backends.get(backend), findings })
  })
  const removed =
    configured === undefined ? [] : [...lock.backends.keys()].filter((name) => !configured.includes(name))
  return { backends, removed }
}

const ODD: ReadonlySet<IntegrityFinding['state']> = new Set(['shadows', 'escaped', 'excluded'])

function compared(
  backend: string,
  found: {
    readonly definitions: readonly ListedDefinition[]
    readonly approved: PinnedBackend | undefined
    readonly findings: readonly IntegrityFinding[]
  },
): BackendPlan {
  const { definitions, approved, findings } = found
  const pinsOf = (kind: PinnedKind): ReadonlyMap<string, Pin> =>
    new Map(definitions.filter((one) => one.kind === kind).map(({ name, text }) => [name, readPin(text)]))
  const next: PinnedBackend = { tools: pinsOf('tools'), prompts: pinsOf('prompts') }
  const driftsOf = (kind: PinnedKind): readonly Drift[] => compare(approved?.[kind] ?? new Map(), next[kind])
  const descriptions = new Map(
    definitions.map(({ kind, name, text }) => [`${kind} ${name}`, descriptionOf(text)]),
  )
  return {
    kind: 'compared',
    backend,
    known: approved !== undefined,
    drifts: { tools: driftsOf('tools'), prompts: driftsOf('prompts') },
    next,
    descriptions,
    findings,
  }
}

function descriptionOf(text: string): string {
  const { description } = JSON.parse(text) as { readonly description?: unknown }
  return typeof description === 'string' ? description : ''
}

/** True if the lock would say something else after approving. */
export function hasDrift({ backends, removed }: PinPlan): boolean {
  return (
    removed.length > 0 ||
    backends.some(
      (plan) =>
        plan.kind === 'compared' &&
        (!plan.known ||
          PINNED_KINDS.some((kind) => plan.drifts[kind].some((drift) => drift.kind !== 'same'))),
    )
  )
}

/** The lock after approving: what could not be asked stays as it was. */
export function nextLock(lock: Lock, { backends, removed }: PinPlan): Lock {
  const next = new Map([...lock.backends].filter(([name]) => !removed.includes(name)))
  for (const plan of backends) if (plan.kind === 'compared') next.set(plan.backend, plan.next)
  return { backends: next }
}
