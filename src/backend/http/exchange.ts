import { isUtf8 } from 'node:buffer'
import type { Dispatcher } from 'undici'
import type { Clock } from '../../pipeline/clock.ts'
import { scanJson, rawOf } from '../../protocol/json.ts'
import { type ErrorMessage, type Message, type ResultMessage, parseMessage } from '../../protocol/message.ts'
import { createSseParser } from '../../protocol/sse.ts'
import { type Answer, ChannelError, type ChannelFailure, type Exchange } from '../channel.ts'

/** What a request of ours says to the pool beyond the constant options. */
export interface HttpRequestOptions {
  readonly method: 'POST' | 'GET' | 'DELETE'
  readonly headers: string[]
  readonly body?: string
  /** Milliseconds of silence in the answer after which it is taken for lost; default for ever. */
  readonly bodyTimeout?: number
  /** Milliseconds within which an answer must have begun; default for ever. */
  readonly headersTimeout?: number
  /** Path and query where they are not those of the backend's URL. */
  readonly path?: string
}

/** Sends a request of ours through the pool of the backend. */
export type HttpDispatch = (options: HttpRequestOptions, handler: Dispatcher.DispatchHandler) => void

/** What one exchange needs from its channel. */
export interface HttpExchangePorts {
  readonly dispatch: HttpDispatch
  readonly headers: string[]
  readonly clock: Clock
  readonly maxReplyBytes: number
  /** Deepest nesting of JSON in a message. */
  readonly maxDepth: number
  /** Asks for the rest of a stream that was lost after that event. */
  readonly resume: (lastEventId: string, handler: Dispatcher.DispatchHandler) => void
}

/** Bytes of a useless answer that are kept for the log. */
const KEPT_BODY = 500

/** Time a stream gets to end after it has carried the answer, in milliseconds. */
const LINGER = 1000

/** Pause before a lost stream is asked for again, in milliseconds, unless the server names another. */
const RESUME_PAUSE = 1000
const LONGEST_PAUSE = 30_000

/** Times a lost stream is asked for in vain. */
const RESUME_TRIES = 3

/** How an answer's body is read. */
type BodyReader =
  | { readonly kind: 'json'; readonly chunks: Buffer[] }
  | { readonly kind: 'events'; readonly push: (chunk: Buffer) => void; readonly end: () => void }
  | { readonly kind: 'useless'; readonly chunks: Buffer[] }

/**
 * One POST and its answer, JSON or an event stream (2026-07-28 and 2025-11-25, basic/transports). Settles as soon
 * as the answer is there; what a server sends after it is read for a moment and thrown away.
 */
export function exchangeOverHttp(exchange: Exchange, ports: HttpExchangePorts): Promise<Answer> {
  const { signal } = exchange
  if (signal.aborted) return Promise.reject(signal.reason as Error)
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  let settled = false
  let isStarted = false
  let controller: Dispatcher.DispatchController | undefined
  const onAbort = (): void => {
    fail(signal.reason as Error)
    controller?.abort(new Error('cancelled'))
  }
  const settle = (): boolean => {
    if (settled) return false
    settled = true
    signal.removeEventListener('abort', onAbort)
    return true
  }
  const fail = (error: Error): void => {
    if (settle()) reject(error)
  }
  const failWith = (failure: ChannelFailure): void => fail(new ChannelError(failure))
  let tries = 0
  let cancelPause: (() => void) | undefined
  const outcome: Outcome = {
    answer: (answer) => {
      if (settle()) resolve(answer)
    },
    fail: failWith,
    lost: (reason, rest) => {
      // 2025-11-25, basic/transports "Resumability and Redelivery". Modern streams cannot be resumed.
      tries = rest.isOpen ? 1 : tries + 1
      const { lastEventId } = rest
      if (settled || exchange.era === 'modern' || lastEventId === undefined || tries > RESUME_TRIES)
        return failWith({ kind: 'broken', reason })
      const pause = Math.min(rest.retry ?? RESUME_PAUSE, LONGEST_PAUSE)
      cancelPause = ports.clock.after(pause, () => {
        const again = new Response({ exchange, ports, outcome }, { lastEventId, reason })
        ports.resume(lastEventId, handlerOf(again, started))
      })
    },
  }
  const started: Started = {
    onStart(newController) {
      controller = newController
      isStarted = true
      if (signal.aborted) newController.abort(new Error('cancelled'))
    },
    onUnreachable: (reason) => failWith({ kind: 'unreachable', reason }),
    isStarted: () => isStarted,
  }
  signal.addEventListener('abort', onAbort)
  ports.dispatch(
    { method: 'POST', headers: ports.headers, body: exchange.text },
    handlerOf(new Response({ exchange, ports, outcome }), started),
  )
  return promise.finally(() => cancelPause?.())
}

