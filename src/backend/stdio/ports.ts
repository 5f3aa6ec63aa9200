import type { LimitsConfig } from '../../config/types.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'

/** The process the gateway runs in, as far as child processes concern it. Made at the process edge. */
export interface HostProcess {
  /** Process id of the gateway. */
  readonly pid: number
  /** `process.platform`. */
  readonly platform: string
  /** The gateway's own environment; children inherit only a few names of it. */
  readonly env: Readonly<Record<string, string | undefined>>
  /**
   * `process.kill`: a negative id means a process group, signal 0 only asks whether it exists.
   *
   * @throws an error with `code` ESRCH (nobody there) or EPERM (not ours)
   */
  kill(pid: number, signal: KillSignal): void
}

/** Signals sent to children; 0 sends nothing. */
export type KillSignal = 'SIGTERM' | 'SIGKILL' | 0

/** Remembers running children on disk, so that they are found after the gateway was killed. */
export interface ChildLedger {
  /** Records a child just started. Never throws. */
  add(pid: number, command: string): void
  /** Forgets a child that ended. Never throws. */
  remove(pid: number): void
}

/** What ending processes needs. */
export interface EndingPorts {
  readonly clock: Clock
  readonly log: Log
  readonly host: HostProcess
  /** Milliseconds that each step of stopping waits before the next one is harder. Default 2 s. */
  readonly grace?: number
}

/** What processes need from outside. */
export interface StdioPorts extends EndingPorts {
  /** A number in [0, 1), for jitter. */
  readonly random: () => number
  /** Undefined keeps no record of children. */
  readonly children: ChildLedger | undefined
  /** Largest message in bytes, deepest JSON, and notifications that may wait per exchange. */
  readonly limits: Pick<LimitsConfig, 'reply' | 'depth' | 'queue'>
}

/** Milliseconds between the steps of stopping a process unless set. */
export const DEFAULT_GRACE = 2_000
