/** Something in front of a scripted HTTP server that misbehaves as a test wants it. */
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import type { Scope } from './scope.ts'

/** A request that comes by, before the server sees it. */
export interface Passing {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: string
}

/**
 * Opens a server that passes every request on to `origin`, unless `intercept` has answered it itself and says so.
 * Yields its URL.
 */
export async function front(
  scope: Scope,
  origin: string,
  intercept: (passing: Passing) => boolean,
): Promise<string> {
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readText(request)
    if (!intercept({ request, response, body })) await passOn(origin, { request, response, body })
  }
  // What an idle connection gets is for `intercept` to say.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  scope.after(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
}

async function passOn(origin: string, { request, response, body }: Passing): Promise<void> {
  const abort = new AbortController()
  response.on('close', () => abort.abort())
  const headers = Object.entries(request.headers).filter(([name]) =>
    /^(mcp-|accept$|content-type$)/.test(name),
  )
  const answer = await fetch(origin, {
    method: request.method ?? 'POST',
    ...(body === '' ? {} : { body }),
    headers: Object.fromEntries(headers.map(([name, value]) => [name, String(value)])),
    signal: abort.signal,
  })
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
  for await (const chunk of answer.body ?? []) response.write(chunk)
  response.end()
}
