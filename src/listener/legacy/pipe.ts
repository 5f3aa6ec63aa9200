import { randomUUID } from 'node:crypto'
import { GatewayError } from '../../errors.ts'
import { toRefusal } from '../../filters/rescue.ts'
import type { Principal } from '../../pipeline/call.ts'
import { rawOf } from '../../protocol/json.ts'
import { type Message, type RequestMessage, errorText } from '../../protocol/message.ts'
import type { ListenerPorts } from '../ports.ts'
import { BATCH_VERSION, carryOutBatch, readBatch } from './batch.ts'
import type { Outlet } from './rounds.ts'
import { type LegacySession, type SessionOwner, openSession } from './session.ts'

/** A legacy client on a channel that carries everything both ways: a pipe, or the HTTP+SSE transport of 2024-11-05. */
export interface LegacyPipe {
  /** The session, once the client has initialized it. */
  readonly session: LegacySession | undefined
  /**
   * Takes one message of the client. Settles when it is dealt with; never rejects.
   *
   * @param as who sent it: the owner of the channel, with the rights that came with this very message
   */
  take(message: Message, as?: Principal): Promise<void>
  /** Takes an array of messages. Never rejects. */
  takeBatch(text: string, as?: Principal): Promise<void>
  close(reason: GatewayError): void
}

/** Who is on the channel, and how messages get there. */
export interface LegacyPipeOptions extends SessionOwner {
  /** Unguessable where the channel can be addressed; default fresh for each `initialize`. */
  readonly id?: string
  /** Writes one message. The promise is there while the client does not keep up. */
  readonly write: (text: string) => Promise<void> | undefined
}

/** Serves one legacy client on such a channel. */
export function createLegacyPipe(options: LegacyPipeOptions, ports: ListenerPorts): LegacyPipe {
  return new Pipe(options, ports)
}

class Pipe implements LegacyPipe {
  readonly #options: LegacyPipeOptions
  readonly #ports: ListenerPorts
  readonly #out: Outlet
  #session: LegacySession | undefined

  constructor(options: LegacyPipeOptions, ports: ListenerPorts) {
    this.#options = options
    this.#ports = ports
    this.#out = {
      send: (notification) => options.write(notification.text),
      write: (text) => void options.write(text),
    }
  }

  get session(): LegacySession | undefined {
    return this.#session
  }

  async take(message: Message, as?: Principal): Promise<void> {
    if (message.kind !== 'request') return this.#other(message)
    try {
      void this.#options.write(await this.#request(message, as))
    } catch (error) {
      this.#refuse(error, rawOf(message.text, message.id))
    }
  }

  async takeBatch(text: string, as?: Principal): Promise<void> {
    try {
      const session = this.#required()
      if (session.version !== BATCH_VERSION)
        throw new GatewayError('INVALID_REQUEST', `Invalid request: ${session.version} has no batches`)
      const messages = readBatch(text, { maxDepth: this.#ports.settings.limits.depth })
      const responses = await carryOutBatch(messages, {
        request: (message) => session.handle(message, this.#out, as),
        other: (message) => this.#other(message),
      })
      if (responses.length > 0) void this.#options.write(`[${responses.join(',')}]`)
    } catch (error) {
      this.#refuse(error, undefined)
    }
  }

  close(reason: GatewayError): void {
    this.#session?.close(reason)
  }

  #request(message: RequestMessage, as?: Principal): Promise<string> {
    return message.method === 'initialize'
      ? this.#initialize(message)
      : this.#required().handle(message, this.#out, as)
  }

  #other(message: Exclude<Message, RequestMessage>): void {
    if (message.kind !== 'notification') return this.#session?.answer(message)
    // Before that, nothing but pings may be sent (2025-11-25, basic/lifecycle "Initialization").
    if (message.method === 'notifications/initialized') this.#session?.listening(true)
    this.#session?.notify(message)
  }

  async #initialize(message: RequestMessage): Promise<string> {
    this.#session?.close(new GatewayError('CANCELLED', 'The client initialized again'))
    const { id = randomUUID(), write, ...owner } = this.#options
    const opening = { ...owner, id, push: (text: string) => void write(text) }
    const { session, replyText } = await openSession(message, opening, this.#ports)
    this.#session = session
    return replyText
  }

  #required(): LegacySession {
    if (this.#session !== undefined) return this.#session
    throw new GatewayError('SESSION_REQUIRED', 'The client has to send initialize first')
  }

  #refuse(error: unknown, id: string | undefined): void {
    void this.#options.write(errorText(id, toRefusal(error, this.#ports.log).error))
  }
}
