import { Pool, buildConnector } from 'undici'
import type { SigningConfig } from '../../config/signing-schema.ts'
import type { HttpBackendConfig } from '../../config/types.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { createSigner } from '../../signing/sign.ts'
import type { Exchange } from '../channel.ts'
import type { HttpDispatch } from './exchange.ts'
import { createSpares } from './spares.ts'

/** What connections are made with; the same for whatever is spoken over them. */
export type WireConfig = Pick<
  HttpBackendConfig,
  'url' | 'headers' | 'connections' | 'warm' | 'keepAlive' | 'signing' | 'resilience'
>

/** What connections need from outside. */
export interface WirePorts {
  readonly clock: Clock
  /** Milliseconds for which an event stream that is not one of a call may be silent. */
  readonly silence: number
  /** Value of `User-Agent`. */
  readonly userAgent: string
}

/** The connections to one endpoint, and how requests are addressed. */
export interface Wire {
  readonly url: URL
  /** Sends what ends soon; requests wait for a connection where all are in use. */
  readonly dispatch: HttpDispatch
  /** Sends what may stay open for long. */
  readonly dispatchAside: HttpDispatch
  /** Sends an exchange in the way that fits it. */
  readonly dispatchFor: (exchange: Pick<Exchange, 'isEndless' | 'patient'>) => HttpDispatch
  /** Headers of a request, names and values in turn: those given, those of every request, and further ones. */
  readonly headersOf: (base: readonly string[], extra: Readonly<Record<string, string>>) => string[]
  /** Ends every connection; what is under way fails. */
  readonly close: () => Promise<void>
}

/** Opens the connection pools of one endpoint. Nothing is sent yet, and redirects are never followed. */
export function openWire(config: WireConfig, ports: WirePorts): Wire {
  const url = new URL(config.url)
  // HTTP/2 stays off: its GOAWAY handling in undici 8 has lost requests in flight (nodejs/undici#5468).
  const tuning = {
    ...retirement(config),
    allowH2: false,
    pipelining: 1,
    connect: { timeout: config.resilience.connect },
  }
  let sent = 0
  const spares = createSpares(config.warm ?? (url.protocol === 'https:' ? 1 : 0), {
    clock: ports.clock,
    connect: buildConnector({ ...tuning.connect, allowH2: false }),
    sent: () => sent,
  })
  const pool = new Pool(url.origin, { connections: config.connections, ...tuning, connect: spares.connect })
  // What stays open for long, and what such exchanges need to go on, must never wait behind each other. Their number
  // is bounded where they come from: by sessions and by calls.
  const side = new Pool(url.origin, { connections: null, ...tuning })
  const own = Object.entries(config.headers).flat()
  const path = `${url.pathname}${url.search}`
  const common = ['user-agent', ports.userAgent, ...own]
  const through =
    (connections: Pool): HttpDispatch =>
    ({ method, headers, body = null, path: at = path, headersTimeout = 0, bodyTimeout = 0 }, handler) => {
      sent++
      connections.dispatch({ path: at, method, headers, body, headersTimeout, bodyTimeout }, handler)
    }
  const signed = config.signing === undefined ? through : signing(config.signing, url, ports.clock)(through)
  const dispatch = signed(pool)
  const dispatchAside = signed(side)
  const dispatchEndless: HttpDispatch = (options, handler) =>
    dispatchAside({ ...options, bodyTimeout: ports.silence, headersTimeout: ports.silence }, handler)
  const dispatchFor = ({ isEndless, patient }: Pick<Exchange, 'isEndless' | 'patient'>): HttpDispatch => {
    if (isEndless === true) return dispatchEndless
    return patient === true ? dispatchAside : dispatch
  }
  const headersOf = (base: readonly string[], extra: Readonly<Record<string, string>>): string[] => {
    const headers = [...base, ...common]
    for (const name in extra) {
      const value = extra[name]
      if (value !== undefined) headers.push(name, value)
    }
    return headers
  }
  const close = async (): Promise<void> => {
    spares.close()
    await Promise.all([pool.destroy(), side.destroy()])
  }
  return { url, dispatch, dispatchAside, dispatchFor, headersOf, close }
}

/** Signs every request just before it is sent, so that what is covered is what the backend gets. */
function signing(config: SigningConfig, url: URL, clock: Clock) {
  const sign = createSigner(config, clock)
  return (through: (connections: Pool) => HttpDispatch) =>
    (connections: Pool): HttpDispatch => {
      const dispatch = through(connections)
      return (options, handler) => {
        const { method, headers, body, path } = options
        // A path that begins with two slashes would be another server's, taken as a reference.
        const at = path === undefined ? url : new URL(url.origin + path)
        dispatch({ ...options, headers: [...headers, ...sign({ method, url: at, headers, body })] }, handler)
      }
    }
}

/** Milliseconds before the end that a server names for an idle connection (`Keep-Alive: timeout`) at which it is given up. */
const KEEP_ALIVE_MARGIN = 2000

/**
 * Idle connections are given up before the server does: a request that meets the end of its connection is lost, and
 * nobody knows whether it was carried out. A server that names a time of the margin or less gets every request on a
 * connection of its own.
 */
function retirement({ keepAlive }: WireConfig) {
  return {
    ...(keepAlive === undefined ? {} : { keepAliveTimeout: keepAlive }),
    keepAliveTimeoutThreshold: KEEP_ALIVE_MARGIN,
  }
}
