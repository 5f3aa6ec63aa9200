import type { BulkheadConfig } from '../config/resilience.ts'
import { GatewayError } from '../errors.ts'
import type { Call, Notifications, Permitted, Reply } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Filter, Handler } from '../pipeline/handler.ts'
import { onceEnded } from '../pipeline/settle.ts'
import { NoSlotError, type Slots, createSlots } from './slots.ts'

/** Milliseconds after which one more try makes sense for a call that found no room. */
const RETRY_AFTER = 1000

/** Bounds the calls that a backend gets at once. A slot is held until the call has truly ended. */
export function bulkhead(backend: string, slots: Slots, clock: Clock): Filter<Permitted> {
  const turn = async (call: Permitted): Promise<void> => {
    const begun = clock.now()
    try {
      await slots.wait(ownerOf(call) ?? '', call.signal)
    } catch (error) {
      throw refusal(error, `Backend ${backend}`, { backend })
    } finally {
      call.record?.queuedSince(begun)
    }
  }
  const give = (): void => slots.give()
  return (next) => {
    const carryOut: typeof next = (call, out) => onceEnded(next(call, out), give)
    return (call, out) => (slots.take() ? carryOut(call, out) : turn(call).then(() => carryOut(call, out)))
  }
}

/**
 * Bounds the calls that one principal has at once, over all backends. Anonymous callers without a session cannot be
 * told apart, and are not bounded here. The time spent waiting counts against the call's own.
 */
export function principalBulkhead(config: BulkheadConfig, clock: Clock): Filter<Permitted> {
  const owners = new Map<string, Slots>()
  return <C extends Permitted>(next: Handler<C>): Handler<C> => {
    const hold = async (owner: Owner, call: C, out: Notifications): Promise<Reply> => {
      const { key, slots } = owner
      const waited = slots.take() ? undefined : await turn(owner, call)
      try {
        return await next(waited === undefined ? call : { ...call, waited }, out)
      } finally {
        slots.give()
        if (slots.taken === 0) owners.delete(key)
      }
    }
    const turn = async ({ key, slots }: Owner, call: C): Promise<number> => {
      const begun = clock.now()
      try {
        await slots.wait(key, call.signal)
      } catch (error) {
        throw refusal(error, 'This client', {})
      } finally {
        call.record?.queuedSince(begun)
      }
      return (call.waited ?? 0) + clock.now() - begun
    }
    return (call, out) => {
      const key = ownerOf(call)
      // One that is made within another runs in the place of that one, and could wait for it for ever.
      if (key === undefined || call.within !== undefined) return next(call, out)
      let slots = owners.get(key)
      if (slots === undefined) owners.set(key, (slots = createSlots(config, clock)))
      return hold({ key, slots }, call, out)
    }
  }
}

interface Owner {
  readonly key: string
  readonly slots: Slots
}

/** Who is told apart; undefined for an anonymous client without a session, of which nothing is known. */
function ownerOf({ principal, downstream }: Call): string | undefined {
  if (!principal.anonymous) return `principal ${principal.id}`
  return downstream.session === undefined ? undefined : `session ${downstream.session}`
}

function refusal(error: unknown, whose: string, about: { readonly backend?: string }): unknown {
  // Its whole time went by in the queue: the backend was never asked.
  const isOutOfTime = error instanceof GatewayError && error.code === 'BACKEND_TIMEOUT'
  if (!isOutOfTime && !(error instanceof NoSlotError)) return error
  const message =
    error instanceof NoSlotError && error.why === 'full'
      ? `${whose} has as many calls under way and waiting as it may`
      : `${whose} has as many calls under way as it may, and none ended in time`
  return new GatewayError('TOO_MANY', message, {
    ...about,
    retryAfterMs: RETRY_AFTER,
    outcome: 'not-executed',
  })
}
