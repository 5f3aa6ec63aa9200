import { GatewayError } from '../../errors.ts'
import { member, stringOf } from '../../protocol/json.ts'
import type { RequestMessage } from '../../protocol/message.ts'

/** What `server/discover` says, as far as `initialize` passes it on. */
export interface Discovered {
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly instructions: string | undefined
}

/** Reads the result of `server/discover`. */
export function readDiscovered(value: unknown): Discovered {
  const { capabilities, instructions } = value as {
    readonly capabilities?: unknown
    readonly instructions?: unknown
  }
  return {
    capabilities:
      typeof capabilities === 'object' && capabilities !== null
        ? (capabilities as Readonly<Record<string, unknown>>)
        : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  }
}

/** The resource of a subscription. @throws GatewayError INVALID_PARAMS */
export function uriOf(message: RequestMessage): string {
  const uri = stringOf(message.text, member(message.params, 'uri'))
  if (uri === undefined)
    throw new GatewayError('INVALID_PARAMS', `${message.method} needs "params.uri", a string`)
  return uri
}

/** The tool that is called, if one is. */
export function subjectOf(message: RequestMessage): string | undefined {
  return message.method === 'tools/call' ? stringOf(message.text, member(message.params, 'name')) : undefined
}
