import type { Signal } from '../../pipeline/signal.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Granted, LimitStore, Taken } from '../../store/limit-store.ts'
import { type FairQueue, createFairQueue } from './fair-queue.ts'
import { type RuleStanding, refusal } from './refusal.ts'
import type { RuleCharge } from './rules.ts'

/** A call that a limit with a queue did not admit. */
export interface LineUp {
  readonly charges: readonly RuleCharge[]
  /** What stands against it; absent where others wait already, whom it must not overtake. */
  readonly standings: readonly RuleStanding[] | undefined
  /** Whose call it is: callers take turns. */
  readonly caller: string
  readonly signal: Signal
  /** Called when it waits for that limit. */
  readonly onQueued: (limit: string) => void
}

/** The waiting lines of all limits with queues, one for each key. */
export interface Lines {
  /** True where calls wait whom one with these charges must not overtake. */
  isWaitedFor(charges: readonly RuleCharge[]): boolean
  /**
   * Waits until the store grants the charges.
   *
   * @throws GatewayError RATE_LIMITED or QUOTA_EXCEEDED after the longest wait, where there is no room, or where a
   *   limit without a queue refuses; or the reason of the signal
   */
  wait(call: LineUp): Promise<Granted<RuleCharge>>
  /** Something that these charges held was given back. */
  wake(charges: readonly RuleCharge[]): void
}

/** Creates the lines. */
export function createLines(store: LimitStore, clock: Clock): Lines {
  return new WaitingLines(store, clock)
}

/** Milliseconds between two attempts where the end of other calls is waited for: other gateways do not tell of theirs. */
const POLL = 50
/** Milliseconds that callers are told where it is not known how long it takes. */
const UNKNOWN = 1000

interface Waiter extends LineUp {
  readonly settle: (granted: Granted<RuleCharge>) => void
  readonly fail: (reason: unknown) => void
  standings: readonly RuleStanding[]
  line: Line | undefined
}

type Attempt = Taken<RuleCharge> | { readonly kind: 'failed'; readonly error: unknown }

interface Line {
  readonly id: string
  readonly queue: FairQueue<Waiter>
  cancelTimer: (() => void) | undefined
  /** An attempt is being made. */
  isBusy: boolean
}

class WaitingLines implements Lines {
  readonly #store: LimitStore
  readonly #clock: Clock
  readonly #lines = new Map<string, Line>()

  constructor(store: LimitStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  isWaitedFor(charges: readonly RuleCharge[]): boolean {
    return this.#lines.size > 0 && charges.some((charge) => this.#lines.has(idOf(charge)))
  }

  async wait(call: LineUp): Promise<Granted<RuleCharge>> {
    const { promise, resolve, reject } = Promise.withResolvers<Granted<RuleCharge>>()
    const standings = call.standings ?? unknown(call.charges)
    const charge = waitingFor(standings) ?? call.charges.find((one) => this.#lines.has(idOf(one)))
    if (charge === undefined) throw refusal(standings)
    const waiter: Waiter = { ...call, standings, settle: resolve, fail: reject, line: undefined }
    const onAbort = (): void => this.#leave(waiter, call.signal.reason)
    const { wait } = queueOf(charge)
    const cancelTimer = this.#clock.after(wait, () => this.#leave(waiter, refusal(blamed(waiter), wait)))
    call.signal.addEventListener('abort', onAbort)
    if (call.signal.aborted) onAbort()
    else this.#join(waiter, charge)
    try {
      return await promise
    } finally {
      cancelTimer()
      call.signal.removeEventListener('abort', onAbort)
    }
  }

  wake(charges: readonly RuleCharge[]): void {
    if (this.#lines.size === 0) return
    for (const charge of charges) {
      const line = this.#lines.get(idOf(charge))
      if (line !== undefined) void this.#serve(line)
    }
  }

  #join(waiter: Waiter, charge: RuleCharge): void {
    const id = idOf(charge)
    let line = this.#lines.get(id)
    if (line === undefined) {
      line = { id, queue: createFairQueue(queueOf(charge).size), cancelTimer: undefined, isBusy: false }
      this.#lines.set(id, line)
      this.#plan(line, waiter.standings)
    }
    const queued = line.queue.push(waiter.caller, waiter)
    if (queued.kind === 'full') return waiter.fail(refusal(blamed(waiter)))
    waiter.line = line
    waiter.onQueued(charge.rule.config.name)
    if (queued.kind !== 'displaced') return
    queued.item.line = undefined
    queued.item.fail(refusal(blamed(queued.item)))
  }

  #leave(waiter: Waiter, reason: unknown): void {
    const { line } = waiter
    waiter.line = undefined
    line?.queue.remove(waiter.caller, waiter)
    if (line?.queue.size === 0) this.#close(line)
    waiter.fail(reason)
  }

  /** Lets in whose turn it is, one after the other, until the limit of the line stands against one. */
  async #serve(line: Line): Promise<void> {
    if (line.isBusy) return
    line.isBusy = true
    line.cancelTimer?.()
    for (let next = line.queue.peek(); next !== undefined; next = line.queue.peek()) {
      const taken = await this.#attempt(next)
      // It may have left meanwhile.
      const isHere = next.line === line
      if (taken.kind === 'refused') {
        const { standings } = taken
        next.standings = standings
        if (standings.some((one) => !one.admits && idOf(one.charge) === line.id)) {
          this.#plan(line, standings)
          break
        }
        if (isHere) this.#moveOn(next, line)
      } else if (taken.kind === 'failed') {
        if (isHere) this.#leave(next, taken.error)
      } else if (isHere) {
        next.line = undefined
        line.queue.shift()
        next.settle(taken)
      } else taken.release?.()
    }
    line.isBusy = false
    if (line.queue.size === 0) this.#close(line)
  }

