import { type SseEvent, createSseParser } from '../../protocol/sse.ts'
import { ChannelError } from '../channel.ts'
import type { HttpDispatch } from './exchange.ts'

/** A GET stream to read. */
export interface EventStreamRequest {
  readonly dispatch: HttpDispatch
  readonly headers: string[]
  readonly onEvent: (event: SseEvent) => void
  /** The server has accepted the stream. */
  readonly onOpen: () => void
  readonly signal: AbortSignal
  readonly maxReplyBytes: number
}

/**
 * Opens a GET event stream and reads its events until it ends.
 *
 * @throws ChannelError, or the reason of the signal
 */
export function readEventStream(request: EventStreamRequest): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { signal } = request
  if (signal.aborted) return Promise.reject(signal.reason as Error)
  let open = false
  let abort: (() => void) | undefined
  const onAbort = (): void => {
    reject(signal.reason as Error)
    abort?.()
  }
  signal.addEventListener('abort', onAbort)
  const parser = createSseParser((event) => request.onEvent(event), request.maxReplyBytes)
  request.dispatch(
    { method: 'GET', headers: request.headers },
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
  return promise.finally(() => signal.removeEventListener('abort', onAbort))
}
