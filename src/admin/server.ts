import { timingSafeEqual } from 'node:crypto'
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isLoopback, isLoopbackAuthority } from '../config/listen.ts'
import type { AdminConfig } from '../config/types.ts'

/** What the admin listener shows. */
export interface AdminPorts {
  /** Required as a bearer token by everything but the health checks. */
  readonly token: string
  /** The document of `/api/v1/status`. */
  readonly status: () => object
  readonly isReady: () => boolean
}

/** A bound admin listener. */
export interface AdminListener {
  /** `http://host:port` */
  readonly url: string
  close(): Promise<void>
}

/**
 * Binds the admin listener: what operators ask the gateway, apart from what clients do.
 *
 * @throws the error of binding, such as EADDRINUSE
 */
export async function listenAdmin(config: AdminConfig, ports: AdminPorts): Promise<AdminListener> {
  const local = isLoopback(config.listen.host)
  const server = createServer({ headersTimeout: 5000, requestTimeout: 10_000 }, (request, response) => {
    if (isForged(request, local)) return send(response, 403, { error: 'Browser requests are not served' })
    serve(request, response, ports)
  })
  const bound = Promise.withResolvers<void>()
  server.once('error', bound.reject)
  server.listen(config.listen.port, config.listen.host, bound.resolve)
  await bound.promise
  const { port } = server.address() as AddressInfo
  const host = config.listen.host.includes(':') ? `[${config.listen.host}]` : config.listen.host
  return {
    url: `http://${host}:${port}`,
    async close() {
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

function serve(request: IncomingMessage, response: ServerResponse, ports: AdminPorts): void {
  const path = (request.url ?? '/').split('?', 1)[0]
  if (request.method !== 'GET') return send(response, 405, { error: 'Only GET is served' })
  if (path === '/healthz') return send(response, 200, { status: 'ok' })
  if (path === '/readyz') return send(response, ports.isReady() ? 200 : 503, { ready: ports.isReady() })
  if (!isAuthorized(request, ports.token)) {
    response.setHeader('www-authenticate', 'Bearer')
    return send(response, 401, { error: 'The admin token is missing or wrong' })
  }
  if (path === '/api/v1/status') return send(response, 200, ports.status())
  send(response, 404, { error: 'Nothing is served at this path' })
}

/** Requests that browser pages forge say so by their `Origin`; those to a rebound name, by their `Host`. */
function isForged({ headers: { origin, host } }: IncomingMessage, local: boolean): boolean {
  return origin !== undefined || (local && host !== undefined && !isLoopbackAuthority(host))
}

function isAuthorized(request: IncomingMessage, token: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  })
  response.end(text)
}
