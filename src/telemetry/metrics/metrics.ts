import type { Fetch } from '../../auth/outbound.ts'
import type { ToolFigures } from '../../backend/builtin/metrics.ts'
import type { BackendConfig, Config } from '../../config/types.ts'
import type { CallObserver } from '../../filters/observe.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'
import type { Measures } from '../../pipeline/measures.ts'
import { type CallCounts, type Reached, countCalls } from './calls.ts'
import { type Durations, measureDurations } from './durations.ts'
import { CONTENT_TYPE, exposition, formatFor } from './exposition.ts'
import { type Family, families } from './families.ts'
import type { Attribute } from './labels.ts'
import type { Levels } from './levels.ts'
import { type Exporter, exportMetrics } from './otlp-export.ts'
import { type MetricsSnapshot, type Sample, sampleOf, snapshotOf, toolFigures } from './snapshot.ts'
import { resourceOf } from '../resource.ts'

/** The metrics as a scrape answers with them. */
export interface Scrape {
  readonly contentType: string
  /** Made while it is read: nobody has to hold all of it. */
  readonly pieces: Iterable<string>
}

/** What is counted and measured of one gateway. */
export interface Metrics {
  /** Counts the calls that it is shown. */
  readonly observer: CallObserver
  /** Takes what lasted beside calls. */
  readonly measures: Measures
  /** Counts calls of these backends from now on, and forgets those that left. */
  serve(backends: readonly BackendConfig[]): void
  /** Begins to sample, and to export where that is configured, with levels that are read when they are needed. */
  start(levels: () => Levels): void
  /** @param accept the `Accept` header of who asks */
  scrape(accept: string | undefined): Scrape
  snapshot(): MetricsSnapshot
  /** How everything stands now; undefined before {@link Metrics.start}. */
  levels(): Levels | undefined
  tools(): readonly ToolFigures[]
  /** Ends sampling, and exports for the last time. Never rejects. */
  close(): Promise<void>
}

/** What metrics need from outside. */
export interface MetricsPorts {
  readonly clock: Clock
  readonly log: Log
  readonly fetch: Fetch
  readonly version: string
  /** Name of the backend that is the gateway itself. */
  readonly builtin: string
}

/** Milliseconds between two samples, and how many are kept: figures are those of the last minute. */
const SAMPLE = 10_000
const SAMPLES = 7

/** Begins to count; undefined where nothing is to be measured. */
export function createMetrics(
  config: Pick<Config, 'telemetry' | 'gateway'>,
  ports: MetricsPorts,
): Metrics | undefined {
  const settings = config.telemetry?.metrics
  return settings === undefined ? undefined : new GatewayMetrics(config, settings.maxTools, ports)
}

class GatewayMetrics implements Metrics {
  readonly measures: Durations = measureDurations()
  readonly #config: Pick<Config, 'telemetry' | 'gateway'>
  readonly #ports: MetricsPorts
  readonly #calls: CallCounts
  readonly #startedAt: number
  /** The oldest first. */
  #samples: readonly Sample[]
  #cancelSample: (() => void) | undefined
  #levels: (() => Levels) | undefined
  #exporter: Exporter | undefined

  constructor(config: Pick<Config, 'telemetry' | 'gateway'>, maxTools: number, ports: MetricsPorts) {
    this.#config = config
    this.#ports = ports
    this.#calls = countCalls({ maxTools })
    this.#startedAt = ports.clock.wallTime()
    this.#samples = [sampleOf(this.#calls, ports.clock.now())]
  }

  get observer(): CallObserver {
    return this.#calls.observer
  }

  serve(backends: readonly BackendConfig[]): void {
    this.#calls.serve(reachedOf(backends, this.#ports.builtin))
    this.measures.serve(new Set(backends.map(({ name }) => name)))
  }

  start(levels: () => Levels): void {
    this.#levels = levels
    this.#planSample()
    const otlp = this.#config.telemetry?.metrics?.otlp
    if (otlp === undefined) return
    this.#exporter = exportMetrics(otlp, {
      ...this.#ports,
      families: () => this.#families(),
      resource: this.#resource(),
      startedAt: this.#startedAt,
    })
  }

  scrape(accept: string | undefined): Scrape {
    const format = formatFor(accept)
    return { contentType: CONTENT_TYPE[format], pieces: exposition(this.#families(), format) }
  }

  snapshot(): MetricsSnapshot {
    const now = this.#ports.clock.now()
    const before = this.#samples[0] ?? sampleOf(this.#calls, now)
    return snapshotOf({ calls: this.#calls, since: this.#startedAt, now, before })
  }

  levels(): Levels | undefined {
    return this.#levels?.()
  }

  tools(): readonly ToolFigures[] {
    return toolFigures(this.#calls)
  }

  async close(): Promise<void> {
    this.#cancelSample?.()
    await this.#exporter?.close()
  }

  #planSample(): void {
    this.#cancelSample = this.#ports.clock.after(SAMPLE, () => {
      this.#samples = [...this.#samples, sampleOf(this.#calls, this.#ports.clock.now())].slice(-SAMPLES)
      this.#planSample()
    })
  }

  #families(): Iterable<Family> {
    return families({
      calls: this.#calls,
      durations: this.measures,
      levels: this.#levels?.(),
      version: this.#ports.version,
      startedAt: this.#startedAt,
      exports: this.#exporter,
    })
  }

  #resource(): readonly Attribute[] {
    return Object.entries(resourceOf(this.#config, this.#ports.version))
  }
}

function reachedOf(backends: readonly BackendConfig[], builtin: string): ReadonlyMap<string, Reached> {
  const own: readonly [string, Reached] = [builtin, { transport: 'builtin', origin: undefined }]
  return new Map([
    ...backends.map((backend): readonly [string, Reached] => {
      if (backend.transport === 'stdio') return [backend.name, { transport: 'stdio', origin: undefined }]
      return [backend.name, { transport: 'http', origin: new URL(backend.url).origin }]
    }),
    own,
  ])
}
