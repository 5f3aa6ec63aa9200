import { GatewayError } from '../../errors.ts'
import { bodyIsGone } from './body.ts'
import type { Front } from './front.ts'
import { FetchRequest, FetchResponse } from './fetch-exchange.ts'

/** What a `Request` does not say of itself. */
export interface FetchContext {
  /** IPv4 or IPv6 address of the client. Without it, anonymous clients cannot be told apart, and share their limits. */
  readonly address?: string | undefined
}

/** Serves a `Request` of the Fetch standard. Never rejects; a request that was aborted is answered with 499. */
export type FetchHandler = (request: Request, context?: FetchContext) => Promise<Response>

/**
 * Makes the handler: the same front, with the same checks. Aborting the signal of the request, or cancelling the body of
 * the response, is for the gateway what a closed connection is.
 *
 * @param maxHeaders largest head of a request in bytes, which for other requests the parser of Node holds
 */
export function fetchFront(front: Front, maxHeaders: number): FetchHandler {
  return (request, context = {}) => {
    const isRead = request.bodyUsed || request.body?.locked === true
    const exchange = new FetchRequest(request, context.address)
    const response = new FetchResponse(exchange)
    const leave = (): void => {
      exchange.destroy()
      response.destroy()
    }
    response.on('close', () => {
      request.signal.removeEventListener('abort', leave)
      // What was refused may not have been read.
      exchange.destroy()
    })
    request.signal.addEventListener('abort', leave)
    if (request.signal.aborted) leave()
    else if (isRead) front.refuse(exchange, response, bodyIsGone())
    else if (sizeOf(exchange) > maxHeaders) front.refuse(exchange, response, tooLarge(maxHeaders))
    else front.serve(exchange, response)
    return response.response
  }
}

function sizeOf({ url, rawHeaders }: FetchRequest): number {
  return rawHeaders.reduce((size, text) => size + text.length + 2, url.length)
}

function tooLarge(limit: number): GatewayError {
  return new GatewayError('TOO_MANY_HEADERS', `The head of the request is larger than ${limit} bytes`)
}
