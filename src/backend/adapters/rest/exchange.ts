import type { Dispatcher } from 'undici'
import type { Attempt } from '../../../pipeline/attempt.ts'
import type { Signal } from '../../../pipeline/signal.ts'
import { ChannelError, type ChannelFailure } from '../../channel.ts'
import type { HttpDispatch } from '../../http/exchange.ts'
import { reasonOf } from '../../http/response.ts'

/** One request to a service. */
export interface RestRequest {
  readonly dispatch: HttpDispatch
  readonly method: 'GET' | 'POST'
  /** With the query. */
  readonly path: string
  /** Names and values in turn. */
  readonly headers: string[]
  readonly body?: string
  /** Aborting ends the request, and its connection. */
  readonly signal: Signal
  readonly attempt?: Attempt | undefined
  /** Largest body of a good answer in bytes. */
  readonly maxBytes: number
}

/** What a service answered. */
export interface RestAnswer {
  /** 200 to 999. */
  readonly status: number
  /** The media type in lower case, without parameters; `''` where there is none. */
  readonly type: string
  /** The charset that it names, in lower case. */
  readonly charset: string | undefined
  /** Of an answer with another status than 200 to 299 only the beginning. */
  readonly body: Buffer
}

/** Bytes that are kept of an answer that is no good one, and bytes after which nobody reads on. */
const KEPT = 8192
const LONGEST_REFUSAL = 65_536

/**
 * Sends one request and reads its answer, bounded. Redirects are answers like others: credentials must not follow them.
 *
 * @throws ChannelError where there is no answer, or one that is too large or compressed; or the reason of the signal
 */
export function askService(request: RestRequest): Promise<RestAnswer> {
  const { signal, dispatch, method, path, headers, body } = request
  if (signal.aborted) return Promise.reject(signal.reason)
  const { promise, resolve, reject } = Promise.withResolvers<RestAnswer>()
  const exchange = new RestExchange(request, { resolve, reject })
  try {
    dispatch({ method, path, headers, ...(body === undefined ? {} : { body }) }, exchange)
  } catch (error) {
    // What cannot be signed is not sent.
    exchange.refuse(error)
  }
  return promise
}

interface Settle {
  readonly resolve: (answer: RestAnswer) => void
  readonly reject: (error: unknown) => void
}

class RestExchange implements Dispatcher.DispatchHandler {
  readonly #request: RestRequest
  readonly #onAbort: () => void
  /** Undefined once it has been used. */
  #settle: Settle | undefined
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #type = ''
  #charset: string | undefined
  readonly #chunks: Buffer[] = []
  #received = 0

  constructor(request: RestRequest, settle: Settle) {
    this.#request = request
    this.#settle = settle
    const onAbort = (): void => this.#giveUp(request.signal.reason)
    this.#onAbort = onAbort
    request.signal.addEventListener('abort', onAbort)
  }

  /** Ends an exchange that was not begun. */
  refuse(error: unknown): void {
    this.#settled()?.reject(error)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#request.signal.aborted) controller.abort(new Error('cancelled'))
    else this.#request.attempt?.sent()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    this.#request.attempt?.alive()
    // RFC 9110 §15.2: the answer is still to come.
    if (status < 200) return
    this.#status = status
    const [, type = '', rest = ''] = MEDIA_TYPE.exec(String(headers['content-type'] ?? '')) ?? []
    this.#type = type.toLowerCase()
    this.#charset = CHARSET.exec(rest)?.[1]?.toLowerCase()
    const encoding = String(headers['content-encoding'] ?? 'identity').toLowerCase()
    if (encoding === 'identity') return
    // Nobody asked for it, and what it hides has no bound.
    if (this.#isGood) this.#fail({ kind: 'protocol', reason: 'answered with compressed content' })
    else this.#answerEarly([])
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#request.attempt?.alive()
    const before = this.#received
    this.#received += chunk.length
    if (this.#isGood) {
      const { maxBytes } = this.#request
      if (this.#received <= maxBytes) this.#chunks.push(chunk)
      else this.#fail({ kind: 'protocol', reason: `answered with more than ${maxBytes} bytes` })
      return
    }
    if (before < KEPT) this.#chunks.push(chunk.subarray(0, KEPT - before))
    if (this.#received > LONGEST_REFUSAL) this.#answerEarly(this.#chunks)
  }

  onResponseEnd(): void {
    this.#answer(this.#chunks)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const kind = this.#controller === undefined ? 'unreachable' : 'broken'
    this.#fail({ kind, reason: reasonOf(error) })
  }

  get #isGood(): boolean {
    return this.#status >= 200 && this.#status < 300
  }

  #answer(chunks: readonly Buffer[]): void {
    const [first] = chunks
    const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
    this.#settled()?.resolve({ status: this.#status, type: this.#type, charset: this.#charset, body })
  }

  /** The rest is of no use, and may never end. */
  #answerEarly(chunks: readonly Buffer[]): void {
    this.#answer(chunks)
    this.#controller?.abort(new Error('answered'))
  }

  #fail(failure: ChannelFailure): void {
    this.#giveUp(new ChannelError(failure))
  }

  #giveUp(reason: unknown): void {
    this.#settled()?.reject(reason)
    this.#controller?.abort(new Error('given up'))
  }

  #settled(): Settle | undefined {
    const settle = this.#settle
    this.#settle = undefined
    this.#request.signal.removeEventListener('abort', this.#onAbort)
    return settle
  }
}

/** RFC 9110 §8.3.1. */
const MEDIA_TYPE = /^\s*([!#$%&'*+.^_`|~0-9a-z-]{1,100}\/[!#$%&'*+.^_`|~0-9a-z-]{1,100})\s*(?:;(.*))?$/i
const CHARSET = /(?:^|;)\s*charset\s*=\s*"?([\w.:-]{1,40})"?/i
