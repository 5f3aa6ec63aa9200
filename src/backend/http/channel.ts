import { Pool } from 'undici'
import type { HttpBackendConfig } from '../../config/types.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Message } from '../../protocol/message.ts'
import { type Answer, type Channel, ChannelError, type Exchange } from '../channel.ts'
import { type HttpDispatch, exchangeOverHttp } from './exchange.ts'
import { readEventStream } from './stream.ts'

/** What an HTTP channel needs from outside. */
export interface HttpChannelPorts {
  readonly clock: Clock
  /** Largest reply or single event in bytes. */
  readonly maxReplyBytes: number
  /** Deepest nesting of JSON in a message. */
  readonly maxDepth: number
  /** Value of `User-Agent`. */
  readonly userAgent: string
}

/** A channel over Streamable HTTP, with what only HTTP has: sessions that can be deleted and GET streams. */
export interface HttpChannel extends Channel {
  readonly transport: 'http'
  /**
   * Reads the GET stream of a legacy session until it ends (2025-11-25, basic/transports "Listening for Messages").
   *
   * @throws ChannelError; `status` 405 means that the server offers no such stream
   */
  listen(
    headers: Readonly<Record<string, string>>,
    onMessage: (message: Message) => void,
    signal: AbortSignal,
  ): Promise<void>
  /** Ends a legacy session; a failure does not matter. */
  deleteSession(headers: Readonly<Record<string, string>>): Promise<void>
}

/** Time that a dying session gets to be deleted, in milliseconds. */
const DELETE_TIMEOUT = 2000

/** Opens the connection pool of one backend. Nothing is sent yet. */
export function createHttpChannel(config: HttpBackendConfig, ports: HttpChannelPorts): HttpChannel {
  const url = new URL(config.url)
  // HTTP/2 stays off: its GOAWAY handling in undici 8 has lost requests in flight (nodejs/undici#5468).
  const pool = new Pool(url.origin, { connections: config.connections, allowH2: false, pipelining: 1 })
  const own = Object.entries(config.headers).flat()
  const path = `${url.pathname}${url.search}`
  const common = ['user-agent', ports.userAgent, ...own]
  const post = [
    'content-type',
    'application/json',
    'accept',
    'application/json, text/event-stream',
    ...common,
  ]
  const dispatch: HttpDispatch = (options, handler) => {
    const { method, headers, body } = options
    pool.dispatch({ path, method, headers, body: body ?? null, headersTimeout: 0, bodyTimeout: 0 }, handler)
  }
  const headersOf = (base: readonly string[], extra: Readonly<Record<string, string>>): string[] => {
    const headers = base.slice()
    for (const name in extra) {
      const value = extra[name]
      if (value !== undefined) headers.push(name, value)
    }
    return headers
  }
  const exchangePorts = { dispatch, ...ports }
  return {
    transport: 'http',
    exchange: (exchange: Exchange): Promise<Answer> =>
      exchangeOverHttp(exchange, headersOf(post, exchange.headers), exchangePorts),
    async notify(text, headers) {
      const status = await sendOnly(dispatch, {
        method: 'POST',
        headers: headersOf(post, headers),
        body: text,
      })
      if (status >= 300) throw new ChannelError({ kind: 'status', status, body: '' })
    },
    listen: (headers, onMessage, signal) =>
      readEventStream({
        dispatch,
        headers: headersOf(['accept', 'text/event-stream', ...common], headers),
        onMessage,
        signal,
        maxReplyBytes: ports.maxReplyBytes,
      }),
    async deleteSession(headers) {
      const request = sendOnly(dispatch, { method: 'DELETE', headers: headersOf(common, headers) })
      const timeout = Promise.withResolvers<void>()
      const cancel = ports.clock.after(DELETE_TIMEOUT, timeout.resolve)
      // Deleting is a courtesy: the server expires what nobody uses.
      await Promise.race([request.catch(() => undefined), timeout.promise])
      cancel()
    },
    async close() {
      await pool.destroy()
    },
  }
}

/** Sends a request whose answer has no body that matters and yields its status. */
function sendOnly(
  dispatch: HttpDispatch,
  options: { readonly method: 'POST' | 'DELETE'; readonly headers: string[]; readonly body?: string },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let status = 0
  let received = 0
  dispatch(options, {
    onRequestStart: () => undefined,
    onResponseStart(_controller, code) {
      status = code
    },
    onResponseData(controller, chunk) {
      received += chunk.length
      if (received > 65_536) controller.abort(new Error('Unexpected body'))
    },
    onResponseEnd: () => resolve(status),
    onResponseError: (_controller, error) => {
      if (status === 0) reject(new ChannelError({ kind: 'broken', reason: error.message }))
      else resolve(status)
    },
  })
  return promise
}
