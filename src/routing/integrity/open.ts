import type { Config, IntegrityPolicy } from '../../config/types.ts'
import type { Audit } from '../../pipeline/audit.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { type Integrity, createIntegrity } from './integrity.ts'
import { openLockFile } from './lock-file.ts'

/** What the integrity of a configuration needs from outside. */
export interface OpenPorts {
  readonly clock: Clock
  readonly audit: Audit
  /** The backend of the gateway's own tools, if it has any: they are the originals, and believed. */
  readonly own: string | undefined
}

/**
 * Holds the lists of the backends of a configuration against its lock file.
 *
 * @throws LockError if that file is there and cannot be believed
 */
export function openIntegrity(config: Config, { clock, audit, own }: OpenPorts): Integrity {
  return createIntegrity({
    policies: integrityPolicies(config, own),
    names: config.gateway.names,
    lock: openLockFile(config.integrity.lock, clock),
    audit,
    clock,
  })
}

/** The policy of each backend of a configuration, in its order; see {@link OpenPorts.own}. */
export function integrityPolicies(
  config: Config,
  own: string | undefined,
): ReadonlyMap<string, IntegrityPolicy> {
  const { lock: _, ...general } = config.integrity
  const believed: IntegrityPolicy = { ...general, onChange: 'allow', onNew: 'allow', onShadow: 'allow' }
  return new Map([
    ...(own === undefined ? [] : [[own, believed] as const]),
    ...config.backends.map((backend) => [backend.name, { ...general, ...backend.integrity }] as const),
  ])
}
