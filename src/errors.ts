/** Which side of the gateway caused an error. */
export type ErrorSource = 'downstream' | 'upstream' | 'gateway'

/** The stable code of a gateway error, as in `error.data.code`. */
export type ErrorCode =
  | 'PARSE_ERROR'
  | 'INVALID_REQUEST'
  | 'INVALID_PARAMS'
  | 'METHOD_NOT_FOUND'
  | 'HEADER_MISMATCH'
  | 'MISSING_CAPABILITY'
  | 'UNSUPPORTED_VERSION'
  | 'UNKNOWN_TOOL'
  | 'UNKNOWN_NAME'
  | 'UNKNOWN_BACKEND'
  | 'UNKNOWN_PATH'
  | 'METHOD_NOT_ALLOWED'
  | 'ORIGIN_FORBIDDEN'
  | 'HOST_FORBIDDEN'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'NOT_ACCEPTABLE'
  | 'URL_TOO_LONG'
  | 'TOO_MANY_HEADERS'
  | 'BODY_TOO_LARGE'
  | 'BODY_TIMEOUT'
  | 'SESSION_REQUIRED'
  | 'SESSION_NOT_FOUND'
  | 'UNAUTHENTICATED'
  | 'INSUFFICIENT_SCOPE'
  | 'FORBIDDEN'
  | 'SIGNATURE_REQUIRED'
  | 'QUARANTINED'
  | 'TOO_MANY'
  | 'OVERLOADED'
  | 'RATE_LIMITED'
  | 'QUOTA_EXCEEDED'
  | 'STORE_UNAVAILABLE'
  | 'CANCELLED'
  | 'DRAINING'
  | 'BACKEND_TIMEOUT'
  | 'BACKEND_UNAVAILABLE'
  | 'BACKEND_PROTOCOL'
  | 'BACKEND_AUTH'
  | 'ISSUER_UNAVAILABLE'
  | 'CIRCUIT_OPEN'
  | 'SLOW_CONSUMER'
  | 'INTERNAL'

/** What the table says about one code. */
export interface ErrorRow {
  /** HTTP status that says the same as the JSON-RPC error. */
  readonly status: number
  /** JSON-RPC code: a standard one, one the MCP specification defines, or one outside −32768…−32000. */
  readonly rpcCode: number
  readonly source: ErrorSource
  /** Whether the same call may succeed later without being changed. */
  readonly retryable: boolean
  /** What whoever reads the error can do about it. */
  readonly hint: string
}

type Row = readonly [
  status: number,
  rpcCode: number,
  source: ErrorSource,
  retryable: 'retryable' | 'final',
  hint: string,
]

const row = (...[status, rpcCode, source, retryable, hint]: Row): ErrorRow => ({
  status,
  rpcCode,
  source,
  retryable: retryable === 'retryable',
  hint,
})

/**
 * Every way in which the gateway itself can refuse or fail a call. Codes −32020…−32022 have the meaning that
 * the specification gives them (2026-07-28, basic/index "Error Codes"); the gateway's own lie above −32000.
 */
