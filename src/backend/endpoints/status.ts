import type { BackendCondition, BackendStatus, EndpointStatus, Health, HealthStatus } from '../backend.ts'

/** One endpoint as its own status and the balancer see it. */
export interface SeenEndpoint extends Omit<EndpointStatus, 'health'> {
  readonly status: BackendStatus
}

/** The status of a backend from those of its endpoints; there is at least one. */
export function mergedStatus(name: string, seen: readonly SeenEndpoint[]): BackendStatus {
  const all = seen.map(({ status }) => status)
  const up = all.filter(({ condition }) => condition.state === 'up')
  const speaker = [...up, ...all].find(({ identity }) => identity !== undefined)
  return {
    name,
    transport: all[0]?.transport ?? 'http',
    condition: mergedCondition(all),
    since: latest(all.map(({ since }) => since)),
    health: mergedHealth(seen),
    endpoints: seen.map(({ status, ...rest }) => ({ ...rest, health: status.health })),
    identity: speaker?.identity,
    eraSince: speaker?.eraSince,
    restarts: sum(all.map(({ restarts }) => restarts)),
    sessions: sum(all.map(({ sessions }) => sessions)),
    readyAfter: least(all.map(({ readyAfter }) => readyAfter)),
  }
}

/** Up as long as one of them is; down only when all are. */
function mergedCondition(all: readonly BackendStatus[]): BackendCondition {
  const conditions = all.map(({ condition }) => condition)
  return (
    conditions.find(({ state }) => state === 'up') ??
    conditions.find(({ state }) => state === 'connecting') ??
    conditions[0] ?? { state: 'connecting' }
  )
}

function mergedHealth(seen: readonly SeenEndpoint[]): Health {
  const healths = seen.map(({ status }) => status.health)
  const since = latest(healths.map((health) => health.since))
  const latencyMs = least(healths.map((health) => health.latencyMs))
  const has = (status: HealthStatus): Health | undefined => healths.find((health) => health.status === status)
  const away = seen.filter(({ status, ejectedUntil }) => isAway(status.health) || ejectedUntil !== undefined)
  const bad = has('unhealthy') ?? has('unreachable')
  if (healths.every(isAway))
    return {
      status: bad?.status ?? 'unreachable',
      since,
      reason: bad?.reason,
      detail: bad?.detail,
      latencyMs,
    }
  if (away.length > 0) {
    const why = bad?.reason === undefined ? '' : `: ${bad.reason}`
    const reason = `${away.length} of ${seen.length} endpoints are out of rotation${why}`
    return { status: 'degraded', since, reason, latencyMs }
  }
  const degraded = has('degraded')
  if (degraded !== undefined) return { ...degraded, since, latencyMs }
  return { status: has('healthy') === undefined ? 'connecting' : 'healthy', since, latencyMs }
}

function isAway({ status }: Health): boolean {
  return status === 'unhealthy' || status === 'unreachable'
}

function latest(times: readonly number[]): number {
  return Math.max(...times)
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
