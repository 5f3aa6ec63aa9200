import type { IntegrityPolicy, NamePolicy } from '../../config/types.ts'
import type { Audit } from '../../pipeline/audit.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { ListKind } from '../../protocol/methods.ts'
import type { Entry } from '../entry.ts'
import { tellDrift, tellInvisible, tellLock, tellShadows } from './announce.ts'
import { isPinnedKind, pinOf } from './definition.ts'
import { type Drift, compare } from './drift.ts'
import { escapeHidden } from './hidden.ts'
import type { Invisible } from './inspect.ts'
import type { PinnedBackend } from './lock.ts'
import type { LockFile, LockState } from './lock-file.ts'
import type { IntegrityFinding, IntegrityReport, LockReport } from './report.ts'
import { type Shadow, findShadows, prepareShadows } from './shadow.ts'

/** Why a definition is neither listed nor callable. */
export interface Quarantine {
  /** For clients: nothing in it is about backends that they may not know. */
  readonly reason: string
  /** Whether it was approved once under its name, which it then keeps while it is held back. */
  readonly keepsName: boolean
}

/** What a backend lists. */
export interface Listed {
  readonly entries: readonly Entry[]
  readonly invisible: readonly Invisible[]
}

/** What holds lists against what was approved needs. */
export interface IntegrityPorts {
  /** The policy of each backend, in the order of the configuration. */
  readonly policies: ReadonlyMap<string, IntegrityPolicy>
  readonly names: NamePolicy
  readonly lock: LockFile
  readonly audit: Audit
  readonly clock: Clock
}

/** Holds what backends list against what was approved, and against each other. Judges when lists come, never per call. */
export interface Integrity {
  /** Goes on with these backends and their policies; forgets what the others listed. */
  govern(policies: ReadonlyMap<string, IntegrityPolicy>): void
  policyOf(backend: string): IntegrityPolicy
  /** Takes a list as it is now. */
  update(backend: string, kind: ListKind, listed: Listed): void
  /** Why an entry is held back; undefined for nearly all. */
  quarantineOf(entry: Entry): Quarantine | undefined
  /** Whether a new list of that backend may be held back, so that changes are to be looked at as soon as they are announced. */
  isWatching(backend: string): boolean
  /** Calls back when what is held back of a list changes although the list did not. */
  onVerdict(listener: (backend: string, kind: ListKind) => void): void
  report(backend: string): IntegrityReport
  lockReport(): LockReport
  close(): void
}

/** Creates it; follows the lock file from now on. */
export function createIntegrity(ports: IntegrityPorts): Integrity {
  return new Judge(ports)
}

/** Holds nothing against anybody. */
export const believing: Integrity = {
  govern: () => undefined,
  policyOf: () => ({ onChange: 'allow', onNew: 'allow', onShadow: 'allow', onInvisible: 'escape' }),
  update: () => undefined,
  quarantineOf: () => undefined,
  isWatching: () => false,
  onVerdict: () => undefined,
  report: () => ({ pinned: false, approved: 0, findings: [] }),
  lockReport: () => ({ file: '', state: 'absent', problem: undefined }),
  close: () => undefined,
}

/** For a name that is no backend of the configuration. */
const STRICT: IntegrityPolicy = {
  onChange: 'quarantine',
  onNew: 'quarantine',
  onShadow: 'warn',
  onInvisible: 'escape',
}

/** Milliseconds after a change of lists in which others may change too, before tools are compared with each other. */
const SETTLE = 250

interface Standing {
  readonly backend: string
  readonly kind: ListKind
  readonly listed: Listed
  /** Against what was approved; undefined where nothing was. */
  readonly drifts: readonly Drift[] | undefined
  readonly held: ReadonlyMap<string, Quarantine>
}

class Judge implements Integrity {
  readonly #ports: IntegrityPorts
  /** Whether tools of different backends are compared at all. */
  #isComparing: boolean
  #policies: ReadonlyMap<string, IntegrityPolicy>
  /** By kind and backend. */
  readonly #standings = new Map<string, Standing>()
  readonly #listeners = new Set<(backend: string, kind: ListKind) => void>()
  /** Undefined when lists have changed since tools were compared. */
  #shadows: ReadonlyMap<string, Shadow> | undefined = new Map()
  #lastShadows: ReadonlyMap<string, Shadow> = new Map()
  #cancelSettling: (() => void) | undefined