export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = {
  PARSE_ERROR: row(400, -32700, 'downstream', 'final', 'Send one JSON-RPC message as valid UTF-8 JSON.'),
  INVALID_REQUEST: row(400, -32600, 'downstream', 'final', 'Send one JSON-RPC 2.0 request or notification.'),
  INVALID_PARAMS: row(400, -32602, 'downstream', 'final', 'Correct the parameters named in the message.'),
  METHOD_NOT_FOUND: row(404, -32601, 'downstream', 'final', 'Ask server/discover which features are served.'),
  HEADER_MISMATCH: row(400, -32020, 'downstream', 'final', 'Send MCP headers that agree with the body.'),
  MISSING_CAPABILITY: row(
    400,
    -32021,
    'downstream',
    'final',
    'Declare what data.requiredCapabilities names.',
  ),
  UNSUPPORTED_VERSION: row(400, -32022, 'downstream', 'final', 'Use one of the versions in data.supported.'),
  UNKNOWN_TOOL: row(400, -32602, 'downstream', 'final', 'Ask tools/list for the names that exist.'),
  UNKNOWN_NAME: row(400, -32602, 'downstream', 'final', 'Ask the matching list method for what exists.'),
  UNKNOWN_BACKEND: row(
    404,
    -31004,
    'downstream',
    'final',
    'Use /mcp or /mcp/<backend> with a configured backend.',
  ),
  UNKNOWN_PATH: row(404, -31004, 'downstream', 'final', 'Use /mcp or /mcp/<backend>.'),
  METHOD_NOT_ALLOWED: row(405, -31005, 'downstream', 'final', 'POST JSON-RPC messages to this URL.'),
  ORIGIN_FORBIDDEN: row(
    403,
    -31003,
    'downstream',
    'final',
    'Add the origin to gateway.allowedOrigins if it is yours.',
  ),
  HOST_FORBIDDEN: row(
    403,
    -31003,
    'downstream',
    'final',
    'Add the host to gateway.allowedHosts if it is yours.',
  ),
  UNSUPPORTED_MEDIA_TYPE: row(415, -31015, 'downstream', 'final', 'Send Content-Type: application/json.'),
  NOT_ACCEPTABLE: row(406, -31006, 'downstream', 'final', 'Accept application/json and text/event-stream.'),
  URL_TOO_LONG: row(414, -31014, 'downstream', 'final', 'Send the parameters in the body.'),
  TOO_MANY_HEADERS: row(431, -31031, 'downstream', 'final', 'Send fewer headers.'),
  BODY_TOO_LARGE: row(413, -31013, 'downstream', 'final', 'Send less, or raise gateway.limits.body.'),
  BODY_TIMEOUT: row(408, -31008, 'downstream', 'retryable', 'Send the whole body in time.'),
  SESSION_REQUIRED: row(
    400,
    -32600,
    'downstream',
    'final',
    'Send initialize first, then its Mcp-Session-Id.',
  ),
  SESSION_NOT_FOUND: row(404, -31044, 'downstream', 'final', 'Start a new session with initialize.'),
  UNAUTHENTICATED: row(
    401,
    -31401,
    'downstream',
    'final',
    'Get an access token as the WWW-Authenticate header says, and send it.',
  ),
  INSUFFICIENT_SCOPE: row(
    403,
    -31403,
    'downstream',
    'final',
    'Get an access token with the scopes in data.scopes.',
  ),
  FORBIDDEN: row(403, -31403, 'downstream', 'final', 'Ask the operator for the permission.'),
  SIGNATURE_REQUIRED: row(
    403,
    -31403,
    'downstream',
    'final',
    'Sign the request anew with the key that belongs to the API key (RFC 9421).',
  ),
  QUARANTINED: row(
    403,
    -31423,
    'downstream',
    'final',
    'Its definition has to be reviewed with `toolgate pin <backend>`.',
  ),
  TOO_MANY: row(503, -31053, 'gateway', 'retryable', 'Try again in a moment.'),
  OVERLOADED: row(503, -31053, 'gateway', 'retryable', 'Try again after retryAfterMs.'),
  RATE_LIMITED: row(429, -31429, 'downstream', 'retryable', 'Wait for retryAfterMs, then try again.'),
  QUOTA_EXCEEDED: row(
    429,
    -31429,
    'downstream',
    'retryable',
    'Wait for the next period, or ask the operator.',
  ),
  STORE_UNAVAILABLE: row(503, -31055, 'gateway', 'retryable', 'Try again in a moment.'),
  CANCELLED: row(499, -31099, 'downstream', 'final', 'The caller cancelled this call.'),
  DRAINING: row(503, -31053, 'gateway', 'retryable', 'The gateway is shutting down; connect again.'),
  BACKEND_TIMEOUT: row(
    504,
    -31504,
    'upstream',
    'final',
    'Raise the timeout of the backend if the work takes longer.',
  ),
  BACKEND_UNAVAILABLE: row(
    502,
    -31502,
    'upstream',
    'retryable',
    'See `toolgate status` for the state of the backend.',
  ),
  BACKEND_PROTOCOL: row(
    502,
    -31520,
    'upstream',
    'final',
    'The backend broke the protocol; see the gateway log.',
  ),
  BACKEND_AUTH: row(
    502,
    -31521,
    'upstream',
    'final',
    'The operator has to give the gateway credentials for it.',
  ),
  CIRCUIT_OPEN: row(
    503,
    -31553,
    'upstream',
    'retryable',
    'Try again after retryAfterMs; see `toolgate status` for the state of the backend.',
  ),
  ISSUER_UNAVAILABLE: row(
    503,
    -31503,
    'upstream',
    'retryable',
    'Try again later; the operator sees in the log which issuer cannot be reached.',
  ),
  SLOW_CONSUMER: row(503, -31054, 'downstream', 'final', 'Read the response stream faster.'),
  INTERNAL: row(500, -32603, 'gateway', 'final', 'This is a bug in the gateway; please report it.'),
}

