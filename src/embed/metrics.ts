import { BUILTIN } from '../backend/builtin/backend.ts'
import type { CallObserver } from '../filters/observe.ts'

/** What was called since the gateway was made. */
export interface GatewayMetrics {
  /** Calls of tools that reached a backend. */
  readonly totalRequests: number
  /** The same by `backend.tool`, with the names that the backends use. */
  readonly byTool: Readonly<Record<string, number>>
  readonly registeredBackends: readonly string[]
}

/** Counts calls of tools. */
export interface Tally extends CallObserver {
  counts(): Pick<GatewayMetrics, 'totalRequests' | 'byTool'>
  /** Forgets a backend. */
  forget(backend: string): void
}

/** Tools that are told apart; the names come from backends, of which each may list many. */
const MOST = 10_000

/** What all others are counted as. */
const OTHER = 'other'

/** Begins to count. */
export function createTally(): Tally {
  const counts = new Map<string, number>()
  return {
    ended({ call, target, attempts }) {
      if (call.method !== 'tools/call' || target?.kind !== 'one' || target.backend === BUILTIN) return
      if (attempts.length === 0) return
      const name = `${target.backend}.${target.name ?? ''}`
      const key = counts.has(name) || counts.size < MOST ? name : OTHER
      counts.set(key, (counts.get(key) ?? 0) + 1)
    },
    counts: () => ({
      totalRequests: counts.values().reduce((sum, count) => sum + count, 0),
      byTool: Object.fromEntries(counts),
    }),
    forget(backend) {
      for (const key of counts.keys()) if (key.startsWith(`${backend}.`)) counts.delete(key)
    },
  }
}
