import { GatewayError } from '../errors.ts'
import type { AuthenticatedPrincipal, Principal } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'

/** What lasts and belongs to somebody, so that it ends with their credentials. */
export interface Holds {
  /**
   * Has `end` called once when the credentials end, unless the returned function is called before.
   *
   * @param principal the very object that authentication gave for the exchange
   */
  enter(principal: Principal, end: (reason: GatewayError) => void): () => void
  /** Ends what belongs to those principals, such as those of an API key that was revoked. */
  end(fits: (principal: AuthenticatedPrincipal) => boolean): void
  close(): void
}

type End = (reason: GatewayError) => void

/** Milliseconds between two looks; one timer for all, because calls come and go far more often than credentials end. */
const TICK = 1000

const NOTHING = (): void => undefined

/** Creates the account of what lasts. */
export function createHolds(clock: Clock): Holds {
  const held = new Map<AuthenticatedPrincipal, Set<End>>()
  let cancelTick: (() => void) | undefined
  const endThose = (fits: (principal: AuthenticatedPrincipal) => boolean, message: string): void => {
    for (const [principal, ends] of held) {
      if (!fits(principal)) continue
      held.delete(principal)
      for (const end of ends) end(new GatewayError('UNAUTHENTICATED', message))
    }
  }
  const tick = (): void => {
    const now = clock.wallTime()
    endThose(({ expiresAt }) => expiresAt !== undefined && expiresAt <= now, 'The access token is expired')
    cancelTick = held.size === 0 ? undefined : clock.after(TICK, tick)
  }
  return {
    enter(principal, end) {
      if (principal.anonymous) return NOTHING
      let ends = held.get(principal)
      if (ends === undefined) held.set(principal, (ends = new Set()))
      ends.add(end)
      cancelTick ??= clock.after(TICK, tick)
      const mine = ends
      return () => {
        mine.delete(end)
        if (mine.size === 0 && held.get(principal) === mine) held.delete(principal)
      }
    },
    end: (fits) => endThose(fits, 'The credentials were revoked'),
    close() {
      cancelTick?.()
      held.clear()
    },
  }
}
