import { ChannelError, type ChannelFailure } from '../../src/backend/channel.ts'
import { asGatewayError } from '../../src/backend/failure.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Permitted } from '../../src/pipeline/call.ts'
import { mintPermit } from '../../src/pipeline/permit.ts'
import { callOf, request } from './scripted.ts'

/** A permitted call of a tool of backend `a`. */
export function permitted(over: Partial<Permitted> = {}, name = 'x', method = 'tools/call'): Permitted {
  const target = { kind: 'one', backend: 'a', name, paramHeaders: [] } as const
  return { ...callOf(request(method, { name })), target, permit: mintPermit(target), ...over }
}

/** What the gateway makes of a failure of backend `a` below JSON-RPC. */
export function errorOf(failure: ChannelFailure): GatewayError {
  const error = asGatewayError(new ChannelError(failure), 'a')
  if (error instanceof GatewayError) return error
  throw new TypeError('no failure of a channel')
}
