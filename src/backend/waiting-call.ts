import type { Signal } from '../pipeline/signal.ts'
import { GatewayError } from '../errors.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { Notifications, Reply } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import { member, rawOf } from '../protocol/json.ts'
import type { NotificationMessage, RequestMessage } from '../protocol/message.ts'
import type { LegacyCapabilities } from './capabilities.ts'
import { type CallEvents, type LegacySpeaker, passOn } from './legacy.ts'
import { type OpenQuestions, createQuestions } from './questions.ts'
import type { Quota } from './quota.ts'

/** Milliseconds in which questions that a server asks side by side are gathered. */
const GATHERING = 5

/** Milliseconds for which a finished call is remembered, in case the answer was lost on the way. */
export const GRACE = 30_000

/** Milliseconds for which a resumed call goes on after its client's connection was lost. */
const LOST_GRACE = 5000

/** Whoever waits for the call at the moment. */
export interface Attendant {
  readonly signal: Signal
  readonly out: Notifications
  /** Raw progress token that this request chose. */
  readonly token: string | undefined
  /** False where the end of the connection may be an accident and not the will of the client. */
  readonly leavesOnPurpose: boolean
}

/** What came of attending: the end of the call, or questions that the client has to answer first. */
export type Progress =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | { readonly kind: 'questions'; readonly questions: readonly (readonly [key: string, modern: string])[] }

/** What a waiting call needs from its surroundings. */
export interface WaitingCallPorts {
  readonly clock: Clock
  readonly parking: Quota
  /** Milliseconds that the client has to answer. */
  readonly parkTime: number
  readonly backend: string
  /** Whose places it takes: see {@link holderOf}. */
  readonly holder: string
  readonly capabilities: LegacyCapabilities
  /** Called once when the call may be forgotten. */
  onForget(): void
}

type Outcome = { readonly reply: Reply } | { readonly error: unknown }

/**
 * One call in flight in a legacy backend that may ask its client for input. It belongs to nobody's signal: the
 * request that started it answers `input_required` and ends, the call waits here, and the retry that brings the
 * answers takes it up again. It is sent exactly once.
 */
export class WaitingCall implements CallEvents {
  readonly #ports: WaitingCallPorts
  readonly #own = new AbortController()
  readonly #ended = Promise.withResolvers<void>()
  readonly isPatient = true
  readonly #questions: OpenQuestions
  #attendants: readonly Attendant[] = []
  #outcome: Outcome | undefined
  /** The questions are gathered and have to be answered before anything else happens. */
  #isAsking = false
  #wasParked = false
  #changed = Promise.withResolvers<void>()
  #cancelGathering: (() => void) | undefined
  #cancelDeadline: (() => void) | undefined

  constructor(speaker: LegacySpeaker, ports: WaitingCallPorts) {
    this.#questions = createQuestions(ports.capabilities, (text) => speaker.respond(text))
    this.#ports = ports
  }

  /** Ends when the call has to end in the backend. */
  get signal(): Signal {
    return this.#own.signal
  }

  /** Settles when the call has ended in the backend; never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Whether the backend works on it, or waits for answers. */
  get isInFlight(): boolean {
    return this.#outcome === undefined
  }

  /** Whether it waits for its client. */
  get isParked(): boolean {
    return this.isInFlight && this.#isAsking
  }

  /** Sends the call: once in its life. */
  start(run: () => Promise<Reply>): void {
    void run().then(
      (reply) => this.#end({ reply }),
      (error: unknown) => this.#end({ error }),
    )
  }

