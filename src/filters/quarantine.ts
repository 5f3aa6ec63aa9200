import { GatewayError } from '../errors.ts'
import type { Permitted } from '../pipeline/call.ts'
import type { Filter } from '../pipeline/handler.ts'
import type { Target } from '../pipeline/target.ts'

/** Refuses calls of tools and prompts that are held back. After authorization: who may not call learns nothing of it. */
export function quarantine(): Filter<Permitted> {
  return (next) => (call, out) => {
    refuseHeld(call.permit.target)
    return next(call, out)
  }
}

/**
 * Lets everything pass that is not held back.
 *
 * @throws GatewayError QUARANTINED
 */
export function refuseHeld(target: Target): void {
  if (target.kind !== 'one' || target.held === undefined) return
  const { backend, name, held } = target
  const message =
    `${name ?? 'This'} of backend ${backend} is in quarantine: ${held}. ` +
    `Whoever runs the gateway reviews it with \`toolgate pin ${backend}\`.`
  throw new GatewayError('QUARANTINED', message, { backend })
}
