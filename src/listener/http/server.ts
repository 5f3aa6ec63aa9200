import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GatewayError } from '../../errors.ts'
import type { ListenerPorts } from '../ports.ts'
import { watchConnections } from './connections.ts'
import { MOST_HEADERS, type Readiness, createFront } from './front.ts'

/** A bound HTTP listener. */
export interface HttpListener {
  readonly host: string
  readonly port: number
  /** Legacy client sessions that are open. */
  readonly sessions: () => number
  /** Event streams that legacy clients hold open for what belongs to no call. */
  readonly streams: () => number
  /** Stops accepting; connections close as soon as they are idle. */
  drain(): void
  /** Ends every connection. */
  close(): Promise<void>
}

/** Milliseconds between two looks at how long headers take; Node's own 30 s would make the timeout three times as long. */
const CHECK_INTERVAL = 1000
const KEEP_ALIVE_TIMEOUT = 65_000
/**
 * Milliseconds of silence before TCP asks whether the peer is there: ten times, a second apart. Shorter than the pause
 * between two comments of an event stream, because what is unacknowledged stops the asking for a quarter of an hour.
 */
const TCP_KEEP_ALIVE = 10_000

/**
 * Binds the HTTP listener.
 *
 * @throws the error of `listen`, such as EADDRINUSE
 */
export async function listenHttp(ports: ListenerPorts, isReady: Readiness): Promise<HttpListener> {
  const front = createFront(ports, isReady)
  const { limits } = ports.settings
  const server = createServer({
    ...(limits.headerTimeout === undefined ? {} : { headersTimeout: limits.headerTimeout }),
    connectionsCheckingInterval: CHECK_INTERVAL,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    maxHeaderSize: ports.settings.limits.headers,
    // Of two Host headers Node would drop the second without a word; joined they are seen, and refused.
    joinDuplicateHeaders: true,
    // Bodies have their own timeout; an answer may take as long as its backend may.
    requestTimeout: 0,
    noDelay: true,
    // A peer that is gone without a word does not acknowledge this: its connection ends, and what it held with it.
    keepAlive: true,
    keepAliveInitialDelay: TCP_KEEP_ALIVE,
  })
  // Beyond it, Node refuses by itself or, before version 26, drops headers in silence: ours has to come first.
  server.maxHeadersCount = 2 * MOST_HEADERS
  const connections = watchConnections(server, limits, ports.clock)
  server.on('request', (request, response) => {
    if (connections.isSurplus(request.socket)) front.serveSurplus(request, response)
    else front.serve(request, response)
  })
  const { host, port } = ports.settings.listen
  await bind(server, host, port)
  const address = server.address() as AddressInfo
  return {
    host,
    port: address.port,
    sessions: () => front.sessions,
    streams: () => front.streams,
    drain() {
      front.drain()
      server.close()
      server.closeIdleConnections()
    },
    async close() {
      front.close(new GatewayError('DRAINING', 'The gateway is shutting down'))
      const closed = Promise.withResolvers<void>()
      server.close(() => closed.resolve())
      server.closeAllConnections()
      await closed.promise
    },
  }
}

function bind(server: Server, host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(port, host, () => {
    server.off('error', reject)
    resolve()
  })
  return promise
}