  constructor(ports: IntegrityPorts) {
    this.#ports = ports
    this.#policies = ports.policies
    this.#isComparing = isComparing(ports.policies)
    if (ports.lock.state.kind !== 'absent') tellLock(ports.audit, ports.lock)
    ports.lock.onChange((state) => this.#lockChanged(state))
  }

  govern(policies: ReadonlyMap<string, IntegrityPolicy>): void {
    this.#policies = policies
    this.#isComparing = isComparing(policies)
    const gone = [...this.#standings].filter(([, { backend }]) => !policies.has(backend))
    for (const [key] of gone) this.#standings.delete(key)
    this.#compareLater()
  }

  policyOf(backend: string): IntegrityPolicy {
    return this.#policies.get(backend) ?? STRICT
  }

  isWatching(backend: string): boolean {
    return this.#pinned(backend) !== undefined
  }

  onVerdict(listener: (backend: string, kind: ListKind) => void): void {
    this.#listeners.add(listener)
  }

  update(backend: string, kind: ListKind, listed: Listed): void {
    const before = this.#standings.get(standingKey(kind, backend))
    if (before !== undefined && isSame(before.listed, listed)) return
    tellInvisible(this.#ports.audit, {
      backend,
      kind,
      before: before?.listed.invisible ?? [],
      now: listed.invisible,
    })
    this.#judge(backend, kind, { listed, cause: 'list' })
    if (kind !== 'tools' || !this.#isComparing) return
    prepareShadows(listed.entries)
    this.#compareLater()
  }

  quarantineOf(entry: Entry): Quarantine | undefined {
    const held = this.#standings.get(standingKey(entry.kind, entry.backend))?.held.get(entry.key)
    if (held !== undefined || entry.kind !== 'tools') return held
    if (this.policyOf(entry.backend).onShadow !== 'quarantine') return undefined
    const shadow = this.#shadowsNow().get(shadowKey(entry))
    return shadow === undefined || this.#isApproved(entry) ? undefined : SHADOWING
  }

  report(backend: string): IntegrityReport {
    const standings = [...this.#standings.values()].filter((standing) => standing.backend === backend)
    const shadows = [...this.#shadowsNow().values()].filter(({ entry }) => entry.backend === backend)
    return {
      pinned: this.#pinned(backend) !== undefined,
      approved: standings.flatMap(({ drifts = [] }) => drifts.filter(({ kind }) => kind === 'same')).length,
      findings: [
        ...standings.flatMap(findingsOf),
        ...shadows.map(({ entry, finding }): IntegrityFinding => {
          const quarantined = this.quarantineOf(entry) === SHADOWING
          return {
            state: 'shadows',
            kind: 'tools',
            name: escapeHidden(entry.key),
            detail: finding,
            quarantined,
          }
        }),
      ],
    }
  }

  lockReport(): LockReport {
    const { path, state } = this.#ports.lock
    return { file: path, state: state.kind, problem: state.kind === 'invalid' ? state.problem : undefined }
  }

  close(): void {
    this.#cancelSettling?.()
    this.#ports.lock.close()
  }

  #pinned(backend: string): PinnedBackend | undefined {
    const { state } = this.#ports.lock
    return state.kind === 'absent' ? undefined : state.lock?.backends.get(backend)
  }

  #judge(
    backend: string,
    kind: ListKind,
    { listed, cause }: { readonly listed: Listed; readonly cause: 'list' | 'lock' },
  ): void {
    const approved = isPinnedKind(kind) ? this.#pinned(backend)?.[kind] : undefined
    const key = standingKey(kind, backend)
    const before = this.#standings.get(key)
    if (approved === undefined) {
      this.#standings.set(key, { backend, kind, listed, drifts: undefined, held: NOTHING_HELD })
      return
    }
    const pins = new Map(listed.entries.map((entry) => [entry.key, pinOf(entry)]))
    const policy = this.policyOf(backend)
    const drifts = compare(approved, pins)
    this.#standings.set(key, { backend, kind, listed, drifts, held: heldOf(drifts, policy) })
    tellDrift(this.#ports.audit, { backend, kind, policy, before: before?.drifts ?? [], now: drifts, cause })
  }

  #lockChanged(state: LockState): void {
    tellLock(this.#ports.audit, this.#ports.lock)
    // What was approved holds on until the file can be read again.
    if (state.kind === 'invalid') return
    for (const { backend, kind, listed, held } of this.#standings.values()) {
      this.#judge(backend, kind, { listed, cause: 'lock' })
      const now = this.#standings.get(standingKey(kind, backend))?.held ?? NOTHING_HELD
      if (!isSameHeld(held, now)) this.#tell(backend, kind)
    }
    this.#compareLater()
  }

  #tell(backend: string, kind: ListKind): void {
    for (const listener of this.#listeners) listener(backend, kind)
  }

  #compareLater(): void {
    this.#shadows = undefined
    this.#cancelSettling ??= this.#ports.clock.after(SETTLE, () => {
      this.#cancelSettling = undefined
      this.#shadowsNow()
    })
  }

