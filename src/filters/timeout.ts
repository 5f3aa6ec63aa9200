import { GatewayError } from '../errors.ts'
import type { Permitted } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Filter } from '../pipeline/handler.ts'

/**
 * Bounds one exchange with a backend from sending to the end of the answer. Merged lists keep their own deadline.
 *
 * @param timeoutOf milliseconds for a backend
 */
export function timeout(timeoutOf: (backend: string) => number, clock: Clock): Filter<Permitted> {
  return (next) => async (call, out) => {
    const { target } = call.permit
    if (target.kind !== 'one') return next(call, out)
    const { backend } = target
    const attempt = new AbortController()
    const ms = timeoutOf(backend)
    const cancelTimer = clock.after(ms, () =>
      attempt.abort(
        new GatewayError('BACKEND_TIMEOUT', `Backend ${backend} did not answer within ${ms} ms`, { backend }),
      ),
    )
    const onAbort = (): void => attempt.abort(call.signal.reason)
    if (call.signal.aborted) onAbort()
    else call.signal.addEventListener('abort', onAbort)
    try {
      return await next({ ...call, signal: attempt.signal }, out)
    } finally {
      cancelTimer()
      call.signal.removeEventListener('abort', onAbort)
    }
  }
}
