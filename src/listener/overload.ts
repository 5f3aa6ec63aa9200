import type { OverloadConfig } from '../config/types.ts'
import { GatewayError } from '../errors.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Load, LoadGauge } from '../pipeline/load.ts'
import type { Log } from '../pipeline/log.ts'

/** What watching the load needs. */
export interface OverloadPorts {
  readonly clock: Clock
  readonly gauge: LoadGauge
  /** A number in [0, 1). */
  readonly random: () => number
  readonly log: Log
}

/** What is known of the load, for the operator. */
export interface OverloadState extends Load {
  /** Part of the calls that is refused: 0 to 1. */
  readonly refusing: number
  /** Calls that were refused since the start. */
  readonly refused: number
}

/** Refuses work that could not be done in time. */
export interface Overload {
  /** @throws GatewayError OVERLOADED where this piece of work is refused */
  admit(): void
  readonly state: OverloadState
  close(): void
}

/** Milliseconds between two readings. */
const INTERVAL = 250

/** Readings in a row that have to agree: a short stall, as of a collection of garbage, is no overload. */
const AGREEING = 4

/** Everything is refused when the loop is so many times as late as when refusing begins. */
const FULL_DELAY = 3

/** Part of the memory that is still free of what was when refusing begins, when everything is refused. */
const FULL_MEMORY = 1 / 3

/** Part of a new reading in what is refused: all at once would make the load swing. */
const DAMPING = 0.5

/** Milliseconds after which who was refused should try again; up to twice as many, so that not all come back together. */
const RETRY_AFTER = 1000

/**
 * Watches event loop and memory. From the configured load on, once it has lasted a second, a growing part of the new calls
 * is refused, before the loop is so late that nobody is served; it shrinks again with the load.
 */
export function createOverload(config: OverloadConfig, ports: OverloadPorts): Overload {
  const { clock, gauge, random, log } = ports
  let load: Load = { delayMs: 0, memory: 0 }
  let latest: readonly number[] = Array.from({ length: AGREEING }, () => 0)
  let refusing = 0
  let refused = 0
  let cancel: (() => void) | undefined
  const look = (): void => {
    load = gauge.read()
    latest = [...latest.slice(1), pressureOf(load, config)]
    const wanted = Math.min(...latest)
    const before = refusing
    refusing += (wanted - refusing) * DAMPING
    if (wanted === 0 && refusing < 0.01) refusing = 0
    if (before === 0 && refusing > 0) log('warn', 'overloaded: calls are refused', fieldsOf(load))
    if (before > 0 && refusing === 0) log('info', 'no longer overloaded', { ...fieldsOf(load), refused })
    cancel = clock.after(INTERVAL, look)
  }
  cancel = clock.after(INTERVAL, look)
  return {
    admit() {
      if (refusing === 0 || random() >= refusing) return
      refused++
      throw new GatewayError('OVERLOADED', 'The gateway has too much to do', {
        retryAfterMs: Math.round(RETRY_AFTER * (1 + random())),
      })
    },
    get state() {
      return { ...load, refusing, refused }
    },
    close() {
      cancel?.()
      gauge.close()
    },
  }
}

/** The part of the calls that this load asks to refuse. */
function pressureOf({ delayMs, memory }: Load, config: OverloadConfig): number {
  const late = (delayMs - config.delay) / (config.delay * (FULL_DELAY - 1))
  const full = (memory - config.memory) / ((1 - config.memory) * (1 - FULL_MEMORY))
  // A limit of 100 % has nothing above it.
  const known = Number.isFinite(full) ? full : 0
  return Math.min(1, Math.max(0, late, known))
}

function fieldsOf({ delayMs, memory }: Load): Readonly<Record<string, number>> {
  return { delayMs: Math.round(delayMs), memoryPercent: Math.round(memory * 100) }
}
