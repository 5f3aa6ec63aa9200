import {
  type Counter,
  type CounterClock,
  type HeldCounter,
  type Room,
  createCounter,
  isHeld,
} from './counters.ts'
import {
  type Charge,
  GRANTED,
  type LimitStore,
  type Standing,
  type StoredLimit,
  type Taken,
} from './limit-store.ts'

/** What the memory store may keep. */
export interface MemoryBounds {
  /** Keys that each limit remembers. Default 100,000. */
  readonly keys: number
  /** Calls that all sliding windows together remember, of eight bytes each. Default 16,777,216. */
  readonly times: number
}

const DEFAULT_BOUNDS: MemoryBounds = { keys: 100_000, times: 16_777_216 }

/** Counts that need no server answer at once. */
export interface MemoryLimits extends LimitStore {
  take<C extends Charge>(charges: readonly C[]): Taken<C>
}

/**
 * Counts in the memory of this process; forgets everything when it ends. Its memory is bounded, and being full it
 * becomes stricter, never laxer: keys that there is no place for share one counter, and windows that cannot remember
 * more calls admit no more.
 */
export function createMemoryStore(clock: CounterClock, bounds: MemoryBounds = DEFAULT_BOUNDS): MemoryLimits {
  return new MemoryStore(clock, bounds)
}

class MemoryStore implements MemoryLimits {
  readonly #clock: CounterClock
  readonly #bounds: MemoryBounds
  readonly #room: Room
  readonly #tables = new Map<StoredLimit, Table>()

  constructor(clock: CounterClock, bounds: MemoryBounds) {
    this.#clock = clock
    this.#bounds = bounds
    this.#room = createRoom(bounds.times)
  }

  take<C extends Charge>(charges: readonly C[]): Taken<C> {
    const now = this.#clock.now()
    const counters: Counter[] = []
    let over: C[] | undefined
    for (const charge of charges) {
      const counter = this.#counterOf(charge, now)
      counters.push(counter)
      if (counter.wait(charge.cost, now) === 0) continue
      if (!charge.limit.shadow) return { kind: 'refused', standings: this.#standings(charges, now) }
      over = [...(over ?? []), charge]
    }
    const held = add(charges, { counters, over, now })
    if (over === undefined && held === undefined) return GRANTED
    return { kind: 'granted', release: held, over: over ?? [] }
  }

  #standings<C extends Charge>(charges: readonly C[], now: number): readonly Standing<C>[] {
    return charges.map((charge) => {
      const counter = this.#counterOf(charge, now)
      const wait = counter.wait(charge.cost, now)
      const remaining = Math.max(0, counter.remaining(now))
      return { charge, admits: wait === 0, remaining, waitMs: wait === Infinity ? 0 : wait }
    })
  }

  #counterOf({ limit, key }: Charge, now: number): Counter {
    let table = this.#tables.get(limit)
    if (table === undefined) {
      table = new Table(() => createCounter(limit.allowance, this.#clock, this.#room), this.#bounds.keys)
      this.#tables.set(limit, table)
    }
    return table.counterOf(key, now)
  }
}

interface Admitted {
  readonly counters: readonly Counter[]
  readonly over: readonly Charge[] | undefined
  readonly now: number
}

/** Counts the charges; yields what gives back those that are held. */
function add(charges: readonly Charge[], { counters, over, now }: Admitted): (() => void) | undefined {
  let held: [HeldCounter, number][] | undefined
  for (const [index, counter] of counters.entries()) {
    const charge = charges[index]
    if (charge === undefined || over?.includes(charge)) continue
    counter.add(charge.cost, now)
    if (isHeld(counter)) (held ??= []).push([counter, charge.cost])
  }
  return held && (() => held.forEach(([counter, cost]) => counter.give(cost)))
}

/** Counters that are looked at for each new key, to see whether they are still needed. */
const LOOKED_AT = 4

/** The counters of one limit by key. */
class Table {
  readonly #create: () => Counter
  readonly #most: number
  readonly #counters = new Map<string, Counter>()
  #shared: Counter | undefined

  constructor(create: () => Counter, most: number) {
    this.#create = create
    this.#most = most
  }

  counterOf(key: string, now: number): Counter {
    const known = this.#counters.get(key)
    if (known !== undefined) return known
    this.#clean(now)
    if (this.#counters.size >= this.#most) return (this.#shared ??= this.#create())
    const counter = this.#create()
    this.#counters.set(key, counter)
    return counter
  }

  /** The oldest go where they are idle, and to the end where they are not: no timer, and no walk through all. */
  #clean(now: number): void {
    let looks = 0
    for (const [key, counter] of this.#counters) {
      if (looks++ === LOOKED_AT) return
      this.#counters.delete(key)
      if (!counter.isIdle(now)) this.#counters.set(key, counter)
    }
  }
}

function createRoom(places: number): Room {
  let free = places
  return {
    take(wanted) {
      if (wanted > free) return false
      free -= wanted
      return true
    },
    give(returned) {
      free += returned
    },
  }
}
