import type { HttpRequest, HttpResponse } from './exchange.ts'

/** Methods that the listener serves. */
const METHODS = 'GET, POST, DELETE'

/** Request headers that pages may send, beside every `Mcp-…`. */
const REQUEST_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'authorization',
  'baggage',
  'content-digest',
  'content-type',
  'dpop',
  'last-event-id',
  'signature',
  'signature-input',
  'traceparent',
  'tracestate',
  'x-api-key',
  'x-signature',
])
/** `Mcp-Session-Id`, `Mcp-Method`, and `Mcp-Param-*`, whose names depend on tools. */
const MCP_HEADER = /^mcp-[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/

/** Response headers that pages may read: what an MCP client needs to go on, authenticate, and wait. */
const EXPOSED = 'Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, DPoP-Nonce, Retry-After'

/** Seconds for which a browser need not ask again. */
const MAX_AGE = '600'
/** Requested headers that are looked at. */
const MOST_HEADERS = 64

/** True for the question that a browser asks before it lets a page send a request (Fetch Standard, "CORS-preflight request"). */
export function isPreflight({ method, headers }: HttpRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}

/**
 * Lets pages of an allowed origin read the response, refusals included. There is no `Access-Control-Allow-Credentials`:
 * the gateway has no cookies, and what a page sends in `Authorization` it sends knowingly.
 *
 * @param origin the origin, or `*` for what is public
 */
export function allowReading(response: HttpResponse, origin: string): void {
  response.setHeader('access-control-allow-origin', origin)
  response.setHeader('access-control-expose-headers', EXPOSED)
  if (origin !== '*') response.setHeader('vary', 'Origin')
}

/** Answers a preflight whose origin has been allowed: which methods and which of the requested headers may be sent. */
export function answerPreflight(request: HttpRequest, response: HttpResponse): void {
  const requested = request.headers['access-control-request-headers'] ?? ''
  const names = requested
    .toLowerCase()
    .split(',', MOST_HEADERS)
    .map((name) => name.trim())
    .filter((name) => REQUEST_HEADERS.has(name) || MCP_HEADER.test(name))
  response.setHeader('vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers')
  response.setHeader('access-control-allow-methods', METHODS)
  if (names.length > 0) response.setHeader('access-control-allow-headers', names.join(', '))
  response.setHeader('access-control-max-age', MAX_AGE)
  response.writeHead(204).end()
}
