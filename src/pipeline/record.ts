import type { Call, Reply } from './call.ts'
import type { Clock } from './clock.ts'
import type { Target } from './target.ts'
import type { CallTrace, SentTrace } from './trace.ts'

/** What a backend was spoken to in. */
export interface Spoken {
  readonly era: 'modern' | 'legacy'
  /** The protocol revision. */
  readonly version: string
}

/** What happened to a call between its begin and its end. */
export type RecordEvent =
  /** A try failed of `error`, the code of a `GatewayError`, and another one is made. */
  | { readonly kind: 'retry'; readonly at: number; readonly error: string }
  /** A second try was begun beside the first. */
  | { readonly kind: 'hedge'; readonly at: number }
  /** An open circuit refused it. */
  | { readonly kind: 'circuit-open'; readonly at: number }

/**
 * What becomes known of one call while it is carried out. Every rung writes what only it knows; whoever follows calls
 * reads it once the call has ended. Only made where somebody follows.
 */
export class CallRecord {
  /** The call as it came in. */
  readonly call: Call
  /** On the clock of the gateway, in milliseconds. */
  readonly begun: number
  /** On the clock of the gateway; before it has ended, when it began. */
  ended: number
  /** Undefined as long as nobody knows what the call is for. */
  target: Target | undefined
  /** Milliseconds for which it waited for its turn: in the queues of limits and of bulkheads. */
  queued = 0
  /** Name of the limit that refused it. */
  limit: string | undefined
  /** Undefined where nobody traces calls. */
  trace: CallTrace | undefined
  /** Tries that reached a backend, in order of their begin. */
  readonly attempts: AttemptRecord[] = []
  readonly events: RecordEvent[] = []
  /** Bytes of the notifications that were passed on, and how many there were. */
  notificationBytes = 0
  notifications = 0
  readonly #clock: Clock

  constructor(call: Call, clock: Clock) {
    this.call = call
    this.#clock = clock
    this.begun = clock.now()
    this.ended = this.begun
  }

  /** When it began, in wall-clock milliseconds. */
  get begunAt(): number {
    return this.#clock.wallTime() - (this.#clock.now() - this.begun)
  }

  /** Begins to keep account of one try. */
  attempt(backend: string): AttemptRecord {
    const attempt = new AttemptRecord(backend, this.#clock, this.trace?.sentTo(backend))
    this.attempts.push(attempt)
    return attempt
  }

  /** Notes that something happened now. */
  note(kind: 'circuit-open' | 'hedge'): void {
    this.events.push({ kind, at: this.#clock.now() })
  }

  /** Notes that another try follows one that failed. */
  noteRetry(error: string): void {
    this.events.push({ kind: 'retry', at: this.#clock.now(), error })
  }

  /** Adds the time since a moment on the clock of the gateway to what the call has waited. */
  queuedSince(moment: number): void {
    this.queued += this.#clock.now() - moment
  }

  end(): void {
    this.ended = this.#clock.now()
  }
}

/** How a try ended: with an answer of the backend, or with an error that says why there was none. */
export type AttemptEnd =
  { readonly kind: 'reply'; readonly reply: Reply } | { readonly kind: 'failed'; readonly error: unknown }

/** One try at one backend. Times are on the clock of the gateway. */
export class AttemptRecord {
  readonly backend: string
  readonly begun: number
  /** Undefined while it runs. */
  ended: number | undefined
  end: AttemptEnd | undefined
  /** Undefined where the backend was not reached. */
  spoken: Spoken | undefined
  /** Where the request went, where a backend has several endpoints: its origin. */
  endpoint: string | undefined
  /** Raw JSON of the id that the backend got; undefined where nothing was sent. */
  requestId: string | undefined
  /** What of the trace goes with the request; undefined where nobody traces calls. */
  readonly trace: SentTrace | undefined
  readonly #clock: Clock

  constructor(backend: string, clock: Clock, trace?: SentTrace) {
    this.backend = backend
    this.trace = trace
    this.#clock = clock
    this.begun = clock.now()
  }

  answered(reply: Reply): void {
    this.ended = this.#clock.now()
    this.end = { kind: 'reply', reply }
  }

  failed(error: unknown): void {
    this.ended = this.#clock.now()
    this.end = { kind: 'failed', error }
  }
}
