import type { Levels } from '../telemetry/metrics/levels.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import type { CallFigures, RecentFigures } from '../telemetry/metrics/snapshot.ts'

/** The document of `GET /api/v1/metrics`. */
export function metricsDocument(metrics: Metrics): object {
  const { since, total, recent, backends, tools, refusals } = metrics.snapshot()
  const levels = metrics.levels()
  return {
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
    tools: tools.map(({ latencyMs, ...one }) => ({ ...one, latencyMs: latencyMs ?? null })),
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