  /** Waits until the call ends or needs its client. The reason of the signal is thrown when the attendant leaves. */
  async attend(attendant: Attendant): Promise<Progress> {
    this.#attendants = [...this.#attendants, attendant]
    if (!this.#isAsking && this.isInFlight) this.#setDeadline(undefined)
    try {
      for (;;) {
        if (this.#outcome !== undefined) return progressOf(this.#outcome)
        if (this.#isAsking) return this.#park()
        await unlessAborted(this.#changed.promise, attendant.signal)
      }
    } finally {
      this.#attendants = this.#attendants.filter((other) => other !== attendant)
      if (attendant.signal.aborted) this.#left(attendant)
    }
  }

  /** Gives the server the answers to its questions. Keys that are not asked for (any more) mean nothing. */
  answer(responses: ReadonlyMap<string, string>): void {
    this.#questions.answer(responses)
    this.#settleQuestions()
  }

  onNotification(notification: NotificationMessage): Promise<void> | undefined {
    if (notification.method === 'notifications/cancelled') return this.withdraw(notification)
    const attendant = this.#attendants.at(-1)
    return attendant === undefined ? undefined : passOn(notification, attendant.token, attendant.out)
  }

  onRequest(request: RequestMessage): void {
    if (!this.#questions.take(request)) return
    if (!this.isInFlight) return this.#questions.giveUp()
    this.#cancelGathering ??= this.#ports.clock.after(GATHERING, () => this.#gathered())
  }

  /** The server no longer waits for the answer to one of its questions. */
  withdraw(notification: NotificationMessage): undefined {
    const node = member(notification.params, 'requestId')
    this.#questions.withdraw(node === undefined ? undefined : rawOf(notification.text, node))
    this.#settleQuestions()
  }

  /** Ends the call: the server is told that nobody answers, and that the result is not wanted any more. */
  end(reason: unknown): void {
    this.#end({ error: reason })
  }

  #park(): Progress {
    const { parking, holder, parkTime, backend } = this.#ports
    if (!this.#wasParked && !parking.take(holder)) {
      const error = new GatewayError('TOO_MANY', 'Too many calls wait for input of this client', { backend })
      this.#end({ error })
      throw error
    }
    this.#wasParked = true
    if (this.#cancelDeadline === undefined) this.#setDeadline(parkTime)
    return { kind: 'questions', questions: this.#questions.list() }
  }

  #gathered(): void {
    this.#cancelGathering = undefined
    if (this.#questions.size === 0 || !this.isInFlight) return
    this.#isAsking = true
    if (this.#attendants.length === 0 && this.#wasParked) this.#setDeadline(this.#ports.parkTime)
    this.#wake()
  }

  #settleQuestions(): void {
    if (this.#questions.size > 0 || !this.#isAsking) return
    this.#isAsking = false
    // Whoever answered comes to attend; where the server withdrew its questions nobody may come for a while.
    if (this.isInFlight) this.#setDeadline(this.#ports.parkTime)
  }

  #left(attendant: Attendant): void {
    if (this.#attendants.length > 0 || !this.isInFlight || this.#isAsking) return
    const reason: unknown = attendant.signal.reason
    const isLost = reason instanceof GatewayError && reason.code === 'CANCELLED'
    if (this.#wasParked && isLost && !attendant.leavesOnPurpose) this.#setDeadline(LOST_GRACE)
    else this.#end({ error: reason })
  }

  #setDeadline(ms: number | undefined): void {
    this.#cancelDeadline?.()
    this.#cancelDeadline =
      ms === undefined
        ? undefined
        : this.#ports.clock.after(ms, () => {
            const message = 'The client did not come back in time for a call that waited for it'
            this.end(new GatewayError('BACKEND_TIMEOUT', message, { backend: this.#ports.backend }))
          })
  }

  #end(outcome: Outcome): void {
    if (this.#outcome !== undefined) return
    this.#outcome = outcome
    this.#cancelGathering?.()
    this.#setDeadline(undefined)
    this.#questions.giveUp()
    if ('error' in outcome) this.#own.abort(outcome.error)
    if (this.#wasParked) this.#ports.parking.give(this.#ports.holder)
    this.#isAsking = false
    this.#wake()
    this.#ended.resolve()
    this.#remember()
  }

  /** What came out stays known for a while to the client that may ask again. */
  #remember(): void {
    const { clock, parkTime } = this.#ports
    const forget = (): void => this.#ports.onForget()
    if (!this.#wasParked) return forget()
    // A client that is still thinking should be told what became of its call.
    const kept = this.#attendants.length > 0 ? GRACE : Math.max(GRACE, parkTime)
    this.#cancelDeadline = clock.after(kept, forget)
  }

  /** Ends the call where it has not ended, and forgets what came of it. */
  forget(reason: unknown): void {
    this.#end({ error: reason })
    this.#setDeadline(undefined)
    this.#ports.onForget()
  }

  #wake(): void {
    const { resolve } = this.#changed
    this.#changed = Promise.withResolvers()
    resolve()
  }
}

function progressOf(outcome: Outcome): Progress {
  if ('error' in outcome) throw outcome.error
  return { kind: 'reply', reply: outcome.reply }
}
