import type { LimitConfig } from '../../config/limits-types.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'

/** Something that a limit did to a call. */
export interface LimitEvent {
  /** `shadow`: it would have been refused. `queued`: it waits. `refused`: it was refused, at once or after waiting. */
  readonly kind: 'shadow' | 'queued' | 'refused'
  readonly limit: string
  readonly method: string
}

/** Takes what limits do; never throws. */
export type LimitEvents = (event: LimitEvent) => void

/** What one limit has done since the gateway started. */
export interface LimitReport {
  readonly name: string
  readonly shadow: number
  readonly queued: number
  readonly refused: number
}

/** Counts what limits do, and tells the log of it. */
export interface LimitCounts {
  readonly events: LimitEvents
  reports(): readonly LimitReport[]
}

/** Milliseconds between two lines of the log about one limit: a flood of calls must not be one of lines. */
const PAUSE = 10_000

const LINES: Readonly<Record<LimitEvent['kind'], string>> = {
  shadow: 'a limit in shadow mode would have refused calls',
  queued: 'a limit makes calls wait',
  refused: 'a limit refuses calls',
}

/** Counts for these limits. */
export function countLimits(
  limits: readonly LimitConfig[],
  ports: { readonly clock: Clock; readonly log: Log },
): LimitCounts {
  const counts = new Map(limits.map(({ name }) => [name, { name, shadow: 0, queued: 0, refused: 0 }]))
  const quietUntil = new Map<string, number>()
  return {
    events({ kind, limit, method }) {
      const count = counts.get(limit)
      if (count === undefined) return
      count[kind]++
      const line = `${kind} ${limit}`
      const now = ports.clock.now()
      if (now < (quietUntil.get(line) ?? -Infinity)) return
      quietUntil.set(line, now + PAUSE)
      ports.log(kind === 'queued' ? 'info' : 'warn', LINES[kind], { limit, method, total: count[kind] })
    },
    reports: () => [...counts.values()].map((count) => ({ ...count })),
  }
}
