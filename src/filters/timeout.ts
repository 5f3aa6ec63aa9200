import { GatewayError } from '../errors.ts'
import type { Permitted } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Filter } from '../pipeline/handler.ts'
import { onceEnded } from '../pipeline/settle.ts'
import { Canceller } from '../pipeline/signal.ts'
import type { OneTarget } from '../pipeline/target.ts'

/**
 * Bounds one call to a backend as a whole: waiting for a turn, every try and the pauses between them, to the end of
 * the answer. Nothing extends it. Merged lists and subscriptions keep their own deadlines, and a call that waits for
 * its client has ended here. Sets {@link Permitted.deadline}.
 *
 * @param timeoutOf milliseconds for a target
 */
export function timeout(timeoutOf: (target: OneTarget) => number, clock: Clock): Filter<Permitted> {
  return (next) => (call, out) => {
    const { target } = call.permit
    if (target.kind !== 'one') return next(call, out)
    const canceller = new Canceller()
    const ms = timeoutOf(target)
    const left = ms - (call.waited ?? 0)
    const cancelTimer = clock.after(left, () => canceller.abort(outOfTime(target.backend, ms)))
    const onAbort = (): void => canceller.abort(call.signal.reason)
    if (call.signal.aborted) onAbort()
    else call.signal.addEventListener('abort', onAbort)
    return onceEnded(next({ ...call, signal: canceller, deadline: clock.now() + left }, out), () => {
      cancelTimer()
      call.signal.removeEventListener('abort', onAbort)
    })
  }
}

function outOfTime(backend: string, ms: number): GatewayError {
  const message = `Backend ${backend} did not answer within ${ms} ms`
  return new GatewayError('BACKEND_TIMEOUT', message, { backend, outcome: 'unknown' })
}
