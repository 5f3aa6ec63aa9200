import { metricsReport } from '../backend/builtin/metrics.ts'
import type { Levels } from '../telemetry/metrics/levels.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import type { CallFigures, RecentFigures } from '../telemetry/metrics/snapshot.ts'

/** The document of `GET /api/v1/metrics`: what `gateway_metrics` tells of everything, and what is for the operator beside it. */
export function metricsDocument(metrics: Metrics, names: readonly string[]): object {
  const { since, total, recent, backends, tools, refusals } = metrics.snapshot()
  const levels = metrics.levels()
  return {
    ...metricsReport({ figures: () => tools, backends: () => names }),
    since: new Date(since).toISOString(),
    total: figuresDocument(total),
    recent: recentDocument(recent),
    ...(levels === undefined ? {} : { open: openDocument(levels) }),
    refusals,
    backends: Object.fromEntries(
      [...backends].map(([name, one]) => [
        name,
        { total: figuresDocument(one.total), recent: recentDocument(one.recent) },
      ]),
    ),
  }
}

/** What is under way, or kept open by clients. */
function openDocument({ inFlight, sessions, streams, subscriptions, parked }: Levels): object {
  return { calls: inFlight, sessions, streams, subscriptions, parked }
}

function figuresDocument({ latencyMs, ...counts }: CallFigures): object {
  return { ...counts, latencyMs: latencyMs ?? null }
}

function recentDocument({ window, perSecond, ...figures }: RecentFigures): object {
  return { windowMs: Math.round(window), perSecond, ...figuresDocument(figures) }
}