/** Knows whether anything of an exchange has been sent. */
interface Started {
  onStart(controller: Dispatcher.DispatchController): void
  onUnreachable(reason: string): void
  isStarted(): boolean
}

function handlerOf(response: Response, started: Started): Dispatcher.DispatchHandler {
  return {
    onRequestStart: (controller) => started.onStart(controller),
    onResponseStart: (controller, status, headers) => response.start(controller, status, headers),
    onResponseData: (controller, chunk) => response.data(controller, chunk),
    onResponseEnd: () => response.end(),
    onResponseError(_controller, error) {
      response.close()
      if (started.isStarted()) response.broke(reasonOf(error))
      else started.onUnreachable(reasonOf(error))
    },
  }
}

interface Outcome {
  answer(answer: Answer): void
  fail(failure: ChannelFailure): void
  /** The connection ended without an answer. */
  lost(reason: string, rest: Resumable): void
}

/** Where a lost stream can be taken up again, if it can. */
interface Resumable {
  readonly lastEventId: string | undefined
  /** Milliseconds that the server wants to be left alone. */
  readonly retry: number | undefined
  /** Whether there was a stream at all; a server may well end one only to be asked again. */
  readonly isOpen: boolean
}

/** What a response goes on from that is asked for after a loss. */
interface Resumption {
  readonly lastEventId: string
  /** Why the stream before was lost. */
  readonly reason: string
}

/** What every response of one exchange works for. */
interface ResponseContext {
  readonly exchange: Exchange
  readonly ports: HttpExchangePorts
  readonly outcome: Outcome
}

/** Reads one response of an exchange. */
class Response {
  readonly #exchange: Exchange
  readonly #ports: HttpExchangePorts
  readonly #outcome: Outcome
  #status = 0
  #session: string | undefined
  #reader: BodyReader = { kind: 'useless', chunks: [] }
  #received = 0
  #answered = false
  #cancelLinger: (() => void) | undefined
  #retry: () => number | undefined = () => undefined
  #lastEventId: string | undefined
  readonly #resumption: Resumption | undefined

  constructor(context: ResponseContext, resumption?: Resumption) {
    this.#exchange = context.exchange
    this.#ports = context.ports
    this.#outcome = context.outcome
    this.#resumption = resumption
    this.#lastEventId = resumption?.lastEventId
  }

  start(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#status = status
    const session = headers['mcp-session-id']
    this.#session = typeof session === 'string' ? session : undefined
    const type = String(headers['content-type'] ?? '').toLowerCase()
    // Credentials are between gateway and backend: what a body says about them is not for the client.
    if (status === 401 || status === 403) return
    if (type.startsWith('application/json')) this.#reader = { kind: 'json', chunks: [] }
    else if (type.startsWith('text/event-stream') && status === 200)
      this.#reader = this.#eventReader(controller)
    else if (status >= 200 && status < 300 && this.#resumption === undefined) {
      this.#giveUp(controller, `answered a request with ${status} and content type "${type.slice(0, 80)}"`)
    }
  }

