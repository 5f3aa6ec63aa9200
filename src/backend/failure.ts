import { GatewayError } from '../errors.ts'
import { ChannelError, type ChannelFailure } from './channel.ts'

/** What a failure below JSON-RPC means to the caller. Errors of other kinds stay what they are. */
export function asGatewayError(error: unknown, backend: string): unknown {
  if (!(error instanceof ChannelError)) return error
  return fromFailure(error.failure, backend, error)
}

/** True for a failure of a backend that does answer, but not as it should; what it is wrapped in does not matter. */
export function isMisbehaviour(error: unknown): boolean {
  const kind = failureOf(error)?.kind
  return kind === 'status' || kind === 'protocol'
}

/** True where nothing of a request has reached the backend: another endpoint may be asked instead. */
export function wasNeverSent(error: unknown): boolean {
  return failureOf(error)?.kind === 'unreachable'
}

/** Why an exchange failed below JSON-RPC, if it did. */
export function failureOf(error: unknown): ChannelFailure | undefined {
  const known = error instanceof GatewayError ? error.cause : error
  return known instanceof ChannelError ? known.failure : undefined
}

function fromFailure(failure: ChannelFailure, backend: string, cause: ChannelError): GatewayError {
  const known = { backend, cause }
  switch (failure.kind) {
    case 'unreachable':
      return new GatewayError(
        'BACKEND_UNAVAILABLE',
        `Backend ${backend} is not reachable: ${failure.reason}`,
        { ...known, outcome: 'not-executed' },
      )
    case 'broken':
      // The request had been sent: whether it was carried out cannot be known.
      return new GatewayError('BACKEND_UNAVAILABLE', `Backend ${backend} broke off: ${failure.reason}`, {
        ...known,
        retryable: false,
        outcome: 'unknown',
      })
    case 'protocol':
      return new GatewayError(
        'BACKEND_PROTOCOL',
        `Backend ${backend} broke the protocol: it ${failure.reason}`,
        { ...known, outcome: 'unknown' },
      )
    case 'status':
      return fromStatus(failure.status, backend, known)
  }
}

function fromStatus(
  status: number,
  backend: string,
  known: { readonly backend: string; readonly cause: ChannelError },
): GatewayError {
  if (status === 401 || status === 403) {
    return new GatewayError(
      'BACKEND_AUTH',
      `Backend ${backend} does not accept the gateway's credentials (HTTP ${status})`,
      { ...known, outcome: 'not-executed' },
    )
  }
  if (status === 429) {
    // RFC 6585 §4: refused for the number of requests.
    const message = `Backend ${backend} is overloaded (HTTP ${status})`
    return new GatewayError('BACKEND_UNAVAILABLE', message, { ...known, outcome: 'not-executed' })
  }
  const unknown = { ...known, retryable: false, outcome: 'unknown' } as const
  // A proxy in between may say 503 of a server that it lost in the middle of the work.
  if (status === 503)
    return new GatewayError(
      'BACKEND_UNAVAILABLE',
      `Backend ${backend} is overloaded (HTTP ${status})`,
      unknown,
    )
  if (status >= 500)
    return new GatewayError('BACKEND_UNAVAILABLE', `Backend ${backend} failed with HTTP ${status}`, unknown)
  return new GatewayError(
    'BACKEND_PROTOCOL',
    `Backend ${backend} answered HTTP ${status} without a JSON-RPC message`,
    { ...known, outcome: 'unknown' },
  )
}
