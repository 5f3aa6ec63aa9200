import type { Principal } from '../../pipeline/call.ts'
import type { BuiltinTool, JsonSchema } from './tool.ts'

/** How the calls of one tool went since the gateway started. */
export interface ToolFigures {
  readonly backend: string
  /** As its backend calls it; `_OTHER` for all those together that are not counted apart. */
  readonly tool: string
  /** Calls that were let through. */
  readonly calls: number
  /** Calls that the backend did not answer, or answered with a JSON-RPC error. */
  readonly errors: number
  /** Calls that the tool answered with `isError`. */
  readonly toolErrors: number
  /** Milliseconds. */
  readonly latencyMs:
    { readonly mean: number; readonly p50: number; readonly p90: number; readonly p99: number } | undefined
}

/** What one principal may know. */
export interface Sight {
  /** Whether anything of a backend. */
  reaches(backend: string): boolean
  /** Whether that there is this tool. */
  sees(backend: string, tool: string): boolean
}

/** What `gateway_metrics` tells of. */
export interface MetricsSource {
  readonly figures: () => readonly ToolFigures[]
  /** Names of the configured backends. */
  readonly backends: () => readonly string[]
  readonly sightOf: (principal: Principal) => Sight
}

const COUNT: JsonSchema = { type: 'object', additionalProperties: { type: 'integer', minimum: 0 } }

const LATENCY: JsonSchema = {
  type: 'object',
  properties: Object.fromEntries(
    ['mean', 'p50', 'p90', 'p99'].map((name) => [name, { type: 'number', minimum: 0 }]),
  ),
  required: ['mean', 'p50', 'p90', 'p99'],
  additionalProperties: false,
}

const OUTPUT: JsonSchema = {
  type: 'object',
  properties: {
    total_requests: { type: 'integer', minimum: 0, description: 'Tool calls since the gateway started.' },
    by_tool: { ...COUNT, description: 'Calls of each tool, by <server>.<tool>.' },
    registered_backends: { type: 'array', items: { type: 'string' }, description: 'Names of the servers.' },
    total_errors: {
      type: 'integer',
      minimum: 0,
      description: 'Calls that a server did not answer, or answered with a protocol error.',
    },
    errors: { ...COUNT, description: 'The same by tool, without those that have none.' },
    total_tool_errors: { type: 'integer', minimum: 0, description: 'Calls whose tool said that it failed.' },
    tool_errors: { ...COUNT, description: 'The same by tool, without those that have none.' },
    latency_ms: {
      type: 'object',
      description: 'How long calls took in milliseconds, by tool: mean and percentiles, as far as is known.',
      additionalProperties: LATENCY,
    },
  },
  required: [
    'total_requests',
    'by_tool',
    'registered_backends',
    'total_errors',
    'errors',
    'total_tool_errors',
    'tool_errors',
    'latency_ms',
  ],
  additionalProperties: false,
}

/**
 * `gateway_metrics`: calls, failures and times of every tool that the caller may see, and the sums of those. What others
 * may see leaves no trace in it, not even in the sums. Calls that the gateway refused are not counted.
 */
export function metricsTool(source: MetricsSource): BuiltinTool {
  return {
    name: 'metrics',
    title: 'Gateway metrics',
    description:
      'How often each tool behind this gateway was called since it started, how many calls failed, and how long they took.',
    inputSchema: { type: 'object', properties: {}, additionalProperties: false },
    outputSchema: OUTPUT,
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    call: (_, { principal }) => ({ structured: { ...metricsReport(source, source.sightOf(principal)) } }),
  }
}

/** What `gateway_metrics` tells, by the names of the gateway pattern. */
export interface MetricsReport {
  readonly total_requests: number
  readonly by_tool: Readonly<Record<string, number>>
  readonly registered_backends: readonly string[]
  readonly total_errors: number
  readonly errors: Readonly<Record<string, number>>
  readonly total_tool_errors: number
  readonly tool_errors: Readonly<Record<string, number>>
  readonly latency_ms: Readonly<Record<string, NonNullable<ToolFigures['latencyMs']>>>
}

/** Everything is seen. */
export const EVERYTHING: Sight = { reaches: () => true, sees: () => true }

/**
 * Puts the figures together of what may be seen.
 *
 * @param sight default everything: for the operator
 */
export function metricsReport(
  { figures, backends }: Pick<MetricsSource, 'figures' | 'backends'>,
  sight: Sight = EVERYTHING,
): MetricsReport {
  const seen = figures().filter(({ backend, tool }) => sight.sees(backend, tool))
  const by = (of: (one: ToolFigures) => number): Readonly<Record<string, number>> =>
    Object.fromEntries(seen.map((one) => [keyOf(one), of(one)]))
  const failed = (of: (one: ToolFigures) => number): Readonly<Record<string, number>> =>
    Object.fromEntries(seen.filter((one) => of(one) > 0).map((one) => [keyOf(one), of(one)]))
  const sum = (of: (one: ToolFigures) => number): number => seen.reduce((all, one) => all + of(one), 0)
  return {
    total_requests: sum(({ calls }) => calls),
    by_tool: by(({ calls }) => calls),
    registered_backends: backends().filter((name) => sight.reaches(name)),
    total_errors: sum(({ errors }) => errors),
    errors: failed(({ errors }) => errors),
    total_tool_errors: sum(({ toolErrors }) => toolErrors),
    tool_errors: failed(({ toolErrors }) => toolErrors),
    latency_ms: Object.fromEntries(
      seen.flatMap((one) => (one.latencyMs === undefined ? [] : [[keyOf(one), one.latencyMs]])),
    ),
  }
}

/** Names of backends have no dots, so that nothing else is called the same. */
function keyOf({ backend, tool }: ToolFigures): string {
  return `${backend}.${tool}`
}
