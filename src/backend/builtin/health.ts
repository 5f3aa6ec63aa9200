import type { Principal } from '../../pipeline/call.ts'
import type { BackendStatus, Health } from '../backend.ts'
import { EVERYTHING, type Sight } from './metrics.ts'
import type { BuiltinTool } from './tool.ts'

/** One backend, as `gateway_health` tells it. */
export interface ToldHealth {
  readonly status: Health['status']
  readonly latency_ms?: number
  readonly error?: string
}

const STATUSES: readonly Health['status'][] = [
  'connecting',
  'healthy',
  'degraded',
  'unhealthy',
  'unreachable',
]

/**
 * `gateway_health`: how every backend is, from what checks and traffic have shown last. Asks nobody, so that calling it
 * costs the backends nothing. Reasons are those that clients are told anyway; what is for the operator alone is left out.
 *
 * @param statuses those of the configured backends, now
 * @param sightOf what a caller may know: of other backends it is not told. Default everything
 */
export function healthTool(
  statuses: () => readonly BackendStatus[],
  sightOf: (principal: Principal) => Pick<Sight, 'reaches'> = () => EVERYTHING,
): BuiltinTool {
  return {
    name: 'health',
    title: 'Gateway health',
    description:
      'Health of every MCP server behind this gateway: status (healthy, degraded, unhealthy, unreachable or connecting), ' +
      'latency of the last good check in milliseconds, and why a server is not healthy.',
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    outputSchema: {
      type: 'object',
      description: 'By name of the server.',
      additionalProperties: {
        type: 'object',
        properties: {
          status: { type: 'string', enum: STATUSES },
          latency_ms: { type: 'number', description: 'Milliseconds that the last good check took.' },
          error: { type: 'string', description: 'Why it is not healthy.' },
        },
        required: ['status'],
        additionalProperties: false,
      },
    },
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    call: (_, { principal }) => {
      const sight = sightOf(principal)
      const seen = statuses().filter(({ name }) => sight.reaches(name))
      return { structured: Object.fromEntries(seen.map(({ name, health }) => [name, toldHealth(health)])) }
    },
  }
}

/** The health of a backend as clients may know it. */
export function toldHealth({ status, latencyMs, reason }: Health): ToldHealth {
  return {
    status,
    ...(latencyMs === undefined ? {} : { latency_ms: Math.round(latencyMs * 100) / 100 }),
    ...(reason === undefined ? {} : { error: reason }),
  }
}
