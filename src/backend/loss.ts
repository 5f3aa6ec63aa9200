import type { BackendCondition } from './backend.ts'
import { isMisbehaviour } from './failure.ts'

/** Why a backend is down. */
export interface Loss {
  readonly reason: string
  readonly detail?: string | undefined
  /** True where something answers, but not as it should. */
  readonly answers?: true
}

/** The condition of a backend that is lost so. */
export function downCondition({ reason, detail, answers }: Loss): BackendCondition {
  return {
    state: 'down',
    reason,
    ...(detail === undefined ? {} : { detail }),
    ...(answers === undefined ? {} : { answers }),
  }
}

/** What a failure says of why a backend is down. */
export function lossOf(error: unknown): Loss {
  const reason = error instanceof Error ? error.message : 'unknown failure'
  return isMisbehaviour(error) ? { reason, answers: true } : { reason }
}
