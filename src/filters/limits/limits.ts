import type { LimitConfig } from '../../config/limits-types.ts'
import { GatewayError } from '../../errors.ts'
import type { Notifications, Permitted, Reply } from '../../pipeline/call.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Filter, Handler } from '../../pipeline/handler.ts'
import { member } from '../../protocol/json.ts'
import type { Granted, LimitStore, Taken } from '../../store/limit-store.ts'
import { type KeyReader, callerReader } from './keys.ts'
import { type Lines, createLines } from './lines.ts'
import { type RuleStanding, refusal } from './refusal.ts'
import type { LimitEvent, LimitEvents } from './report.ts'
import { type Charger, type RuleCharge, chargerOf } from './rules.ts'

/** What limiting calls needs. */
export interface LimitPorts {
  /** At least one. */
  readonly limits: readonly LimitConfig[]
  readonly store: LimitStore
  readonly clock: Clock
  readonly events: LimitEvents
  /** Stands for the client of a pipe, which has no address; different in every process. */
  readonly pipe: string
  /** Whether a call takes up one that waits in its backend, and was counted when that began. */
  readonly isResumed: (call: Permitted) => boolean
}

/**
 * Refuses calls above the limits, or lets them wait. What limits how many calls run at once is held until the call
 * has truly ended. A call within its limits passes without a promise more, where the store answers at once.
 */
export function limits(ports: LimitPorts): Filter<Permitted> {
  const hasQueues = ports.limits.some(({ queue }) => queue !== undefined)
  // Of the filter, not of what comes after it: a change of the latter leaves nobody in a line that nobody serves.
  const lines = hasQueues ? createLines(ports.store, ports.clock) : undefined
  return (next) => {
    const limiter = new Limiter({ ...ports, lines }, next)
    return (call, out) => limiter.handle(call, out)
  }
}

interface Passing<C> {
  readonly call: C
  readonly out: Notifications
  readonly charges: readonly RuleCharge[]
}

class Limiter<C extends Permitted> {
  readonly #ports: LimitPorts
  readonly #next: Handler<C>
  readonly #chargesOf: Charger
  readonly #callerOf: KeyReader
  /** Undefined where no limit has a queue. */
  readonly #lines: Lines | undefined

  constructor(ports: LimitPorts & { readonly lines: Lines | undefined }, next: Handler<C>) {
    this.#ports = ports
    this.#next = next
    this.#chargesOf = chargerOf(ports.limits, ports.pipe)
    this.#callerOf = callerReader(ports.pipe)
    this.#lines = ports.lines
  }

  handle(call: C, out: Notifications): Promise<Reply> {
    const charges = this.#applying(call)
    if (charges === undefined) return this.#next(call, out)
    const passing = { call, out, charges }
    if (this.#lines?.isWaitedFor(charges) === true) return this.#wait(this.#lines, passing)
    const taken = this.#ports.store.take(charges)
    return taken instanceof Promise ? this.#later(passing, taken) : this.#decide(passing, taken)
  }

  /** A call that was counted when it began still needs its place while it runs. */
  #applying(call: C): readonly RuleCharge[] | undefined {
    const charges = this.#chargesOf(call)
    if (charges === undefined) return undefined
    // It runs in the place of the call that it was made within, and could wait for that for ever.
    if (call.within !== undefined) return unlessNone(charges.filter((one) => !isPlaceOfCaller(one)))
    if (member(call.message.params, 'requestState') === undefined) return charges
    if (!this.#ports.isResumed(call)) return charges
    return unlessNone(charges.filter(isPlace))
  }

  async #later(passing: Passing<C>, taking: Promise<Taken<RuleCharge>>): Promise<Reply> {
    const taken = await taking
    const { signal } = passing.call
    if (!signal.aborted) return this.#decide(passing, taken)
    if (taken.kind === 'granted') taken.release?.()
    throw signal.reason
  }

  #decide(passing: Passing<C>, taken: Taken<RuleCharge>): Promise<Reply> {
    if (taken.kind === 'granted') return this.#admit(passing, taken)
    if (this.#lines !== undefined && taken.standings.every(mayWait))
      return this.#wait(this.#lines, passing, taken.standings)
    const error = refusal(taken.standings)
    this.#tell('refused', String(error.details.data?.['limit']), passing)
    return Promise.reject(error)
  }

  #admit(passing: Passing<C>, granted: Granted<RuleCharge>): Promise<Reply> {
    for (const { rule } of granted.over) this.#tell('shadow', rule.config.name, passing)
    const { call, out } = passing
    return granted.release === undefined ? this.#next(call, out) : this.#hold(passing, granted.release)
  }

  async #hold({ call, out, charges }: Passing<C>, release: () => void): Promise<Reply> {
    try {
      return await this.#next(call, out)
    } finally {
      release()
      this.#lines?.wake(charges)
    }
  }

  async #wait(lines: Lines, passing: Passing<C>, standings?: readonly RuleStanding[]): Promise<Reply> {
    const { call, charges } = passing
    const begun = this.#ports.clock.now()
    const granted = await lines
      .wait({
        charges,
        standings,
        caller: this.#callerOf(call),
        signal: call.signal,
        onQueued: (limit) => this.#tell('queued', limit, passing),
      })
      .catch((error: unknown) => {
        const limit = error instanceof GatewayError ? error.details.data?.['limit'] : undefined
        if (typeof limit === 'string') this.#tell('refused', limit, passing)
        throw error
      })
      .finally(() => call.record?.queuedSince(begun))
    return this.#admit(passing, granted)
  }

  #tell(kind: LimitEvent['kind'], limit: string, { call }: Passing<C>): void {
    if (kind === 'refused' && call.record !== undefined) call.record.limit = limit
    this.#ports.events({ kind, limit, method: call.method })
  }
}

function isPlace({ limit }: RuleCharge): boolean {
  return limit.allowance.kind === 'concurrency'
}

/** Whether what is held is the same for every call of the caller, whatever it is for. */
function isPlaceOfCaller(charge: RuleCharge): boolean {
  const { match, key } = charge.rule.config
  const isForSome = match.backend !== undefined || match.tool !== undefined
  return isPlace(charge) && !isForSome && !key.some((part) => PARTS_OF_TARGET.has(part))
}

const PARTS_OF_TARGET: ReadonlySet<string> = new Set(['backend', 'tool', 'route'])

function unlessNone(charges: readonly RuleCharge[]): readonly RuleCharge[] | undefined {
  return charges.length === 0 ? undefined : charges
}

/** Whether this limit lets the call in, or wait. */
function mayWait({ admits, charge }: RuleStanding): boolean {
  return admits || charge.limit.shadow || charge.rule.config.queue !== undefined
}
