import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Fetch } from '../../auth/outbound.ts'
import type { OtlpMetricsConfig } from '../../config/telemetry-types.ts'
import { pauseFor } from '../../pipeline/abort.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'
import type { Family } from './families.ts'
import type { Attribute } from './labels.ts'
import { batches, encodeBatch } from './otlp-encoding.ts'

/** What exporting needs. */
export interface ExportPorts {
  readonly clock: Clock
  readonly log: Log
  readonly fetch: Fetch
  readonly families: () => Iterable<Family>
  readonly resource: readonly Attribute[]
  readonly version: string
  /** Wall-clock milliseconds. */
  readonly startedAt: number
}

/** Sends the metrics to a collector from time to time. */
export interface Exporter {
  /** Exports that the collector took, and that it did not. */
  readonly sent: number
  readonly failed: number
  /** Sends what there is once more, if that does not take long. Never rejects. */
  close(): Promise<void>
}

/** Points in one request: some milliseconds of encoding, and less than a hundred kilobytes before compression. */
const MOST_POINTS = 300

/** Milliseconds that a gateway that ends gives to its last export at most. */
const LAST = 3000

const compress = promisify(gzip)

/**
 * Begins to export by OTLP over HTTP (opentelemetry-proto, docs/specification.md "OTLP/HTTP"), in protocol buffers. What is
 * sent is everything since the start: an export that fails is not sent again, the next says the same and more.
 */
export function exportMetrics(config: OtlpMetricsConfig, ports: ExportPorts): Exporter {
  return new PeriodicExporter(config, ports)
}

class PeriodicExporter implements Exporter {
  sent = 0
  failed = 0
  readonly #config: OtlpMetricsConfig
  readonly #ports: ExportPorts
  #cancel: () => void
  #isFailing = false
  #running: Promise<void> = Promise.resolve()

  constructor(config: OtlpMetricsConfig, ports: ExportPorts) {
    this.#config = config
    this.#ports = ports
    this.#cancel = this.#plan()
  }

  async close(): Promise<void> {
    this.#cancel()
    await this.#running
    await this.#export(Math.min(LAST, this.#config.timeout))
  }

  #plan(): () => void {
    const { clock } = this.#ports
    return clock.after(this.#config.interval, () => {
      this.#cancel = this.#plan()
      this.#running = this.#running.then(() => this.#export(this.#config.timeout))
    })
  }

  async #export(timeout: number): Promise<void> {
    const { clock } = this.#ports
    const deadline = new AbortController()
    const cancel = clock.after(timeout, () => deadline.abort(new Error(`no answer within ${timeout} ms`)))
    try {
      await this.#send(deadline.signal)
      this.sent++
      this.#works()
    } catch (error) {
      this.failed++
      this.#fails(deadline.signal.aborted ? deadline.signal.reason : error)
    } finally {
      cancel()
    }
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { families, clock, resource, version, startedAt } = this.#ports
    let isFirst = true
    for (const batch of batches(families(), MOST_POINTS)) {
      // Between two batches everybody else has a turn.
      if (!isFirst) await pauseFor(0, clock, signal)
      isFirst = false
      const frame = { resource, version, startedAt, now: clock.wallTime() }
      await this.#post(await compress(encodeBatch(batch, frame)), signal)
    }
  }

  async #post(body: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<void> {
    const { endpoint, headers } = this.#config
    const response = await this.#ports.fetch(`${endpoint}/v1/metrics`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
      body,
      redirect: 'error',
      signal,
    })
    await response.body?.cancel()
    if (!response.ok) throw new Error(`the collector answered HTTP ${response.status}`)
  }

  #works(): void {
    if (this.#isFailing) this.#ports.log('info', 'metrics are exported again', {})
    this.#isFailing = false
  }

  /** Once, and not with every export: the next ones fail of the same. */
  #fails(error: unknown): void {
    if (this.#isFailing) return
    this.#isFailing = true
    this.#ports.log('warn', 'metrics cannot be exported', {
      collector: new URL(this.#config.endpoint).origin,
      reason: reasonOf(error),
    })
  }
}

/** `fetch` says what happened only in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { cause } = error
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  return typeof code === 'string' ? code : error.message
}
