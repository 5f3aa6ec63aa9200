import { randomUUID } from 'node:crypto'
import type { StoreConfig } from '../config/store-types.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { Measures } from '../pipeline/measures.ts'
import type { LimitStore } from './limit-store.ts'
import { createMemoryStore } from './memory.ts'
import { connectRedis } from './redis/client.ts'
import { createRemote } from './redis/remote.ts'
import { type SharedState, createSharedStore } from './shared.ts'

/** How the store of a gateway is. */
export type StoreStatus = { readonly kind: 'memory' } | ({ readonly kind: 'shared' } & SharedState)

/** The store of one gateway. */
export interface GatewayStore extends LimitStore {
  readonly status: StoreStatus
  /** Settles when it has been tried whether it can be used; never rejects. */
  ready(): Promise<void>
  close(): Promise<void>
}

/** What a store needs from outside. */
export interface StorePorts {
  readonly clock: Clock
  readonly log: Log
  /** A number in [0, 1), for jitter. */
  readonly random: () => number
  /** Told how long commands took; undefined where nobody measures. */
  readonly measures?: Measures | undefined
}

/** Opens the store: the memory of this process, or the server that replicas share, which is connected to when it is needed. */
export function openStore(config: StoreConfig, ports: StorePorts): GatewayStore {
  const { url, timeout, prefix, onStoreFailure } = config
  if (url === undefined) return memoryOnly(ports.clock)
  const remote = createRemote({ client: connectRedis({ url, timeout }), prefix, replica: randomUUID() })
  const shared = createSharedStore({ ...ports, remote, onStoreFailure })
  return {
    get status() {
      return { kind: 'shared' as const, ...shared.status }
    },
    take: (charges) => shared.take(charges),
    ready: () => shared.ready(),
    close: () => shared.close(),
  }
}

function memoryOnly(clock: Clock): GatewayStore {
  const memory = createMemoryStore(clock)
  return {
    status: { kind: 'memory' },
    take: (charges) => memory.take(charges),
    ready: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}
