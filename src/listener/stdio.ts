import type { Readable, Writable } from 'node:stream'
import { Canceller } from '../pipeline/signal.ts'
import { GatewayError } from '../errors.ts'
import { toRefusal } from '../filters/rescue.ts'
import { ANONYMOUS, type Notifications } from '../pipeline/call.ts'
import { member, rawOf } from '../protocol/json.ts'
import { checkModernRequest, eraOf } from '../protocol/ladder.ts'
import { LineOverflowError, createLineSplitter, toLine } from '../protocol/lines.ts'
import {
  type Message,
  type NotificationMessage,
  type RequestMessage,
  errorText,
  parseMessage,
} from '../protocol/message.ts'
import { isBatch } from './legacy/batch.ts'
import { type LegacyPipe, createLegacyPipe } from './legacy/pipe.ts'
import { modernWriter } from './modern-reply.ts'
import type { ListenerPorts } from './ports.ts'

/** The two ends of a pipe. */
export interface StdioStreams {
  readonly input: Readable
  readonly output: Writable
}

/** A client on a pipe. */
export interface StdioListener {
  /** Settles when the client has closed its end and every answer is written. */
  readonly done: Promise<void>
  /** Ends what is in flight. */
  close(): Promise<void>
  /** Ends what would last as long as the pipe. */
  drain(): void
}

/** Serves the aggregate to one client on a pair of streams, in the era that each of its messages speaks. */
export function listenStdio(streams: StdioStreams, ports: ListenerPorts): StdioListener {
  return new PipeListener(streams, ports)
}

class PipeListener implements StdioListener {
  readonly done: Promise<void>
  readonly #streams: StdioStreams
  readonly #ports: ListenerPorts
  readonly #writer: ReturnType<typeof modernWriter>
  /** Modern calls in flight, by raw id. */
  readonly #calls = new Map<string, Canceller>()
  /** Those among them that last until somebody ends them. */
  readonly #subscriptions = new Set<Canceller>()
  readonly #working = new Set<Promise<void>>()
  readonly #legacy: LegacyPipe
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  constructor(streams: StdioStreams, ports: ListenerPorts) {
    this.#streams = streams
    this.#ports = ports
    this.#writer = modernWriter(ports.serverInfo)
    this.#legacy = createLegacyPipe(
      {
        principal: ANONYMOUS,
        route: { kind: 'aggregate' },
        transport: 'stdio',
        address: undefined,
        write: (text) => this.#write(text),
      },
      ports,
    )
    this.done = this.#read()
  }

  async close(): Promise<void> {
    const reason = new GatewayError('DRAINING', 'The gateway is shutting down')
    this.#legacy.close(reason)
    for (const canceller of this.#calls.values()) canceller.abort(reason)
    this.#streams.input.destroy()
    await Promise.allSettled(this.#working)
  }

  drain(): void {
    this.#legacy.session?.drain()
  }

  async #read(): Promise<void> {
    const { input, output } = this.#streams
    output.on('drain', () => {
      this.#drained?.resolve()
      this.#drained = undefined
    })
    const splitter = createLineSplitter(
      {
        line: (text) => this.#take(text),
        bad: (reason) => this.#refuse(new GatewayError('PARSE_ERROR', reason), undefined),
      },
      this.#ports.settings.limits.body,
    )
    try {
      for await (const chunk of input) splitter.push(chunk as Uint8Array)
      splitter.end()
    } catch (error) {
      // Where the next message begins cannot be known any more: this is said, and nothing more is read.
      if (error instanceof LineOverflowError)
        this.#refuse(new GatewayError('BODY_TOO_LARGE', error.message), undefined)
      else if (!input.destroyed) throw error
    }
    const gone = new GatewayError('CANCELLED', 'The client closed its end')
    for (const subscription of this.#subscriptions) subscription.abort(gone)
    await Promise.allSettled(this.#working)
  }

  #take(text: string): void {
    if (isBatch(text) && this.#legacy.session !== undefined) return this.#work(this.#legacy.takeBatch(text))
    const message = parseMessage(text, { maxDepth: this.#ports.settings.limits.depth })
    if (message.kind === 'bad') {
      const code = message.problem === 'json' ? 'PARSE_ERROR' : 'INVALID_REQUEST'
      return this.#refuse(new GatewayError(code, message.reason), message.id)
    }
    this.#work(
      this.#serve(message).catch((error: unknown) => {
        if (message.kind === 'request') this.#refuse(error, rawOf(message.text, message.id))
      }),
    )
  }

  #work(work: Promise<void>): void {
    this.#working.add(work)
    void work.finally(() => this.#working.delete(work))
  }

  #serve(message: Message): Promise<void> {
    if (message.kind === 'request' && eraOf(message, undefined) === 'modern') return this.#modern(message)
    if (message.kind === 'notification') this.#notification(message)
    return this.#legacy.take(message)
  }

  async #modern(message: RequestMessage): Promise<void> {
    const id = rawOf(message.text, message.id)
    if (this.#calls.has(id))
      throw new GatewayError('INVALID_REQUEST', 'A request with this id is in flight already')
    const version = checkModernRequest(message, undefined)
    const canceller = new Canceller()
    this.#calls.set(id, canceller)
    if (message.method === 'subscriptions/listen') this.#subscriptions.add(canceller)
    try {
      const outcome = await this.#ports.answer(
        {
          message,
          method: message.method,
          route: { kind: 'aggregate' },
          principal: ANONYMOUS,
          downstream: {
            era: 'modern',
            version,
            transport: 'stdio',
            session: undefined,
            address: undefined,
          },
          headers: undefined,
          signal: canceller,
        },
        this.#out,
      )
      // 2026-07-28, basic/patterns/cancellation: nothing more is sent for a cancelled request.
      if (canceller.aborted) return
      void this.#write(
        outcome.kind === 'refusal'
          ? this.#writer.refusalText(outcome, id)
          : this.#writer.replyText(outcome, id),
      )
    } finally {
      this.#calls.delete(id)
      this.#subscriptions.delete(canceller)
    }
  }

  #notification(message: NotificationMessage): void {
    if (message.method !== 'notifications/cancelled') return
    const requestId = member(message.params, 'requestId')
    if (requestId === undefined) return
    const reason = new GatewayError('CANCELLED', 'The client cancelled the call')
    this.#calls.get(rawOf(message.text, requestId))?.abort(reason)
  }

  readonly #out: Notifications = { send: (notification) => this.#write(notification.text) }

  #refuse(error: unknown, id: string | undefined): void {
    void this.#write(errorText(id, toRefusal(error, this.#ports.log).error))
  }

  #write(text: string): Promise<void> | undefined {
    const { output } = this.#streams
    if (output.destroyed || output.write(toLine(text))) return undefined
    this.#drained ??= Promise.withResolvers<void>()
    return this.#drained.promise
  }
}
