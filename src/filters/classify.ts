import { ChannelError } from '../backend/channel.ts'
import { GatewayError } from '../errors.ts'
import type { Reply } from '../pipeline/call.ts'

/** What one call says about the health of its backend. */
export type Verdict = 'success' | 'failure' | 'ignored'

/** JSON-RPC 2.0 "Internal error". */
const INTERNAL_ERROR = -32603

/**
 * What a reply says: a backend that answers is healthy, whatever it answers; a tool that reports an error
 * (`isError: true`) and a refused request are answers. An internal error may be the fault of one tool and says nothing.
 */
export function classify(reply: Reply): Verdict {
  return reply.kind === 'error' && reply.code === INTERNAL_ERROR ? 'ignored' : 'success'
}

/**
 * What a failed call says: silence, lost connections, 5xx and garbage speak against the backend. What the caller, the
 * gateway or a 4xx ended says nothing.
 */
export function classifyError(error: unknown): Verdict {
  if (!(error instanceof GatewayError)) return 'ignored'
  switch (error.code) {
    case 'BACKEND_TIMEOUT':
      return 'failure'
    case 'BACKEND_UNAVAILABLE':
    case 'BACKEND_PROTOCOL':
      return isFault(error.cause) ? 'failure' : 'ignored'
    default:
      return 'ignored'
  }
}

/** A refusal of the gateway's own request is an answer, though not one that a client can use. */
function isFault(cause: unknown): boolean {
  return cause instanceof ChannelError && (cause.failure.kind !== 'status' || cause.failure.status >= 500)
}
