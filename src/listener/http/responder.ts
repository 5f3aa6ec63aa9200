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

/** Writes a JSON body and ends. Headers and body leave in one piece. */
export function writeJson(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = NO_HEADERS,
): void {
  const length = Buffer.byteLength(text)
  const lines = ['content-type', 'application/json', 'content-length', String(length)]
  for (const name in headers) lines.push(name, headers[name] ?? '')
  response.writeHead(status, lines)
  // One byte per character means ASCII, which the socket takes without encoding it.
  response.end(text, length === text.length ? 'latin1' : 'utf8')
}

const NO_HEADERS: Readonly<Record<string, string>> = {}

/** Creates the responder of one exchange. */
export function createResponder(response: ServerResponse, ports: ResponderPorts): Responder {
  let streaming = false
  let ended = false
  let waiting = 0
  let drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  let cancelKeepAlive: (() => void) | undefined

  const onDrain = (): void => {
    waiting = 0
    drained?.resolve()
    drained = undefined
  }
  const keepAlive = (): void => {
    cancelKeepAlive = ports.clock.after(KEEP_ALIVE, () => {
      if (ended || response.destroyed) return
      if (drained === undefined) response.write(SSE_KEEP_ALIVE)
      keepAlive()
    })
  }
  const open = (): void => {
    streaming = true
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      // Reverse proxies such as nginx would hold events back (2026-07-28, basic/transports/streamable-http).
      'x-accel-buffering': 'no',
    })
    response.on('drain', onDrain)
    response.on('close', () => {
      cancelKeepAlive?.()
      onDrain()
    })
    keepAlive()
  }

  return {
    event(text) {
      if (ended || response.destroyed || !ports.accept.events) return undefined
      if (!streaming) open()
      if (response.write(encodeSse(text))) return undefined
      waiting++
      if (waiting > ports.queue) {
        ports.onOverflow(new GatewayError('SLOW_CONSUMER', `The client left ${ports.queue} messages unread`))
      }
      drained ??= Promise.withResolvers<void>()
      return drained.promise
    },
    end(status, text, headers) {
      if (ended) return
      ended = true
      cancelKeepAlive?.()
      if (response.destroyed) return
      if (streaming) return void response.end(encodeSse(text))
      if (!ports.accept.json && status === 200) {
        open()
        cancelKeepAlive?.()
        return void response.end(encodeSse(text))
      }
      writeJson(response, status, text, headers)
    },
  }
}
