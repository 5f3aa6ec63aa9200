import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { SpanData } from './spans.ts'

/** Sends spans away. */
export interface SpanSender {
  /** @throws SendError */
  send(spans: readonly SpanData[]): Promise<void>
  close(): Promise<void>
}

/** Spans could not be sent. The message holds nothing that the collector said, and no header. */
export class SendError extends Error {
  override readonly name = 'SendError'
}

/** What a queue needs. */
export interface SpanQueuePorts {
  /** Called once, when there is something to send: what sends is loaded late. */
  readonly open: () => Promise<SpanSender>
  readonly clock: Clock
  readonly log: Log
  /** Spans that may wait. */
  readonly capacity: number
  /** Milliseconds between two sendings. */
  readonly interval: number
  /** Milliseconds that the end of the gateway waits for what is left. */
  readonly patience: number
}

/** Spans on their way to a collector: never more than fit, and never in the way of a call. */
export interface SpanQueue {
  add(spans: readonly SpanData[]): void
  /** Sends what is left, as long as the ports say. Never rejects. */
  close(): Promise<void>
}

/** Spans in one request. */
const BATCH = 512
/** Milliseconds between two lines of the log about the same trouble. */
const QUIET = 60_000

/** Creates the queue. */
export function createSpanQueue(ports: SpanQueuePorts): SpanQueue {
  return new Queue(ports)
}

class Queue implements SpanQueue {
  readonly #ports: SpanQueuePorts
  #waiting: SpanData[] = []
  #sender: Promise<SpanSender> | undefined
  #sending: Promise<void> | undefined
  #cancel: (() => void) | undefined
  #dropped = 0
  #saidAt = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(ports: SpanQueuePorts) {
    this.#ports = ports
  }

  add(spans: readonly SpanData[]): void {
    const { clock, capacity, interval } = this.#ports
    if (this.#isClosed) return
    // All of a call or nothing: half a call misleads.
    if (this.#waiting.length + spans.length > capacity) {
      this.#dropped += spans.length
      this.#complain('the queue is full')
      return
    }
    this.#waiting.push(...spans)
    if (this.#waiting.length >= BATCH) this.#send()
    else this.#cancel ??= clock.after(interval, () => this.#send())
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const { clock, patience } = this.#ports
    const late = Promise.withResolvers<void>()
    const cancel = clock.after(patience, late.resolve)
    await Promise.race([this.#finish(), late.promise])
    cancel()
  }

  async #finish(): Promise<void> {
    await this.#sending
    this.#cancel?.()
    // One of them for each batch; what failed once is lost, so this ends.
    while (this.#waiting.length > 0) await this.#sendBatch()
    await this.#sender?.then((sender) => sender.close()).catch(() => undefined)
  }

  /** Sends until less than a batch is left; the rest waits for more. */
  #send(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined
      const { clock, interval } = this.#ports
      if (this.#waiting.length > 0 && !this.#isClosed)
        this.#cancel ??= clock.after(interval, () => this.#send())
    })
  }

  async #sendAll(): Promise<void> {
    do await this.#sendBatch()
    while (this.#waiting.length >= BATCH && !this.#isClosed)
  }

  async #sendBatch(): Promise<void> {
    const batch = this.#waiting.slice(0, BATCH)
    this.#waiting = this.#waiting.slice(BATCH)
    try {
      this.#sender ??= this.#ports.open()
      const sender = await this.#sender
      await sender.send(batch)
    } catch (error) {
      this.#dropped += batch.length
      this.#complain(error instanceof SendError ? error.message : 'the exporter failed')
    }
  }

  #complain(reason: string): void {
    const { clock, log } = this.#ports
    if (clock.now() - this.#saidAt < QUIET) return
    this.#saidAt = clock.now()
    log('warn', 'spans were lost', { reason, spans: this.#dropped })
    this.#dropped = 0
  }
}
