import type { Signal } from '../../pipeline/signal.ts'
import { ChannelError } from '../channel.ts'
import type { HttpDispatch } from './exchange.ts'
import { reasonOf } from './response.ts'

/** What asking a path needs. */
export interface ProbeRequest {
  readonly dispatch: HttpDispatch
  readonly path: string
  readonly headers: string[]
  readonly signal: Signal
  /** Which statuses are good. Default 200 to 299. */
  readonly accepts?: (status: number) => boolean
}

/** The most that is read of an answer, in bytes: a page of some size is fine, a download is not. */
const LARGEST_ANSWER = 65_536

/**
 * Asks a path with GET and reads the whole answer, so that its connection can be used again.
 *
 * @throws ChannelError with a status that is not accepted, or without an answer; or the reason of the signal
 */
export function probePath({
  dispatch,
  path,
  headers,
  signal,
  accepts = isSuccess,
}: ProbeRequest): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let status = 0
  let received = 0
  let abort: ((reason: Error) => void) | undefined
  const onAbort = (): void => {
    reject(signal.reason)
    abort?.(new Error('given up'))
  }
  signal.addEventListener('abort', onAbort)
  dispatch(
    { method: 'GET', path, headers },
    {
      onRequestStart(controller) {
        abort = (reason) => controller.abort(reason)
        if (signal.aborted) onAbort()
      },
      onResponseStart(_controller, code) {
        status = code
      },
      onResponseData(controller, chunk) {
        received += chunk.length
        if (received > LARGEST_ANSWER) controller.abort(new Error('too much'))
      },
      onResponseEnd: () => settle(),
      onResponseError(_controller, error) {
        if (status === 0) reject(new ChannelError({ kind: 'unreachable', reason: reasonOf(error) }))
        else settle()
      },
    },
  )
  return promise.finally(() => signal.removeEventListener('abort', onAbort))

  function settle(): void {
    if (accepts(status)) resolve()
    else reject(new ChannelError({ kind: 'status', status, body: '' }))
  }
}

/** Whether a status is one of success (RFC 9110 §15.3). */
export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300
}
