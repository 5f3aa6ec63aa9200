import type { Allowance } from '../config/limits-types.ts'

/** A limit as stores know it. */
export interface StoredLimit {
  /** The same for the same limit in every replica, another one when what it allows changes. */
  readonly id: string
  readonly allowance: Allowance
  /** Never refuses; what it would refuse is reported. */
  readonly shadow: boolean
}

/** What one call takes of one limit. */
export interface Charge {
  readonly limit: StoredLimit
  /** Whose share it is of: charges with equal keys are counted together. */
  readonly key: string
  /** Positive; never more than the limit can ever admit. */
  readonly cost: number
}

/** How one limit stands with one key. */
export interface Standing<C extends Charge = Charge> {
  readonly charge: C
  readonly admits: boolean
  /** What may still be taken at once. */
  readonly remaining: number
  /** Milliseconds after which the charge may be admitted; 0 where it is, or where it depends on other calls ending. */
  readonly waitMs: number
}

/** Everything was taken. */
export interface Granted<C extends Charge = Charge> {
  readonly kind: 'granted'
  /** Gives back what is held while the call runs; undefined when nothing is. Call it once. */
  readonly release: (() => void) | undefined
  /** The charges of shadow limits that would have been refused. */
  readonly over: readonly C[]
}

/** What came of taking. */
export type Taken<C extends Charge = Charge> =
  Granted<C> | { readonly kind: 'refused'; readonly standings: readonly Standing<C>[] }

/** Counts calls. Every charge of a call is taken or none is. */
export interface LimitStore {
  /**
   * Takes all charges of a call at once, or says what stands against it. Answers without a promise where it can, and
   * never throws by itself: the promise rejects with GatewayError STORE_UNAVAILABLE where calls are to be refused while the store is away
   */
  take<C extends Charge>(charges: readonly C[]): Taken<C> | Promise<Taken<C>>
}

/** Granted, with nothing to give back and nothing to report. */
export const GRANTED: Granted<never> = { kind: 'granted', release: undefined, over: [] }
