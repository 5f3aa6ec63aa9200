import type { IncomingMessage, ServerResponse } from 'node:http'
import { bodyIsGone } from './body.ts'
import type { Front } from './front.ts'

/**
 * Serves the requests of somebody else's Node server.
 *
 * @param next called for a path that is not the gateway's own; without it such a request is answered with 404
 */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void

/** What frameworks in the manner of Connect keep of a request whose URL they shorten. */
type Shortened = IncomingMessage & { readonly originalUrl?: string }

/**
 * Makes the handler. Frameworks take the place where it is mounted off the front of the URL (`/mcp` mounted at `/mcp`
 * comes as `/`): the URL as it was is looked at first, then what is left of it, and the first that is a path of the
 * gateway counts. Where a framework asks further, it is left to it who answers `/healthz` and `/readyz`.
 */
export function mountedFront(front: Front): NodeHandler {
  return (request: Shortened, response, next) => {
    const { url = '/', originalUrl = url } = request
    const own = [originalUrl, url].find((one) => front.serves(pathOf(one)))
    if (own === undefined && next !== undefined) return next()
    if (own !== undefined) request.url = own
    // HTTP/2 has another name for it (RFC 9113 §8.3.1), and must not pass for a request that says nothing.
    const authority = request.headers[':authority']
    if (typeof authority === 'string') request.headers.host ??= authority
    if (!request.readableEnded) return front.serve(request, response)
    front.refuse(request, response, bodyIsGone())
  }
}

function pathOf(url: string): string {
  const [path = '/'] = url.split('?', 1)
  return path
}