  data(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const reader = this.#reader
    if (reader.kind === 'events') {
      try {
        reader.push(chunk)
      } catch (error) {
        this.#giveUp(controller, reasonOf(error))
      }
      return
    }
    this.#received += chunk.length
    const limit = reader.kind === 'json' ? this.#ports.maxReplyBytes : KEPT_BODY
    if (this.#received <= limit) reader.chunks.push(chunk)
    else if (reader.kind === 'json') this.#giveUp(controller, `answered with more than ${limit} bytes`)
  }

  end(): void {
    this.close()
    const reader = this.#reader
    if (reader.kind === 'events') reader.end()
    // A server that does not give the rest has nothing more to say: what is to be told is the loss.
    else if (this.#resumption !== undefined)
      this.#outcome.fail({ kind: 'broken', reason: this.#resumption.reason })
    else if (reader.kind === 'json') this.#readJson(reader.chunks)
    else this.#outcome.fail({ kind: 'status', status: this.#status, body: textOf(reader.chunks) })
  }

  /** The connection is gone. */
  broke(reason: string): void {
    const rest = {
      lastEventId: this.#lastEventId,
      retry: this.#retry(),
      isOpen: this.#reader.kind === 'events',
    }
    this.#outcome.lost(reason, rest)
  }

  close(): void {
    this.#cancelLinger?.()
  }

  #readJson(chunks: Buffer[]): void {
    const [first] = chunks
    const bytes = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
    if (!isUtf8(bytes)) return this.#useless('answered with invalid UTF-8', chunks)
    const text = bytes.toString('utf8')
    const message = this.#parse(text)
    if (message.kind === 'bad') {
      if (message.problem === 'shape' && this.#readBatch(text)) return
      return this.#useless(`answered with no JSON-RPC message (${message.reason})`, chunks)
    }
    if (message.kind === 'result' || message.kind === 'error') {
      if (this.#accept(message)) return
      return this.#useless('answered with the id of another request', chunks)
    }
    this.#useless(`answered with a ${message.kind} instead of a response`, chunks)
  }

  #parse(text: string): ReturnType<typeof parseMessage> {
    return parseMessage(text, { maxDepth: this.#ports.maxDepth })
  }

  /** 2025-03-26 servers may answer with an array of messages. */
  #readBatch(text: string): boolean {
    const root = scanJson(text, { detail: 1, maxDepth: this.#ports.maxDepth })
    if (root.kind !== 'array') return false
    for (const item of root.items ?? []) void this.#take(this.#parse(rawOf(text, item)))
    return this.#answered
  }

  /** A body that is no answer: with an error status the status is the news, otherwise the broken protocol is. */
  #useless(reason: string, chunks: Buffer[]): void {
    if (this.#status < 400) return this.#protocolError(reason)
    this.#outcome.fail({ kind: 'status', status: this.#status, body: textOf(chunks) })
  }

  #protocolError(reason: string): void {
    this.#outcome.fail({ kind: 'protocol', reason })
  }

  /** What else comes is of no use, and may never end. */
  #giveUp(controller: Dispatcher.DispatchController, reason: string): void {
    this.#protocolError(reason)
    controller.abort(new Error('protocol error'))
  }

  #accept(message: ResultMessage | ErrorMessage): boolean {
    const id = message.id === undefined ? undefined : rawOf(message.text, message.id)
    // An error without an id still belongs to this exchange: HTTP correlates it.
    if (id !== this.#exchange.id && !(id === undefined && message.kind === 'error')) return false
    if (!this.#answered) {
      this.#answered = true
      this.#outcome.answer({ message, status: this.#status, session: this.#session })
    }
    return true
  }

  #take(message: Message | { readonly kind: 'bad'; readonly reason: string }): Promise<void> | undefined {
    switch (message.kind) {
      case 'bad':
        this.#protocolError(`sent an event that is no JSON-RPC message (${message.reason})`)
        return undefined
      case 'result':
      case 'error':
        this.#accept(message)
        return undefined
      case 'notification':
        return this.#answered ? undefined : this.#exchange.onNotification(message)
      case 'request':
        this.#exchange.onRequest(message)
        return undefined
    }
  }

  #eventReader(controller: Dispatcher.DispatchController): BodyReader {
    // Events of a chunk whose reader asked for a pause: the pause holds the connection, not what has arrived.
    const held: string[] = []
    let paused = false
    let ended = false
    const finish = (): void => {
      if (!this.#answered) this.broke('the event stream ended without an answer')
    }
    const release = (): void => {
      paused = false
      for (let data = held.shift(); data !== undefined; data = paused ? undefined : held.shift()) take(data)
      if (paused) return
      if (ended) finish()
      else controller.resume()
    }
    const take = (data: string): void => {
      // Servers that support resuming begin with an event that has an id and no data.
      if (data === '' || this.#answered) return
      const message = this.#parse(data)
      if (message.kind === 'bad')
        return this.#giveUp(controller, `sent an event that is no JSON-RPC message (${message.reason})`)
      const ready = this.#take(message)
      if (ready !== undefined) {
        paused = true
        controller.pause()
        void ready.finally(release)
      }
      if (this.#answered)
        this.#cancelLinger = this.#ports.clock.after(LINGER, () => controller.abort(new Error('answered')))
    }
    const parser = createSseParser((event) => {
      this.#lastEventId = event.id ?? this.#lastEventId
      if (event.event !== 'message' && event.event !== '') return
      if (paused) held.push(event.data)
      else take(event.data)
    }, this.#ports.maxReplyBytes)
    this.#retry = () => parser.retry
    return {
      kind: 'events',
      push: (chunk) => parser.push(chunk),
      end() {
        parser.end()
        ended = true
        if (!paused) finish()
      },
    }
  }
}

function textOf(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8').slice(0, KEPT_BODY)
}

/** The reason of a failed connection, without the address: clients may see it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown failure'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'host name not found'
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
    case 'EPIPE':
      return 'connection lost'
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return 'connection timed out'
    default:
      return code ?? error.message
  }
}
