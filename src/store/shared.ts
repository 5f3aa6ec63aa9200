import type { StoreFailure } from '../config/store-types.ts'
import { GatewayError } from '../errors.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { Measures, StoreOperation } from '../pipeline/measures.ts'
import { type Charge, GRANTED, type LimitStore, type Taken } from './limit-store.ts'
import { type Share, createShare } from './share.ts'
import type { Remote } from './redis/remote.ts'

/** How the shared store is. */
export interface SharedState {
  readonly state: 'connecting' | 'up' | 'away'
  /** Gateways that use the store, as it said last; at least this one. */
  readonly replicas: number
}

/** A store that several gateways share. */
export interface SharedStore extends LimitStore {
  readonly status: SharedState
  /** Begins to use the server; settles when the first attempt to reach it has come to an end, and never rejects. */
  ready(): Promise<void>
  close(): Promise<void>
}

/** What a shared store needs. */
export interface SharedPorts {
  readonly remote: Remote
  readonly clock: Clock
  readonly log: Log
  /** A number in [0, 1), for jitter. */
  readonly random: () => number
  readonly onStoreFailure: StoreFailure
  /** Told how long commands took; undefined where nobody measures. */
  readonly measures?: Measures | undefined
}

/** Milliseconds between two signs of life, and between two attempts while the server is away. */
const BEAT = 1000
const ATTEMPT = 250

/**
 * Counts on the server while it answers. The first failure ends that for every call, so that none waits for a server
 * that does not answer; signs of life find out when it is back.
 */
export function createSharedStore(ports: SharedPorts): SharedStore {
  return new Shared(ports)
}

class Shared implements SharedStore {
  readonly #ports: SharedPorts
  #started: Promise<void> | undefined
  #state: SharedState['state'] = 'connecting'
  #replicas = 1
  #share: Share | undefined
  #cancelBeat: (() => void) | undefined
  #closed = false

  constructor(ports: SharedPorts) {
    this.#ports = ports
  }

  get status(): SharedState {
    return { state: this.#state, replicas: this.#replicas }
  }

  ready(): Promise<void> {
    this.#started ??= this.#ports.remote.connected().then(() => this.#beat())
    return this.#started
  }

  take<C extends Charge>(charges: readonly C[]): Taken<C> | Promise<Taken<C>> {
    if (this.#state === 'connecting') void this.ready()
    if (this.#state !== 'up') return this.#without(charges)
    return this.#timed('take', this.#ports.remote.take(charges)).catch((error: unknown) => {
      this.#isAway(error)
      return this.#without(charges)
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelBeat?.()
    await this.#ports.remote.close()
  }

  #without<C extends Charge>(charges: readonly C[]): Taken<C> | Promise<Taken<C>> {
    switch (this.#ports.onStoreFailure) {
      case 'allow':
        return GRANTED
      case 'deny':
        return Promise.reject(
          new GatewayError('STORE_UNAVAILABLE', 'The store of the limits does not answer', {
            retryAfterMs: 1000,
          }),
        )
      case 'local':
        // What was counted while the server was away before is not forgotten when it is away again.
        if (this.#share?.replicas !== this.#replicas)
          this.#share = createShare(this.#replicas, this.#ports.clock)
        return this.#share.take(charges)
    }
  }

  async #beat(): Promise<void> {
    try {
      this.#replicas = Math.max(1, await this.#timed('beat', this.#ports.remote.beat()))
      this.#isUp()
    } catch (error) {
      this.#isAway(error)
    }
    this.#plan()
  }

  #timed<T>(operation: StoreOperation['operation'], answer: Promise<T>): Promise<T> {
    const { measures, clock } = this.#ports
    if (measures === undefined) return answer
    const begun = clock.now()
    const tell = (failed: boolean): void =>
      measures.storeAnswered({ operation, lasted: clock.now() - begun, failed })
    answer.then(
      () => tell(false),
      () => tell(true),
    )
    return answer
  }

  #plan(): void {
    if (this.#closed) return
    const { clock, random } = this.#ports
    this.#cancelBeat?.()
    const pause = this.#state === 'up' ? BEAT : ATTEMPT
    this.#cancelBeat = clock.after(pause * (0.75 + random() / 2), () => void this.#beat())
  }

  #isUp(): void {
    if (this.#state === 'away') this.#ports.log('info', 'the store is back: limits are shared again', {})
    this.#state = 'up'
  }

  #isAway(error: unknown): void {
    if (this.#closed || this.#state === 'away') return
    const wasUp = this.#state === 'up'
    this.#state = 'away'
    this.#ports.log('warn', 'the store does not answer', {
      reason: reasonOf(error),
      onStoreFailure: this.#ports.onStoreFailure,
      replicas: this.#replicas,
    })
    if (wasUp) this.#plan()
  }
}

/** Codes say enough; messages may name addresses. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const code = 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : error.message
}