  /** Tools that pass for others, compared again if lists have changed. */
  #shadowsNow(): ReadonlyMap<string, Shadow> {
    if (this.#shadows !== undefined) return this.#shadows
    const { names, audit } = this.#ports
    const entries = [...this.#policies.keys()].flatMap(
      (backend) => this.#standings.get(standingKey('tools', backend))?.listed.entries ?? [],
    )
    const isApproved = (entry: Entry): boolean => this.#isApproved(entry)
    const found = this.#isComparing ? findShadows(entries, { names, isApproved }) : []
    const meant = found.filter(({ entry }) => this.policyOf(entry.backend).onShadow !== 'allow')
    const before = this.#lastShadows
    const now = new Map(meant.map((shadow) => [shadowKey(shadow.entry), shadow]))
    this.#shadows = now
    this.#lastShadows = now
    const news = meant.filter(({ entry, finding }) => before.get(shadowKey(entry))?.finding !== finding)
    tellShadows(audit, news, (entry) => this.quarantineOf(entry) !== undefined)
    const left = [...before].filter(([key]) => !now.has(key)).map(([, shadow]) => shadow)
    for (const backend of new Set([...news, ...left].map(({ entry }) => entry.backend))) {
      if (this.policyOf(backend).onShadow === 'quarantine') this.#tell(backend, 'tools')
    }
    return now
  }

  /** Whether exactly this definition was approved. */
  #isApproved(entry: Entry): boolean {
    return (
      isPinnedKind(entry.kind) &&
      this.#pinned(entry.backend)?.[entry.kind].get(entry.key)?.digest === pinOf(entry).digest
    )
  }
}

function isComparing(policies: ReadonlyMap<string, IntegrityPolicy>): boolean {
  return policies.size > 1 && [...policies.values()].some(({ onShadow }) => onShadow !== 'allow')
}

const NOTHING_HELD: ReadonlyMap<string, Quarantine> = new Map()

const SHADOWING: Quarantine = { reason: 'it could be taken for a tool of another backend', keepsName: false }

const NEW: Quarantine = { reason: 'it was not there when its backend was approved', keepsName: false }

function heldOf(drifts: readonly Drift[], policy: IntegrityPolicy): ReadonlyMap<string, Quarantine> {
  const held = new Map<string, Quarantine>()
  for (const drift of drifts) {
    if (drift.kind === 'added' && policy.onNew === 'quarantine') held.set(drift.name, NEW)
    if (drift.kind === 'changed' && policy.onChange === 'quarantine') {
      held.set(drift.name, { reason: reasonOf(drift.changes), keepsName: true })
    }
  }
  return held
}

/** Members by the names that the protocol gives them. Any other was named by the backend, and models read errors too. */
const KNOWN_MEMBERS: ReadonlySet<string> = new Set([
  'title',
  'description',
  'inputSchema',
  'outputSchema',
  'annotations',
  'arguments',
])

function reasonOf(changes: readonly string[]): string {
  const known = changes.filter((name) => KNOWN_MEMBERS.has(name))
  return `its ${known.length === 0 ? 'definition' : known.join(', ')} changed since it was approved`
}

function findingsOf({ kind, listed, drifts = [], held }: Standing): readonly IntegrityFinding[] {
  const drifted = drifts.flatMap((drift): readonly IntegrityFinding[] => {
    if (drift.kind === 'same') return []
    const detail = drift.kind === 'changed' ? drift.changes.join(', ') : ''
    return [
      { state: drift.kind, kind, name: escapeHidden(drift.name), detail, quarantined: held.has(drift.name) },
    ]
  })
  const invisible = listed.invisible.map(({ key, finding, action }): IntegrityFinding => {
    return { state: action, kind, name: escapeHidden(key), detail: finding, quarantined: false }
  })
  return [...drifted, ...invisible]
}

function isSame(before: Listed, now: Listed): boolean {
  return (
    before.entries.length === now.entries.length &&
    before.entries.every((entry, index) => entry === now.entries[index]) &&
    before.invisible.length === now.invisible.length &&
    before.invisible.every((found, index) => isSameFinding(found, now.invisible[index]))
  )
}

function isSameFinding(a: Invisible, b: Invisible | undefined): boolean {
  return a.key === b?.key && a.finding === b.finding && a.action === b.action
}

function isSameHeld(before: ReadonlyMap<string, Quarantine>, now: ReadonlyMap<string, Quarantine>): boolean {
  return before.size === now.size && [...before].every(([key, { reason }]) => now.get(key)?.reason === reason)
}

function standingKey(kind: ListKind, backend: string): string {
  return `${kind} ${backend}`
}

function shadowKey({ backend, key }: Entry): string {
  return `${backend} ${key}`
}
