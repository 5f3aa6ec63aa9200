import { hash } from 'node:crypto'
import type { Allowance } from '../../config/limits-types.ts'
import { type Charge, GRANTED, type Taken } from '../limit-store.ts'
import type { RedisClient } from './client.ts'
import { BEAT, LEAVE, RELEASE, TAKE } from './scripts.ts'

/** Counts on the server, in one round trip for each call. Rejects when the server does not answer in time. */
export interface Remote {
  /** Begins to connect; settles when the first attempt has come to an end, and never rejects. Call it once. */
  connected(): Promise<void>
  take<C extends Charge>(charges: readonly C[]): Promise<Taken<C>>
  /** Says that this replica lives and keeps what it holds; yields how many replicas live. */
  beat(): Promise<number>
  /** Says that this replica goes, and ends the connection. Never rejects. */
  close(): Promise<void>
}

/** What counting on the server needs. */
export interface RemoteOptions {
  readonly client: RedisClient
  /** What every key begins with. */
  readonly prefix: string
  /** This replica; no other has the same. */
  readonly replica: string
}

/** Milliseconds for which a replica is remembered that gives no sign of life, and what it holds is held. */
const REMEMBERED = 10_000
const LEASE = 30_000
const MICROSECONDS = 1000
/** Keys in one script: it must not keep the server from others for long. */
const MOST_KEYS = 500

interface Held {
  readonly keys: readonly string[]
  readonly costs: readonly number[]
}

/** Creates the counting on a server. */
export function createRemote({ client, prefix, replica }: RemoteOptions): Remote {
  const leases = new Map<string, Held>()
  // One hash slot for all, so that one script may use any of them together.
  const replicas = `{${prefix}}:replicas`
  let last = 0

  const release = (lease: string, held: Held): void => {
    leases.delete(lease)
    // Where that fails the lease ends by itself.
    client.run(RELEASE, held.keys, [lease, ...held.costs]).catch(() => undefined)
  }
  const renew = async (entries: readonly Renewal[]): Promise<number> => {
    const keys = entries.map(({ key }) => key)
    const args = entries.flatMap(({ lease, cost }) => [lease, cost])
    const first = [replica, REMEMBERED * MICROSECONDS, LEASE * MICROSECONDS]
    return Number(await client.run(BEAT, [replicas, ...keys], [...first, ...args]))
  }

  return {
    connected: () => client.connected(),
    async take<C extends Charge>(charges: readonly C[]): Promise<Taken<C>> {
      const lease = `${replica}:${++last}`
      const keys = charges.map((charge) => keyOf(prefix, charge))
      const held = heldBy(charges, keys)
      let answer: readonly number[]
      try {
        const args = [lease, LEASE * MICROSECONDS, ...charges.flatMap(numbersOf)]
        answer = numbers(await client.run(TAKE, keys, args), charges.length)
      } catch (error) {
        // A server that only was slow may have granted it.
        if (held !== undefined) release(lease, held)
        throw error
      }
      if (answer[0] !== 1) return refused(charges, answer)
      const over = charges.filter((_, index) => answer[index + 1] !== 0)
      const kept = held && over.length > 0 ? heldBy(charges, keys, over) : held
      if (kept === undefined)
        return over.length === 0 ? GRANTED : { kind: 'granted', release: undefined, over }
      leases.set(lease, kept)
      return { kind: 'granted', release: () => release(lease, kept), over }
    },
    async beat() {
      const all = [...leases].flatMap(([lease, { keys, costs }]) =>
        keys.map((key, index): Renewal => ({ lease, key, cost: costs[index] ?? 0 })),
      )
      let living = await renew(all.slice(0, MOST_KEYS))
      for (let from = MOST_KEYS; from < all.length; from += MOST_KEYS)
        living = await renew(all.slice(from, from + MOST_KEYS))
      return living
    },
    async close() {
      await client.run(LEAVE, [replicas], [replica]).catch(() => undefined)
      client.close()
    },
  }
}

interface Renewal {
  readonly lease: string
  readonly key: string
  readonly cost: number
}

/** Names of keys show nobody's identity. */
function keyOf(prefix: string, { limit, key }: Charge): string {
  return `{${prefix}}:limit:${limit.id}:${hash('sha256', key, 'base64url').slice(0, 22)}`
}

function heldBy(
  charges: readonly Charge[],
  keys: readonly string[],
  except: readonly Charge[] = [],
): Held | undefined {
  const indexes = charges.flatMap((charge, index) =>
    charge.limit.allowance.kind === 'concurrency' && !except.includes(charge) ? [index] : [],
  )
  if (indexes.length === 0) return undefined
  return {
    keys: indexes.map((index) => keys[index] ?? ''),
    costs: indexes.map((index) => charges[index]?.cost ?? 0),
  }
}

function numbersOf({ limit, cost }: Charge): readonly (string | number)[] {
  const { allowance, shadow } = limit
  const burst = allowance.kind === 'gcra' ? allowance.burst : 0
  return [allowance.kind, allowance.count, spanOf(allowance), burst, cost, shadow ? 1 : 0]
}

function spanOf(allowance: Allowance): string | number {
  if (allowance.kind === 'quota') return allowance.period
  return allowance.kind === 'concurrency' ? 0 : allowance.per * MICROSECONDS
}

function refused<C extends Charge>(charges: readonly C[], answer: readonly number[]): Taken<C> {
  const standings = charges.map((charge, index) => {
    const wait = answer[index + 1] ?? 0
    const remaining = answer[charges.length + index + 1] ?? 0
    return { charge, admits: wait === 0, remaining, waitMs: Math.max(0, wait) }
  })
  return { kind: 'refused', standings }
}

function numbers(answer: unknown, charges: number): readonly number[] {
  if (Array.isArray(answer) && answer.length > charges && answer.every(Number.isInteger))
    return answer as readonly number[]
  throw new TypeError('The store answered a script with something else than numbers')
}
