import type { Signal } from '../pipeline/signal.ts'
import type { Attempt } from '../pipeline/attempt.ts'
import type {
  Message,
  NotificationMessage,
  RequestMessage,
  ResultMessage,
  ErrorMessage,
} from '../protocol/message.ts'
import type { Era } from '../protocol/versions.ts'

/** A request in the wire form of the backend's era. */
export interface Exchange {
  /** The whole JSON-RPC request, with an id of the gateway's own. */
  readonly text: string
  /** The raw JSON of that id. */
  readonly id: string
  /** Header names and values beyond the channel's own; ignored where there are no headers. */
  readonly headers: Readonly<Record<string, string>>
  readonly era: Era
  readonly signal: Signal
  /** True for an exchange that may wait for people: it does not take a connection from the others. */
  readonly patient?: boolean
  /** True for an exchange that is not expected to end, such as a subscription: long silence means that it was lost. */
  readonly isEndless?: boolean
  /** Told when the request is sent, and of signs of life. */
  readonly attempt?: Attempt | undefined
  /** Takes notifications that belong to this exchange. A promise asks the channel to wait before it reads on. */
  onNotification(notification: NotificationMessage): Promise<void> | undefined
  /** Takes requests of a legacy server that belong to this exchange; the answer goes back by `notify`. */
  onRequest(request: RequestMessage): void
}

/** The answer to an exchange. */
export interface Answer {
  readonly message: ResultMessage | ErrorMessage
  /** HTTP status; 200 where there is none. */
  readonly status: number
  /** Value of `Mcp-Session-Id` in the answer, if any. */
  readonly session: string | undefined
}

/** Messages of a backend that belong to no exchange, and the end of the channel itself. */
export interface ChannelEvents {
  onMessage(message: Message): void
  /**
   * The process ended or the pipe broke. HTTP channels have no end.
   *
   * @param detail for the operator alone: it may hold anything that the process wrote
   */
  onEnd(reason: string, detail?: string): void
}

/** Why an exchange failed below JSON-RPC. */
export type ChannelFailure =
  /** Nothing reached the backend: surely not processed. */
  | { readonly kind: 'unreachable'; readonly reason: string }
  /** The connection broke after the request was sent: may have been processed. */
  | { readonly kind: 'broken'; readonly reason: string }
  /** An HTTP status without a JSON-RPC answer to this exchange. `body` is a bounded beginning, never shown to clients. */
  | { readonly kind: 'status'; readonly status: number; readonly body: string }
  /** The backend broke the protocol: garbage, wrong id, no answer, too large. */
  | { readonly kind: 'protocol'; readonly reason: string }

/** Thrown by channels; the era adapters translate it. */
export class ChannelError extends Error {
  override readonly name = 'ChannelError'
  readonly failure: ChannelFailure

  constructor(failure: ChannelFailure) {
    super(failure.kind === 'status' ? `HTTP status ${failure.status}` : failure.reason)
    this.failure = failure
  }
}

/** A way to exchange messages with one backend, ignorant of eras. */
export interface Channel {
  /** `sse` is HTTP with one event stream for everything that the server says (2024-11-05). */
  readonly transport: 'http' | 'stdio' | 'sse'
  /**
   * Sends a request and waits for its answer.
   *
   * @throws ChannelError, or the reason of the signal when it is aborted
   */
  exchange(exchange: Exchange): Promise<Answer>
  /**
   * Sends a notification or an answer of ours.
   *
   * @throws ChannelError
   */
  notify(text: string, headers: Readonly<Record<string, string>>): Promise<void>
  close(): Promise<void>
}
