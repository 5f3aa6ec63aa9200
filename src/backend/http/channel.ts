import type { Signal } from '../../pipeline/signal.ts'
import type { HttpBackendConfig } from '../../config/types.ts'
import { unlessAborted } from '../../pipeline/abort.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'
import { type Message, parseMessage } from '../../protocol/message.ts'
import type { SseEvent } from '../../protocol/sse.ts'
import { type Channel, ChannelError, type ChannelEvents } from '../channel.ts'
import {
  type HttpDispatch,
  type HttpExchangePorts,
  type HttpRequestOptions,
  exchangeOverHttp,
} from './exchange.ts'
import { probePath } from './probe.ts'
import { openSseChannel } from './sse-channel.ts'
import { type StreamPosition, readEventStream } from './stream.ts'
import { openWire } from './wire.ts'

/** What an HTTP channel needs from outside. */
export interface HttpChannelPorts {
  readonly clock: Clock
  /** Largest reply or single event in bytes. */
  readonly maxReplyBytes: number
  /** Deepest nesting of JSON in a message. */
  readonly maxDepth: number
  readonly log: Log
  /** Notifications that may wait per exchange of an event stream that all exchanges share. */
  readonly queue: number
  /** The backend's name, for the log. */
  readonly backend: string
  /** Milliseconds for which an event stream that is not one of a call may be silent. */
  readonly silence: number
  /** Value of `User-Agent`. */
  readonly userAgent: string
}

/** Takes what comes on a GET stream. */
export interface StreamHandlers {
  /** Where the stream was left; kept up to date. */
  readonly position: StreamPosition
  onMessage(message: Message): void
  /** The server has accepted the stream: from now on nothing is missed. */
  onOpen(): void
}

/** A channel over Streamable HTTP, with what only HTTP has: sessions that can be deleted and GET streams. */
export interface HttpChannel extends Channel {
  readonly transport: 'http'
  /**
   * Reads the GET stream of a legacy session until it ends (2025-11-25, basic/transports "Listening for Messages"):
   * from where it was left, and not before the server wants to be asked again ("Resumability and Redelivery").
   *
   * @throws ChannelError; `status` 405 means that the server offers no such stream
   */
  listen(headers: Readonly<Record<string, string>>, handlers: StreamHandlers, signal: Signal): Promise<void>
  /**
   * Opens a session of the HTTP+SSE transport (2024-11-05, basic/transports) at the same URL.
   *
   * @throws ChannelError, or the reason of the signal
   */
  openSse(events: ChannelEvents, signal: Signal): Promise<Channel>
  /**
   * Asks a path of the same server with GET.
   *
   * @throws ChannelError with any status but 200 to 299, or without an answer; or the reason of the signal
   */
  probe(path: string, signal: Signal): Promise<void>
  /** Ends a legacy session; a failure does not matter. */
  deleteSession(headers: Readonly<Record<string, string>>): Promise<void>
}

/** Time that a dying session gets to be deleted, in milliseconds. */
const DELETE_TIMEOUT = 2000

/** Opens the connection pool of one backend. Nothing is sent yet. */
export function createHttpChannel(config: HttpBackendConfig, ports: HttpChannelPorts): HttpChannel {
  const { url, dispatch, dispatchAside, dispatchFor, headersOf, close } = openWire(config, ports)
  const exchanges: HttpExchangePorts = {
    ...ports,
    send(exchange, handler) {
      const headers = headersOf(POST, exchange.headers)
      dispatchFor(exchange)({ method: 'POST', headers, body: exchange.text }, handler)
    },
    resume(exchange, lastEventId, handler) {
      const headers = headersOf(GET, { ...exchange.headers, 'last-event-id': lastEventId })
      dispatchAside({ method: 'GET', headers }, handler)
    },
  }
  return {
    transport: 'http',
    exchange: (exchange) => exchangeOverHttp(exchange, exchanges),
    async notify(text, headers) {
      const status = await sendOnly(dispatchAside, {
        method: 'POST',
        headers: headersOf(POST, headers),
        body: text,
      })
      if (status >= 300) throw new ChannelError({ kind: 'status', status, body: '' })
    },
    listen: (headers, handlers, signal) => {
      const stream = { dispatch: dispatchAside, signal, ...ports }
      return goOn(handlers.position, { clock: ports.clock, signal }, (more) =>
        readEventStream({
          ...stream,
          headers: headersOf(GET, { ...headers, ...more }),
          onOpen: () => handlers.onOpen(),
          onEvent: (event) => takeMessage(event, handlers),
          position: handlers.position,
        }),
      )
    },
    openSse: (events, signal) =>
      openSseChannel(
        {
          ...ports,
          url,
          dispatch: dispatchAside,
          getHeaders: headersOf(GET, {}),
          post: (at, text) =>
            sendOnly(dispatchAside, { method: 'POST', path: at, headers: headersOf(POST, {}), body: text }),
        },
        events,
        signal,
      ),
    probe: (at, signal) =>
      probePath({ dispatch, path: at, headers: headersOf(['accept', '*/*'], {}), signal }),
    deleteSession: (headers) =>
      withinTime(sendOnly(dispatchAside, { method: 'DELETE', headers: headersOf([], headers) }), ports.clock),
    close,
  }
}

const POST = ['content-type', 'application/json', 'accept', 'application/json, text/event-stream']
const GET = ['accept', 'text/event-stream']

function takeMessage(event: SseEvent, handlers: StreamHandlers): void {
  if (event.data === '' || (event.event !== 'message' && event.event !== '')) return
  const message = parseMessage(event.data)
  if (message.kind !== 'bad') handlers.onMessage(message)
}

/** Reads a stream from where it was left, once the server wants to be asked again. */
async function goOn(
  position: StreamPosition,
  { clock, signal }: { readonly clock: Clock; readonly signal: Signal },
  read: (headers: Readonly<Record<string, string>>) => Promise<void>,
): Promise<void> {
  const { lastEventId } = position
  await pauseUntil(position.notBefore, clock, signal)
  if (lastEventId === undefined) return read({})
  try {
    return await read({ 'last-event-id': lastEventId })
  } catch (error) {
    if (!(error instanceof ChannelError) || error.failure.kind !== 'status') throw error
    // An event that the server no longer knows: what came since is lost, what comes is not.
    position.lastEventId = undefined
    return read({})
  }
}

async function pauseUntil(time: number, clock: Clock, signal: Signal): Promise<void> {
  const wait = time - clock.now()
  if (wait <= 0) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(wait, resolve)
  await unlessAborted(promise, signal).finally(cancel)
}

/** Deleting is a courtesy: the server expires what nobody uses. */
async function withinTime(request: Promise<unknown>, clock: Clock): Promise<void> {
  const timeout = Promise.withResolvers<void>()
  const cancel = clock.after(DELETE_TIMEOUT, timeout.resolve)
  await Promise.race([request.catch(() => undefined), timeout.promise])
  cancel()
}

/** Sends a request whose answer has no body that matters and yields its status. */
function sendOnly(dispatch: HttpDispatch, options: HttpRequestOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let status = 0
  let received = 0
  dispatch(options, {
    onRequestStart: () => undefined,
    onResponseStart(_controller, code) {
      status = code
    },
    onResponseData(controller, chunk) {
      received += chunk.length
      if (received > 65_536) controller.abort(new Error('Unexpected body'))
    },
    onResponseEnd: () => resolve(status),
    onResponseError: (_controller, error) => {
      if (status === 0) reject(new ChannelError({ kind: 'broken', reason: error.message }))
      else resolve(status)
    },
  })
  return promise
}
