import type { HttpResponse } from './exchange.ts'
import type { GatewayError } from '../../errors.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { encodeSse } from '../../protocol/sse.ts'
import { type EventWriter, openEvents } from './event-writer.ts'

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

/** Status and further headers of a JSON body. */
export interface JsonHead {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Writes a JSON body and ends. Headers and body leave in one piece. */
export function writeJson(response: HttpResponse, text: string, head: JsonHead): void {
  const { status, headers } = head
  const length = Buffer.byteLength(text)
  const lines = ['content-type', 'application/json', 'content-length', String(length)]
  for (const name in headers) lines.push(name, headers?.[name] ?? '')
  response.writeHead(status, lines)
  // One byte per character means ASCII, which the socket takes without encoding it.
  response.end(text, length === text.length ? 'latin1' : 'utf8')
}

/** Creates the responder of one exchange. */
export function createResponder(response: HttpResponse, ports: ResponderPorts): Responder {
  return new PostResponder(response, ports)
}

class PostResponder implements Responder {
  readonly #response: HttpResponse
  readonly #ports: ResponderPorts
  #stream: EventWriter | undefined
  #ended = false

  constructor(response: HttpResponse, ports: ResponderPorts) {
    this.#response = response
    this.#ports = ports
  }

  event(text: string): Promise<void> | undefined {
    if (this.#ended || this.#response.destroyed || !this.#ports.accept.events) return undefined
    return this.#open().write(encodeSse(text))
  }

  end(status: number, text: string, headers?: Readonly<Record<string, string>>): void {
    if (this.#ended) return
    this.#ended = true
    if (this.#response.destroyed) return
    if (this.#stream === undefined && (this.#ports.accept.json || status !== 200)) {
      return writeJson(this.#response, text, { status, headers })
    }
    this.#open().end(encodeSse(text))
  }

  #open(): EventWriter {
    this.#stream ??= openEvents(this.#response, this.#ports)
    return this.#stream
  }
}