/** What became of a call that failed: surely nothing, or nobody knows. */
export type CallOutcome = 'not-executed' | 'unknown'

/** What is known about a gateway error beyond its code and message. */
export interface ErrorDetails {
  /** The backend concerned, by its configured name. */
  readonly backend?: string
  /** Milliseconds after which trying again makes sense. */
  readonly retryAfterMs?: number
  /** Overrides the table where this occurrence is known to be (un)safe to repeat. */
  readonly retryable?: boolean
  /** Whether the backend can have carried the call out. */
  readonly outcome?: CallOutcome
  /** Members that the specification prescribes for `error.data` of this code. */
  readonly data?: Readonly<Record<string, unknown>>
  /**
   * Every scope that the operation needs, for `UNAUTHENTICATED` and `INSUFFICIENT_SCOPE`: stands in `error.data.scopes`
   * and in the challenge of the HTTP listener (RFC 6750 §3).
   */
  readonly scopes?: readonly string[]
  /** Extra HTTP headers of the refusal, such as `Allow`. */
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** A refusal or failure of the gateway's own; rendered by the `rescue` filter and nowhere else. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly details: ErrorDetails

  /**
   * @param code a row of {@link ERRORS}
   * @param message what happened, to what; free of secrets, stack traces and internal addresses
   * @param details backend, retry advice and prescribed data, where known
   */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause })
    this.code = code
    this.details = details
  }

  /** HTTP status of this error. */
  get status(): number {
    return ERRORS[this.code].status
  }

  /** JSON-RPC code of this error. */
  get rpcCode(): number {
    return ERRORS[this.code].rpcCode
  }

  /** Whether the same call may succeed later without being changed. */
  get isRetryable(): boolean {
    return this.details.retryable ?? ERRORS[this.code].retryable
  }

  /** The same error with another outcome; what surely was not carried out may be repeated if its backend may recover. */
  withOutcome(outcome: CallOutcome): GatewayError {
    const mends = this.code === 'BACKEND_UNAVAILABLE' || this.code === 'BACKEND_TIMEOUT'
    const retryable = mends ? outcome === 'not-executed' : this.isRetryable
    return new GatewayError(this.code, this.message, { ...this.details, outcome, retryable })
  }

  /** The `error` member of the JSON-RPC response that reports this error. */
  toRpcError(): {
    readonly code: number
    readonly message: string
    readonly data: Readonly<Record<string, unknown>>
  } {
    const { backend, retryAfterMs, scopes, data, outcome } = this.details
    return {
      code: this.rpcCode,
      message: this.message,
      data: {
        ...data,
        code: this.code,
        retryable: this.isRetryable,
        hint: ERRORS[this.code].hint,
        ...(backend === undefined ? {} : { backend }),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        ...(scopes === undefined ? {} : { scopes }),
        ...(outcome === undefined ? {} : { outcome }),
      },
    }
  }
}

/** The error as a gateway error: itself, or `INTERNAL` around anything unexpected. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  return new GatewayError('INTERNAL', 'Internal error of the gateway', { cause: error })
}
