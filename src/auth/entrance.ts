import type { Config } from '../config/types.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import { openApiKeys } from './api-keys.ts'
import { type Door, createDoor, openDoor } from './door.ts'
import { type Resolve, createGuardedFetch } from './guarded-fetch.ts'
import type { Fetch } from './outbound.ts'

/** The door, with what stands behind it. */
export interface Entrance {
  readonly door: Door
  close(): Promise<void>
}

/** What an entrance needs from the gateway. */
export interface EntrancePorts {
  readonly clock: Clock
  readonly log: Log
  /** Where the file of API keys is unless configured; undefined means that there is none. */
  readonly stateDir: string | undefined
  /** Reaches issuers. */
  readonly fetch: Fetch
  /** Looks up hosts that issuers name. */
  readonly resolve: Resolve
}

/**
 * Builds who may come in, and what has to be closed of that in the end.
 *
 * @throws Error if the file of API keys is there and cannot be read
 */
export function createEntrance(
  { auth, gateway, backends }: Config,
  { clock, log, stateDir, fetch, resolve }: EntrancePorts,
): Entrance {
  if (auth === undefined) {
    const door = openDoor(clock)
    return { door, close: async () => door.holds.close() }
  }
  const guarded = createGuardedFetch({ resolve })
  const onRevoked = (id: string): void => door.holds.end((principal) => principal.id === id)
  const apiKeys = openApiKeys(auth.apiKeys, stateDir, { clock, log, onRevoked })
  const door = createDoor(auth, {
    clock,
    log,
    outbound: { clock, fetch, guardedFetch: guarded.fetch },
    publicUrl: gateway.publicUrl,
    backends: backends.map(({ name }) => name),
    name: gateway.name,
    apiKeys,
  })
  return {
    door,
    async close() {
      door.holds.close()
      apiKeys?.close()
      await guarded.close()
    },
  }
}
