import type { Signal } from '../../pipeline/signal.ts'
import type { Clock } from '../../pipeline/clock.ts'
import type { Log } from '../../pipeline/log.ts'
import { rawOf } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { SseEvent } from '../../protocol/sse.ts'
import { type Channel, ChannelError, type ChannelEvents } from '../channel.ts'
import { createReader } from '../stdio/channel.ts'
import { type Exchanges, createExchanges } from '../stdio/exchanges.ts'
import type { QueuedLine } from '../stdio/write-queue.ts'
import type { HttpDispatch } from './exchange.ts'
import { readEventStream } from './stream.ts'

/** What a channel of the HTTP+SSE transport needs. */
export interface SseChannelPorts {
  readonly url: URL
  readonly dispatch: HttpDispatch
  readonly getHeaders: string[]
  /** Posts a message to a path of the same origin and yields the status. */
  post(path: string, text: string): Promise<number>
  readonly clock: Clock
  readonly log: Log
  readonly backend: string
  readonly maxReplyBytes: number
  readonly maxDepth: number
  readonly queue: number
  /** Milliseconds of silence after which the stream is taken for lost. */
  readonly silence: number
}

/**
 * Opens one session of the HTTP+SSE transport (2024-11-05, basic/transports "HTTP with SSE"): a GET stream whose first
 * event names the URL for messages, and on which everything comes that the server says. Settles when that event is
 * there. The channel ends with its stream, as that of a process does with the process.
 *
 * @throws ChannelError, or the reason of the signal
 */
export async function openSseChannel(
  ports: SseChannelPorts,
  events: ChannelEvents,
  signal: Signal,
): Promise<Channel> {
  const channel = new SseChannel(ports, events)
  const onAbort = (): void => channel.fail(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  try {
    await channel.opened
    return channel
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

class SseChannel implements Channel {
  readonly transport = 'sse'
  readonly #ports: SseChannelPorts
  readonly #events: ChannelEvents
  readonly #exchanges: Exchanges
  readonly #reader: ReturnType<typeof createReader>
  readonly #opened = Promise.withResolvers<void>()
  readonly #closing = new AbortController()
  #path: string | undefined
  #over: string | undefined

  constructor(ports: SseChannelPorts, events: ChannelEvents) {
    this.#ports = ports
    this.#events = events
    const bounds = { queue: ports.queue, characters: ports.maxReplyBytes }
    this.#exchanges = createExchanges({ write: (line, onSent) => this.#write(line, onSent) }, bounds)
    const { clock, log, maxDepth } = ports
    this.#reader = createReader(
      ports.backend,
      { clock, log, limits: { depth: maxDepth } },
      { exchanges: this.#exchanges, onMessage: (message) => events.onMessage(message) },
    )
    this.#opened.promise.catch(() => undefined)
    void this.#read()
  }

  /** Settles when messages can be sent. */
  get opened(): Promise<void> {
    return this.#opened.promise
  }

  exchange(exchange: Parameters<Channel['exchange']>[0]): ReturnType<Channel['exchange']> {
    if (this.#over === undefined) return this.#exchanges.start(exchange)
    return Promise.reject(new ChannelError({ kind: 'unreachable', reason: this.#over }))
  }

  async notify(text: string): Promise<void> {
    const { status } = await this.#post(text)
    if (status >= 300) throw new ChannelError({ kind: 'status', status, body: '' })
  }

  close(): Promise<void> {
    this.#end('The gateway closed the channel')
    return Promise.resolve()
  }

  /** Ends a channel that nobody has got yet. */
  fail(reason: unknown): void {
    this.#opened.reject(reason)
    this.#end('The gateway closed the channel')
  }

  async #read(): Promise<void> {
    const { dispatch, getHeaders: headers, maxReplyBytes, silence, clock } = this.#ports
    const stream = { dispatch, headers, maxReplyBytes, silence, clock, onOpen: () => undefined }
    let reason = 'The event stream ended'
    try {
      const onEvent = (event: SseEvent): void => this.#take(event)
      await readEventStream({ ...stream, onEvent, signal: this.#closing.signal })
      this.#opened.reject(new ChannelError({ kind: 'protocol', reason: 'ended its event stream at once' }))
    } catch (error) {
      this.#opened.reject(error)
      if (error instanceof ChannelError) reason = error.message
    }
    if (this.#end(reason)) this.#events.onEnd(reason)
  }

  #take({ event, data }: SseEvent): void {
    if (event === 'endpoint') this.#openAt(data)
    else if (data !== '' && (event === 'message' || event === '')) this.#reader.line(data)
  }

  /** Only the same origin is written to: whoever answers a GET must not send the gateway's credentials elsewhere. */
  #openAt(endpoint: string): void {
    if (this.#path !== undefined) return
    const url = URL.parse(endpoint, this.#ports.url)
    if (url?.origin !== this.#ports.url.origin) {
      const reason = 'names an endpoint of another origin for its messages'
      this.#opened.reject(new ChannelError({ kind: 'protocol', reason }))
      this.#end(reason)
      return
    }
    this.#path = `${url.pathname}${url.search}`
    this.#opened.resolve()
  }

  /** True the first time. */
  #end(reason: string): boolean {
    if (this.#over !== undefined) return false
    this.#over = reason
    this.#exchanges.failAll(() => ({ kind: 'broken', reason }))
    this.#closing.abort(new ChannelError({ kind: 'broken', reason }))
    return true
  }

  #write(line: string, onSent: (() => void) | undefined): QueuedLine {
    onSent?.()
    void this.#send(line)
    return { sent: true, withdraw: () => undefined }
  }

  /** Sends a message whose answer comes on the stream; what is refused has no answer. */
  async #send(line: string): Promise<void> {
    const message = parseMessage(line)
    const fail = (failure: ConstructorParameters<typeof ChannelError>[0]): void => {
      if (message.kind === 'request') this.#exchanges.fail(rawOf(message.text, message.id), failure)
    }
    try {
      const { status } = await this.#post(line)
      if (status < 300) return
      fail({ kind: 'status', status, body: '' })
      // The server does not know the session any more, whatever has become of the stream.
      if (status === 404 && this.#end('The server forgot the session')) this.#events.onEnd('session lost')
    } catch (error) {
      fail(error instanceof ChannelError ? error.failure : { kind: 'broken', reason: String(error) })
    }
  }

  async #post(text: string): Promise<{ readonly status: number }> {
    if (this.#over !== undefined || this.#path === undefined)
      throw new ChannelError({ kind: 'unreachable', reason: this.#over ?? 'The event stream is not open' })
    return { status: await this.#ports.post(this.#path, text) }
  }
}