  async #attempt({ charges }: Waiter): Promise<Attempt> {
    try {
      return await this.#store.take(charges)
    } catch (error) {
      return { kind: 'failed', error }
    }
  }

  /** Another limit than that of this line stands against it: it waits there, or is refused. */
  #moveOn(waiter: Waiter, line: Line): void {
    const charge = waitingFor(waiter.standings)
    line.queue.remove(waiter.caller, waiter)
    waiter.line = undefined
    if (charge === undefined) waiter.fail(refusal(waiter.standings))
    else this.#join(waiter, charge)
  }

  #plan(line: Line, standings: readonly RuleStanding[]): void {
    const own = standings.find(({ charge }) => idOf(charge) === line.id)
    const wait = own === undefined || own.admits || own.waitMs === 0 ? POLL : Math.ceil(own.waitMs)
    line.cancelTimer?.()
    line.cancelTimer = this.#clock.after(wait, () => void this.#serve(line))
  }

  #close(line: Line): void {
    if (line.isBusy) return
    line.cancelTimer?.()
    if (this.#lines.get(line.id) === line) this.#lines.delete(line.id)
  }
}

function idOf({ limit, key }: RuleCharge): string {
  return `${limit.id} ${key}`
}

/** The charge in whose line to wait; undefined where a limit without a queue stands against the call. */
function waitingFor(standings: readonly RuleStanding[]): RuleCharge | undefined {
  const against = standings.filter(({ admits, charge }) => !admits && !charge.limit.shadow)
  if (against.some(({ charge }) => charge.rule.config.queue === undefined)) return undefined
  return against.toSorted((a, b) => b.waitMs - a.waitMs)[0]?.charge
}

function queueOf({ rule }: RuleCharge): { readonly size: number; readonly wait: number } {
  return rule.config.queue ?? { size: 0, wait: 0 }
}

/** Where it was not tried what stands against the call, because others wait already. */
function unknown(charges: readonly RuleCharge[]): readonly RuleStanding[] {
  return charges.map((charge) => ({ charge, admits: true, remaining: 0, waitMs: UNKNOWN }))
}

/** What stands against a waiter; where it never had its turn, the limits in whose lines it stands. */
function blamed({ standings }: Waiter): readonly RuleStanding[] {
  if (standings.some(({ admits, charge }) => !admits && !charge.limit.shadow)) return standings
  return standings.map((one) =>
    one.charge.rule.config.queue === undefined ? one : { ...one, admits: false },
  )
}
