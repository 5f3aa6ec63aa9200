import { BUILTIN } from '../backend/builtin/backend.ts'
import type { ToolFigures } from '../backend/builtin/metrics.ts'

/** What was called since the gateway was made. */
export interface GatewayMetrics {
  /** Calls of tools of backends that were let through. */
  readonly totalRequests: number
  /**
   * The same by `backend.tool`, with the names that the backends use. Empty where nothing is counted
   * (`telemetry.metrics: off`).
   */
  readonly byTool: Readonly<Record<string, number>>
  readonly registeredBackends: readonly string[]
  /** How they went and how long they took, tool by tool. */
  readonly tools: readonly ToolFigures[]
}

/** Puts together what is told of the tools of these backends. */
export function metricsOf(figures: readonly ToolFigures[], backends: readonly string[]): GatewayMetrics {
  const tools = figures.filter(({ backend }) => backend !== BUILTIN)
  return {
    totalRequests: tools.reduce((sum, { calls }) => sum + calls, 0),
    byTool: Object.fromEntries(tools.map(({ backend, tool, calls }) => [`${backend}.${tool}`, calls])),
    registeredBackends: backends,
    tools,
  }
}
