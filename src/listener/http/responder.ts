import type { ServerResponse } from 'node:http'
import { GatewayError } from '../../errors.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { SSE_KEEP_ALIVE, encodeSse } from '../../protocol/sse.ts'

/** Writes the answer of one POST: as JSON, or as an event stream as soon as something has to be said before the end. */
export interface Responder {
  /**
   * Writes one message before the answer; the answer becomes an event stream.
   *
   * @returns a promise while the client does not keep up, see {@link Responder.pressure}
   */
  event(text: string): Promise<void> | undefined
  /** Writes the answer and ends. */
  end(status: number, text: string, headers?: Readonly<Record<string, string>>): void
}

/** How the client may be answered, from its `Accept`. */
export interface Acceptable {
  readonly json: boolean
  readonly events: boolean
}

/** What a responder needs. */
export interface ResponderPorts {
  readonly clock: Clock
  readonly accept: Acceptable
  /** Events that may wait for a client that does not read. */
  readonly queue: number
  /** Called when more waits than the queue takes: the call has to be ended. */
  readonly onOverflow: (error: GatewayError) => void
}

/** Milliseconds of silence after which a stream says that it is alive. */
const KEEP_ALIVE = 15_000

/** Status and further headers of a JSON body. */
export interface JsonHead {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Writes a JSON body and ends. Headers and body leave in one piece. */
export function writeJson(response: ServerResponse, text: string, head: JsonHead): void {
  const { status, headers } = head
  const length = Buffer.byteLength(text)
  const lines = ['content-type', 'application/json', 'content-length', String(length)]
  for (const name in headers) lines.push(name, headers?.[name] ?? '')
  response.writeHead(status, lines)
  // One byte per character means ASCII, which the socket takes without encoding it.
  response.end(text, length === text.length ? 'latin1' : 'utf8')
}

/** Creates the responder of one exchange. */
export function createResponder(response: ServerResponse, ports: ResponderPorts): Responder {
  return new PostResponder(response, ports)
}

class PostResponder implements Responder {
  readonly #response: ServerResponse
  readonly #ports: ResponderPorts
  #streaming = false
  #ended = false
  #waiting = 0
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  #cancelKeepAlive: (() => void) | undefined

  constructor(response: ServerResponse, ports: ResponderPorts) {
    this.#response = response
    this.#ports = ports
  }

  event(text: string): Promise<void> | undefined {
    const { accept, queue, onOverflow } = this.#ports
    if (this.#ended || this.#response.destroyed || !accept.events) return undefined
    if (!this.#streaming) this.#open()
    if (this.#response.write(encodeSse(text))) return undefined
    this.#waiting++
    if (this.#waiting > queue)
      onOverflow(new GatewayError('SLOW_CONSUMER', `The client left ${queue} messages unread`))
    this.#drained ??= Promise.withResolvers<void>()
    return this.#drained.promise
  }

  end(status: number, text: string, headers?: Readonly<Record<string, string>>): void {
    if (this.#ended) return
    this.#ended = true
    this.#cancelKeepAlive?.()
    if (this.#response.destroyed) return
    if (!this.#streaming && (this.#ports.accept.json || status !== 200)) {
      return writeJson(this.#response, text, { status, headers })
    }
    if (!this.#streaming) this.#open()
    this.#cancelKeepAlive?.()
    this.#response.end(encodeSse(text))
  }

  #open(): void {
    this.#streaming = true
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      // Reverse proxies such as nginx would hold events back (2026-07-28, basic/transports/streamable-http).
      'x-accel-buffering': 'no',
    })
    this.#response.on('drain', () => this.#onDrain())
    this.#response.on('close', () => {
      this.#cancelKeepAlive?.()
      this.#onDrain()
    })
    this.#keepAlive()
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
