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
  /** Where `toolgate keys` keeps API keys; undefined means nowhere. */
  readonly stateDir: string | undefined
  /** For URLs of the operator's own. */
  readonly fetch: Fetch
  /** Names of the backends, now. */
  readonly backends: () => readonly string[]
  /** How names in URLs of others become addresses. */
  readonly resolve: Resolve
}

/**
 * Opens the way in that a configuration describes.
 *
 * @throws UnusableFileError if the file of API keys is there and cannot be taken
 */
export function openEntrance({ auth, gateway }: Config, ports: EntrancePorts): Entrance {
  const { clock, log, stateDir, fetch, resolve, backends } = ports
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
    backends,
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
