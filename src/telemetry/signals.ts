import type { Fetch } from '../auth/outbound.ts'
import type { BackendConfig, Config } from '../config/types.ts'
import { type CallObserver, type RefusedExchange, refusalsTo } from '../filters/observe.ts'
import { type LoadGauge, systemLoad } from '../pipeline/load.ts'
import { type CallTellingPorts, openCallTelling } from './calls.ts'
import type { Levels } from './metrics/levels.ts'
import { type Metrics, createMetrics } from './metrics/metrics.ts'

/** What signals need from outside. */
export interface SignalsPorts extends Omit<CallTellingPorts, 'backends'> {
  readonly fetch: Fetch
  /** Name of the backend that is the gateway itself. */
  readonly builtin: string
  /** Default: measures the process. */
  readonly load?: LoadGauge | undefined
  /** Whoever else follows calls. */
  readonly observers: readonly CallObserver[]
}

/** Everything that the gateway tells of itself: metrics, traces, the access log. */
export interface Signals {
  readonly observers: readonly CallObserver[]
  /** Whether somebody wants to know to which traces calls belong. */
  readonly traced: boolean
  /** Undefined where nobody wants to know. */
  readonly onRefused: ((exchange: RefusedExchange) => void) | undefined
  readonly metrics: Metrics | undefined
  /** Measures the load for the metrics, where nothing else does. */
  readonly gauge: LoadGauge | undefined
  /** Tells of these backends from now on; what was counted of those that left is forgotten. */
  serve(backends: readonly BackendConfig[]): void
  /** Begins to sample and to export, with levels that are read when they are needed. */
  start(levels: () => Levels): void
  /** Goes on with new files where the access log was moved away. */
  reopen(): void
  /** Tells what is left, as long as it takes less than a moment. Never rejects. */
  close(): Promise<void>
}

/**
 * Opens what the configuration wants to be told.
 *
 * @throws UnusableFileError if the file of the access log cannot be written
 */
export function openSignals(config: Config, ports: SignalsPorts): Signals {
  const metrics = createMetrics(config, ports)
  let { backends } = config
  const telling = openCallTelling(config, { ...ports, backends: () => backends })
  const observers = [
    ...(metrics === undefined ? [] : [metrics.observer]),
    ...telling.observers,
    ...ports.observers,
  ]
  const isWatched = config.gateway.overload !== undefined
  const gauge = metrics === undefined || isWatched ? undefined : (ports.load ?? systemLoad())
  return {
    observers,
    traced: telling.observers.length > 0,
    onRefused: refusalsTo(observers),
    metrics,
    gauge,
    serve(next) {
      backends = next
      metrics?.serve(next)
    },
    start: (levels) => metrics?.start(levels),
    reopen: () => telling.reopen(),
    async close() {
      await Promise.all([metrics?.close(), telling.close()])
      gauge?.close()
    },
  }
}
