import { EventEmitter } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import type { HttpRequest, HttpResponse } from './exchange.ts'

/** A `Request` of the Fetch standard as the listener reads requests. */
export class FetchRequest implements HttpRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly socket: HttpRequest['socket']
  readonly #body: Readable

  /** @param address of the client, where whoever accepted the request knows it */
  constructor({ method, url, headers, body }: Request, address: string | undefined) {
    const { pathname, search, host, port, protocol } = new URL(url)
    this.method = method
    this.url = pathname + search
    // Servers that make a Request put what Host said into its URL.
    this.headers = { host, ...Object.fromEntries(headers) }
    this.rawHeaders = [...headers].flat()
    const localPort = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
    this.socket = { remoteAddress: address, localPort }
    // One that somebody reads already cannot be read, and whoever made this has to refuse it.
    this.#body = body === null || body.locked ? Readable.from([]) : Readable.fromWeb(body)
    // Whoever reads hears of the end of a broken body by `close`.
    this.#body.on('error', () => undefined)
  }

  get complete(): boolean {
    return this.#body.readableEnded
  }

  on(event: 'data' | 'end' | 'close', listener: (chunk: Buffer) => void): this {
    this.#body.on(event, listener)
    return this
  }

  pause(): void {
    this.#body.pause()
  }

  /** Lets go of what has not been read. */
  destroy(): void {
    this.#body.destroy()
  }
}

/** Bytes of a streamed body that may wait for whoever reads it. */
const WAITING = 65_536

/** Headers of one connection, of which a `Response` has none (RFC 9110 §7.6.1). */
const OF_CONNECTION: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])

/** Statuses whose response has no body (Fetch Standard, "null body status"). */
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/** What the listener writes, as a `Response`: whole, or as a stream as soon as something is written before the end. */
export class FetchResponse implements HttpResponse {
  readonly req: HttpRequest
  /** Settles with the head, while the body may go on. Never rejects. */
  readonly response: Promise<Response>
  headersSent = false
  destroyed = false
  writableFinished = false
  readonly #resolve: (response: Response) => void
  readonly #events = new EventEmitter()
  readonly #headers = new Headers()
  readonly #encoder = new TextEncoder()
  #status = 200
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined
  #needsDrain = false

  constructor(request: HttpRequest) {
    this.req = request
    const { promise, resolve } = Promise.withResolvers<Response>()
    this.response = promise
    this.#resolve = resolve
  }

  setHeader(name: string, value: string): void {
    if (!OF_CONNECTION.has(name.toLowerCase())) this.#headers.set(name, value)
  }

  writeHead(status: number, headers: readonly string[] | Readonly<Record<string, string>> = []): this {
    this.headersSent = true
    this.#status = status
    const pairs = isPairs(headers) ? inPairs(headers) : Object.entries(headers)
    for (const [name, value] of pairs) this.setHeader(name, value)
    return this
  }

  flushHeaders(): void {
    this.#open()
  }

  write(text: string): boolean {
    if (this.destroyed || this.writableFinished) return false
    const controller = this.#open()
    controller.enqueue(this.#encoder.encode(text))
    this.#needsDrain = (controller.desiredSize ?? 0) <= 0
    return !this.#needsDrain
  }

  end(text?: string): void {
    if (this.destroyed || this.writableFinished) return
    if (this.#controller === undefined) this.#answer(WITHOUT_BODY.has(this.#status) ? null : (text ?? null))
    else {
      if (text !== undefined) this.#controller.enqueue(this.#encoder.encode(text))
      this.#controller.close()
    }
    this.writableFinished = true
    this.#closed()
  }

  /** Breaks off, as when a connection is lost. */
  destroy(): void {
    if (this.destroyed || this.writableFinished) return
    this.destroyed = true
    if (this.#controller === undefined) {
      this.#status = CLIENT_CLOSED
      this.#answer(null)
    } else this.#controller.error(new Error('The response was broken off'))
    this.#closed()
  }

  on(event: 'close' | 'drain', listener: () => void): this {
    this.#events.on(event, listener)
    return this
  }

  #answer(body: string | ReadableStream<Uint8Array> | null): void {
    this.headersSent = true
    this.#resolve(new Response(body, { status: this.#status, headers: this.#headers }))
  }

  #open(): ReadableStreamDefaultController<Uint8Array> {
    if (this.#controller !== undefined) return this.#controller
    let started: ReadableStreamDefaultController<Uint8Array> | undefined
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          started = controller
        },
        pull: () => this.#drained(),
        cancel: () => this.#left(),
      },
      { highWaterMark: WAITING, size: (chunk) => chunk?.byteLength ?? 0 },
    )
    if (started === undefined) throw new TypeError('A stream starts when it is made')
    this.#controller = started
    this.#answer(stream)
    return started
  }

  #drained(): void {
    if (!this.#needsDrain) return
    this.#needsDrain = false
    this.#events.emit('drain')
  }

  /** Whoever read the stream does so no more. */
  #left(): void {
    if (this.destroyed || this.writableFinished) return
    this.destroyed = true
    this.#closed()
  }

  /** As Node does, not before whoever ended it goes on. */
  #closed(): void {
    queueMicrotask(() => this.#events.emit('close'))
  }
}

/** Nobody is there to read it: what nginx and others note for a request whose client has gone. */
const CLIENT_CLOSED = 499

function isPairs(
  headers: readonly string[] | Readonly<Record<string, string>>,
): headers is readonly string[] {
  return Array.isArray(headers)
}

function inPairs(lines: readonly string[]): readonly (readonly [string, string])[] {
  return lines.flatMap((name, index) => (index % 2 === 0 ? [[name, lines[index + 1] ?? ''] as const] : []))
}
