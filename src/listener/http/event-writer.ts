import type { HttpResponse } from './exchange.ts'
import { GatewayError } from '../../errors.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { SSE_KEEP_ALIVE } from '../../protocol/sse.ts'

/** Writes one response as an event stream. */
export interface EventWriter {
  /**
   * Writes events that are encoded already.
   *
   * @returns a promise while the client does not keep up
   */
  write(frames: string): Promise<void> | undefined
  /** Writes the last events and ends. */
  end(frames?: string): void
}

/** What an event writer needs. */
export interface EventWriterPorts {
  readonly clock: Clock
  /** Events that may wait for a client that does not read. */
  readonly queue: number
  /** Called when more waits than the queue takes. */
  readonly onOverflow: (error: GatewayError) => void
  /** Called once the connection is gone, whoever ended it. */
  readonly onClose?: () => void
  /** Milliseconds after which the stream is ended; undefined for one that ends by itself. */
  readonly age?: number
}

/** Milliseconds of silence after which a stream says that it is alive. TCP has asked before, see the server. */
const KEEP_ALIVE = 25_000

/** Begins the event stream: its head leaves at once. */
export function openEvents(response: HttpResponse, ports: EventWriterPorts): EventWriter {
  return new ResponseEvents(response, ports)
}

class ResponseEvents implements EventWriter {
  readonly #response: HttpResponse
  readonly #ports: EventWriterPorts
  #ended = false
  #waiting = 0
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  #cancelKeepAlive: (() => void) | undefined

  constructor(response: HttpResponse, ports: EventWriterPorts) {
    this.#response = response
    this.#ports = ports
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      // Reverse proxies such as nginx would hold events back (2026-07-28, basic/transports/streamable-http).
      'x-accel-buffering': 'no',
    })
    response.flushHeaders()
    response.on('drain', () => this.#onDrain())
    const cancelAge = ports.age === undefined ? undefined : ports.clock.after(ports.age, () => this.end())
    response.on('close', () => {
      this.#ended = true
      this.#cancelKeepAlive?.()
      cancelAge?.()
      this.#onDrain()
      ports.onClose?.()
    })
    this.#keepAlive()
  }

  write(frames: string): Promise<void> | undefined {
    if (this.#ended || this.#response.destroyed || this.#response.write(frames)) return undefined
    this.#waiting++
    const { queue, onOverflow } = this.#ports
    if (this.#waiting > queue)
      onOverflow(new GatewayError('SLOW_CONSUMER', `The client left ${queue} messages unread`))
    this.#drained ??= Promise.withResolvers<void>()
    return this.#drained.promise
  }

  end(frames?: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#cancelKeepAlive?.()
    if (!this.#response.destroyed) this.#response.end(frames)
  }

  #onDrain(): void {
    this.#waiting = 0
    this.#drained?.resolve()
    this.#drained = undefined
  }

  #keepAlive(): void {
    this.#cancelKeepAlive = this.#ports.clock.after(KEEP_ALIVE, () => {
      if (this.#ended || this.#response.destroyed) return
      if (this.#drained === undefined) this.#response.write(SSE_KEEP_ALIVE)
      this.#keepAlive()
    })
  }
}
