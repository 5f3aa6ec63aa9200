import type { ListKind } from '../../protocol/methods.ts'

/** Something that the operator should know about one definition. */
export interface IntegrityFinding {
  /**
   * `changed`, `added` and `gone` against what was approved; `shadows` passes for another's; `escaped` and `excluded`
   * for hidden characters.
   */
  readonly state: 'changed' | 'added' | 'gone' | 'shadows' | 'escaped' | 'excluded'
  readonly kind: ListKind
  /** As the backend calls it, with hidden characters made visible. */
  readonly name: string
  /** What exactly, in words; empty where the state says it all. */
  readonly detail: string
  /** Whether it is neither listed nor callable for this reason. */
  readonly quarantined: boolean
}

/** How the definitions of one backend stand to what was approved. */
export interface IntegrityReport {
  /** False while nothing of the backend was approved, or there is no lock file. */
  readonly pinned: boolean
  /** Definitions that are as they were approved. */
  readonly approved: number
  readonly findings: readonly IntegrityFinding[]
}

/** How the file with the approved definitions is. */
export interface LockReport {
  readonly file: string
  readonly state: 'absent' | 'loaded' | 'invalid'
  /** Why it is not believed; what it said before still holds. */
  readonly problem: string | undefined
}
