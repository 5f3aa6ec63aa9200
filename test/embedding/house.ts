/** An embedded gateway in this process, and clients of it. */
import { type Gateway, type GatewayInput, type GatewayOptions, createGateway } from '../../src/index.ts'
import { type Journal, createJournal } from '../language/journal.ts'
import type { LogLine } from '../language/house.ts'
import type { Scope } from '../language/scope.ts'

/** An embedded gateway with its log. */
export interface Embedded {
  readonly gateway: Gateway
  readonly log: Journal<LogLine>
}

/**
 * A gateway as a program makes it, which ends with the scope. Limits are off unless they are given, because tests call
 * more often than people do.
 */
export function embedded(scope: Scope, input: GatewayInput = {}, options: GatewayOptions = {}): Embedded {
  const log = createJournal<LogLine>('the log')
  const gateway = createGateway(
    {
      limits: 'off',
      ...input,
      gateway: { drain: '2s', overload: 'off', tools: { health: false, metrics: false }, ...input.gateway },
    },
    { log: (level, message, fields = {}) => log.record({ level, message, fields }), ...options },
  )
  scope.after(async () => gateway.close())
  return { gateway, log }
}
