import { timingSafeEqual } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
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
  /** The document of `/api/v1/health`. */
  readonly health: () => object
  /** What is served of the metrics; undefined where nothing is measured. */
  readonly metrics?: MetricsPorts | undefined
  readonly isReady: () => boolean
  /** Carries out what an operator orders for a backend; false where there is no such backend. */
  readonly order: (order: BackendOrder, backend: string) => boolean
}

/** The metrics as the admin listener serves them. */
export interface MetricsPorts {
  /** The document of `/api/v1/metrics`. */
  readonly document: () => object
  /** What `/metrics` answers to that `Accept` header. */
  readonly scrape: (accept: string | undefined) => {
    readonly contentType: string
    readonly pieces: Iterable<string>
  }
  /** A token that opens `/metrics` alone; undefined leaves the admin token alone. */
  readonly token: string | undefined
  /** Whether `/metrics` needs no token. */
  readonly open: boolean
}

/** What an operator may order: see `Gateway.order`. */
export type BackendOrder = 'isolate' | 'restore'

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
  if (request.method === 'POST') return obey(request, response, ports)
  if (request.method !== 'GET') return send(response, 405, { error: 'Only GET and POST are served' })
  if (path === '/healthz') return send(response, 200, { status: 'ok' })
  if (path === '/readyz') return send(response, ports.isReady() ? 200 : 503, { ready: ports.isReady() })
  if (path === '/metrics' && mayScrape(request, ports)) return scrape(request, response, ports)
  if (!isAuthorized(request, ports.token)) return refuse(response)
  const document = documentOf(path, ports)
  if (document !== undefined) return send(response, 200, document())
  send(response, 404, { error: 'Nothing is served at this path' })
}

function documentOf(path: string | undefined, ports: AdminPorts): (() => object) | undefined {
  switch (path) {
    case '/api/v1/status':
      return ports.status
    case '/api/v1/health':
      return ports.health
    case '/api/v1/metrics':
      return ports.metrics?.document
    default:
      return undefined
  }
}

/** Who reads metrics need not be able to do anything else: there can be a token for that alone. */
function mayScrape(request: IncomingMessage, { token, metrics }: AdminPorts): boolean {
  if (metrics?.open === true || isAuthorized(request, token)) return true
  return metrics?.token !== undefined && isAuthorized(request, metrics.token)
}

function scrape(request: IncomingMessage, response: ServerResponse, { metrics }: AdminPorts): void {
  if (metrics === undefined)
    return send(response, 404, { error: 'Nothing is measured: telemetry.metrics is off' })
  const { contentType, pieces } = metrics.scrape(request.headers.accept)
  const isPacked = /\bgzip\b(?! *; *q=0(\.0*)? *(,|$))/.test(request.headers['accept-encoding'] ?? '')
  response.writeHead(200, {
    'content-type': contentType,
    'cache-control': 'no-store',
    vary: 'accept, accept-encoding',
    ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
  })
  // Whoever goes away before the end has their reasons.
  const written = isPacked ? pipeline(pieces, createGzip(), response) : pipeline(pieces, response)
  written.catch(() => response.destroy())
}

/** Requests that browser pages forge say so by their `Origin`; those to a rebound name, by their `Host`. */
function isForged({ headers: { origin, host } }: IncomingMessage, local: boolean): boolean {
  return origin !== undefined || (local && host !== undefined && !isLoopbackAuthority(host))
}

const ORDER = /^\/api\/v1\/backends\/([A-Za-z0-9_-]{1,32})\/(isolate|restore)$/

/** Orders have no body: all that they say stands in the path. */
function obey(request: IncomingMessage, response: ServerResponse, ports: AdminPorts): void {
  if (!isAuthorized(request, ports.token)) return refuse(response)
  request.resume()
  const [, backend = '', order] = ORDER.exec(request.url ?? '') ?? []
  if (order === undefined) return send(response, 405, { error: 'Nothing is ordered at this path' })
  if (!ports.order(order as BackendOrder, backend))
    return send(response, 404, { error: `There is no backend ${backend}` })
  send(response, 200, { backend, order })
}

function refuse(response: ServerResponse): void {
  response.setHeader('www-authenticate', 'Bearer')
  send(response, 401, { error: 'The admin token is missing or wrong' })
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
