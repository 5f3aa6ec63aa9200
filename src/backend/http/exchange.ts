import type { Dispatcher } from 'undici'
import { type Answer, ChannelError, type ChannelFailure, type Exchange } from '../channel.ts'
import { HttpResponse, type Outcome, type ResponsePorts, type Resumable } from './response.ts'

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

/** What exchanges need from their channel; made once for all of them. */
export interface HttpExchangePorts extends ResponsePorts {
  /** Sends the request. */
  readonly send: (exchange: Exchange, handler: Dispatcher.DispatchHandler) => void
  /** Asks for the rest of a stream that was lost after that event. */
  readonly resume: (exchange: Exchange, lastEventId: string, handler: Dispatcher.DispatchHandler) => void
}

/** Pause before a lost stream is asked for again, in milliseconds, unless the server names another. */
const RESUME_PAUSE = 1000
const LONGEST_PAUSE = 30_000
/** Times a lost stream is asked for in vain. */
const RESUME_TRIES = 3

/**
 * One POST and its answer, JSON or an event stream (2026-07-28 and 2025-11-25, basic/transports). Settles as soon
 * as the answer is there; what a server sends after it is read for a moment and thrown away.
 */
export function exchangeOverHttp(exchange: Exchange, ports: HttpExchangePorts): Promise<Answer> {
  const { signal } = exchange
  if (signal.aborted) return Promise.reject(signal.reason)
  // Not withResolvers, which calls into the runtime of V8 each time to be counted as a feature that is used.
  return new Promise((resolve, reject) => {
    const running = new HttpExchange(exchange, ports, { resolve, reject })
    ports.send(exchange, new HttpResponse(running, ports, undefined))
  })
}

/** Ends the exchange for whoever waits for it. */
interface Settle {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** An exchange until it is settled: over the response to its request and those that go on with a lost one. */
class HttpExchange implements Outcome {
  readonly exchange: Exchange
  isStarted = false
  readonly #ports: HttpExchangePorts
  readonly #onAbort: () => void
  /** Undefined once it has been used. */
  #settle: Settle | undefined
  #controller: Dispatcher.DispatchController | undefined
  #tries = 0
  #cancelPause: (() => void) | undefined

  constructor(exchange: Exchange, ports: HttpExchangePorts, settle: Settle) {
    this.exchange = exchange
    this.#ports = ports
    this.#settle = settle
    const onAbort = (): void => this.#abort()
    this.#onAbort = onAbort
    exchange.signal.addEventListener('abort', onAbort)
  }

  started(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.isStarted = true
    if (this.exchange.signal.aborted) controller.abort(new Error('cancelled'))
    else this.exchange.attempt?.sent()
  }

  answer(answer: Answer): void {
    this.#settled()?.resolve(answer)
  }

  fail(failure: ChannelFailure): void {
    this.#settled()?.reject(new ChannelError(failure))
  }

  /** 2025-11-25, basic/transports "Resumability and Redelivery". Modern streams cannot be resumed. */
  lost(reason: string, { lastEventId, retry, isOpen }: Resumable): void {
    this.#tries = isOpen ? 1 : this.#tries + 1
    const isFinal = this.exchange.era === 'modern' || this.#tries > RESUME_TRIES
    if (this.#settle === undefined || isFinal || lastEventId === undefined)
      return this.fail({ kind: 'broken', reason })
    const pause = Math.min(retry ?? RESUME_PAUSE, LONGEST_PAUSE)
    const again = (): void => {
      const rest = new HttpResponse(this, this.#ports, { lastEventId, reason })
      this.#ports.resume(this.exchange, lastEventId, rest)
    }
    this.#cancelPause = this.#ports.clock.after(pause, again)
  }

  #abort(): void {
    this.#settled()?.reject(this.exchange.signal.reason)
    this.#controller?.abort(new Error('cancelled'))
  }

  #settled(): Settle | undefined {
    const settle = this.#settle
    if (settle === undefined) return undefined
    this.#settle = undefined
    this.exchange.signal.removeEventListener('abort', this.#onAbort)
    this.#cancelPause?.()
    return settle
  }
}
