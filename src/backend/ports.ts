import type { LimitsConfig } from '../config/types.ts'
import type { Clock } from '../pipeline/clock.ts'
import type { Log } from '../pipeline/log.ts'
import type { Sealer } from '../seal/seal.ts'
import { type Implementation, META } from '../protocol/meta.ts'
import { MODERN_VERSION } from '../protocol/versions.ts'
import type { ChildLedger, HostProcess } from './stdio/ports.ts'

/** What backends need from outside. */
export interface BackendPorts {
  readonly clock: Clock
  readonly log: Log
  /** A number in [0, 1). */
  readonly random: () => number
  /** How the gateway introduces itself to backends. */
  readonly clientInfo: Implementation
  readonly limits: LimitsConfig
  /** Seals what crosses requests, such as the state of a call that waits for input. */
  readonly sealer: Sealer
  /** The process the gateway runs in, as far as child processes concern it. */
  readonly host: HostProcess
  /** Keeps account of child processes beyond the life of the gateway; undefined keeps none. */
  readonly children: ChildLedger | undefined
}

/** What a speaker needs from the backend it speaks for. */
export interface SpeakerPorts {
  /** A fresh JSON-RPC id, unique among the requests to this backend. */
  readonly nextId: () => string
  /** Raw JSON of the `_meta` that requests of the gateway's own carry. */
  readonly requestMeta: string
  readonly clientInfo: Implementation
  readonly log: Log
  readonly backend: string
}

/** The `_meta` of the gateway's own modern requests. */
export function ownRequestMeta(clientInfo: Implementation): string {
  return JSON.stringify({
    [META.protocolVersion]: MODERN_VERSION,
    [META.clientInfo]: clientInfo,
    [META.clientCapabilities]: {},
  })
}
