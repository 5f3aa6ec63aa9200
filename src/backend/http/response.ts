import { isUtf8 } from 'node:buffer'
import type { Dispatcher } from 'undici'
import type { Clock } from '../../pipeline/clock.ts'
import { rawOf, scanJson } from '../../protocol/json.ts'
import { type ErrorMessage, type Message, type ResultMessage, parseMessage } from '../../protocol/message.ts'
import { type SseParser, createSseParser } from '../../protocol/sse.ts'
import type { Answer, ChannelFailure, Exchange } from '../channel.ts'

/** What reading a response needs from its channel. */
export interface ResponsePorts {
  readonly clock: Clock
  readonly maxReplyBytes: number
  /** Deepest nesting of JSON in a message. */
  readonly maxDepth: number
}

/** What a response is read for: the exchange as a whole, which may go on with another response. */
export interface Outcome {
  readonly exchange: Exchange
  /** Something of the request is about to be sent. */
  started(controller: Dispatcher.DispatchController): void
  /** False as long as surely nothing was sent. */
  readonly isStarted: boolean
  answer(answer: Answer): void
  fail(failure: ChannelFailure): void
  /** The connection ended without an answer. */
  lost(reason: string, rest: Resumable): void
}

/** Where a lost stream can be taken up again, if it can. */
export interface Resumable {
  readonly lastEventId: string | undefined
  /** Milliseconds that the server wants to be left alone. */
  readonly retry: number | undefined
  /** Whether there was a stream at all; a server may well end one only to be asked again. */
  readonly isOpen: boolean
}

/** What a response goes on from that is asked for after a loss. */
export interface Resumption {
  readonly lastEventId: string
  /** Why the stream before was lost. */
  readonly reason: string
}

/** Bytes of a useless answer that are kept for the log. */
const KEPT_BODY = 500
/** Time a stream gets to end after it has carried the answer, in milliseconds. */
const LINGER = 1000

/** How an answer's body is read. */
type BodyReader =
  | { readonly kind: 'json'; readonly chunks: Buffer[] }
  | { readonly kind: 'events'; readonly push: (chunk: Buffer) => void; readonly end: () => void }
  | { readonly kind: 'useless'; readonly chunks: Buffer[] }

/**
 * Reads one response of an exchange. The pool calls the object itself: a call makes no closures here, and above all none
 * that V8 would put into old space (accessors of literals, functions assigned to properties), where each would keep its
 * whole request until the next full collection.
 */
export class HttpResponse implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange
  readonly #ports: ResponsePorts
  readonly #outcome: Outcome
  #status = 0
  #session: string | undefined
  #reader: BodyReader = { kind: 'useless', chunks: [] }
  #received = 0
  #answered = false
  #cancelLinger: (() => void) | undefined
  #parser: SseParser | undefined
  #lastEventId: string | undefined
  readonly #resumption: Resumption | undefined

  constructor(outcome: Outcome, ports: ResponsePorts, resumption: Resumption | undefined) {
    this.#exchange = outcome.exchange
    this.#ports = ports
    this.#outcome = outcome
    this.#resumption = resumption
    this.#lastEventId = resumption?.lastEventId
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#outcome.started(controller)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#status = status
    this.#exchange.attempt?.alive()
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

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const reader = this.#reader
    if (reader.kind === 'events') {
      try {
        reader.push(chunk)
      } catch (error) {
        this.#giveUp(controller, reasonOf(error))
      }
      return
    }
    this.#exchange.attempt?.alive()
    this.#received += chunk.length
    const limit = reader.kind === 'json' ? this.#ports.maxReplyBytes : KEPT_BODY
    if (this.#received <= limit) reader.chunks.push(chunk)
    else if (reader.kind === 'json') this.#giveUp(controller, `answered with more than ${limit} bytes`)
  }

  onResponseEnd(): void {
    this.#cancelLinger?.()
    const reader = this.#reader
    if (reader.kind === 'events') reader.end()
    // A server that does not give the rest has nothing more to say: what is to be told is the loss.
    else if (this.#resumption !== undefined)
      this.#outcome.fail({ kind: 'broken', reason: this.#resumption.reason })
    else if (reader.kind === 'json') this.#readJson(reader.chunks)
    else this.#outcome.fail({ kind: 'status', status: this.#status, body: textOf(reader.chunks) })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#cancelLinger?.()
    if (this.#outcome.isStarted) this.#broke(reasonOf(error))
    else this.#outcome.fail({ kind: 'unreachable', reason: reasonOf(error) })
  }

  /** The connection is gone. */
  #broke(reason: string): void {
    const rest = {
      lastEventId: this.#lastEventId,
      retry: this.#parser?.retry(),
      isOpen: this.#reader.kind === 'events',
    }
    this.#outcome.lost(reason, rest)
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
      if (!this.#answered) this.#broke('the event stream ended without an answer')
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
      this.#exchange.attempt?.alive()
      if (event.event !== 'message' && event.event !== '') return
      if (paused) held.push(event.data)
      else take(event.data)
    }, this.#ports.maxReplyBytes)
    this.#parser = parser
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
