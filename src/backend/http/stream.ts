import type { Signal } from '../../pipeline/signal.ts'
import { type SseEvent, createSseParser } from '../../protocol/sse.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { ChannelError } from '../channel.ts'
import type { HttpDispatch } from './exchange.ts'

/** How far a GET stream was read: the next connection goes on from there. */
export interface StreamPosition {
  /** The newest event id; undefined while there is none that can be written into a header. */
  lastEventId: string | undefined
  /** Clock milliseconds before which the server does not want to be asked again. */
  notBefore: number
}

/** The position of a stream that was never read. */
export function streamStart(): StreamPosition {
  return { lastEventId: undefined, notBefore: 0 }
}

/** A GET stream to read. */
export interface EventStreamRequest {
  readonly dispatch: HttpDispatch
  readonly headers: string[]
  readonly onEvent: (event: SseEvent) => void
  /** The server has accepted the stream. */
  readonly onOpen: () => void
  readonly signal: Signal
  readonly maxReplyBytes: number
  /** Milliseconds of silence, comments included, after which the stream is taken for lost. */
  readonly silence: number
  readonly clock: Clock
  /** Kept up to date while the stream is read. */
  readonly position?: StreamPosition
}

/** Longest pause that a server can ask for before it is asked again, in milliseconds. */
const LONGEST_PAUSE = 30_000

/**
 * Opens a GET event stream and reads its events until it ends.
 *
 * @throws ChannelError, or the reason of the signal
 */
export function readEventStream(request: EventStreamRequest): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { signal } = request
  if (signal.aborted) return Promise.reject(signal.reason)
  let open = false
  let abort: (() => void) | undefined
  const onAbort = (): void => {
    reject(signal.reason)
    abort?.()
  }
  signal.addEventListener('abort', onAbort)
  const { position } = request
  const parser = createSseParser((event) => {
    if (position !== undefined && event.id !== undefined && SENDABLE.test(event.id))
      position.lastEventId = event.id
    request.onEvent(event)
  }, request.maxReplyBytes)
  request.dispatch(
    {
      method: 'GET',
      headers: request.headers,
      bodyTimeout: request.silence,
      headersTimeout: request.silence,
    },
    {
      onRequestStart(controller) {
        abort = () => controller.abort(new Error('closed'))
        if (signal.aborted) abort()
      },
      onResponseStart(controller, status, headers) {
        open = status === 200 && String(headers['content-type'] ?? '').startsWith('text/event-stream')
        if (open) return request.onOpen()
        reject(new ChannelError({ kind: 'status', status, body: '' }))
        controller.abort(new Error('no stream'))
      },
      onResponseData(controller, chunk) {
        try {
          if (open) parser.push(chunk)
        } catch {
          reject(new ChannelError({ kind: 'protocol', reason: 'unreadable event stream' }))
          controller.abort(new Error('protocol error'))
        }
      },
      onResponseEnd: () => resolve(),
      onResponseError: (_controller, error) =>
        reject(new ChannelError({ kind: 'broken', reason: error.message })),
    },
  )
  return promise.finally(() => {
    signal.removeEventListener('abort', onAbort)
    // Whoever closed the stream by itself was not asked to wait.
    const retry = parser.retry()
    if (position !== undefined && retry !== undefined && !signal.aborted)
      position.notBefore = request.clock.now() + Math.min(retry, LONGEST_PAUSE)
  })
}

/** What a header can carry, and nothing long. */
const SENDABLE = /^[\x20-\x7e]{1,1024}$/
