import type { Signal } from '../pipeline/signal.ts'
import { GatewayError } from '../errors.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import { settling } from '../pipeline/settle.ts'
import type { Message } from '../protocol/message.ts'
import type { SubscriptionFilter } from '../protocol/subscription.ts'
import type { BackendSubscription, Subscriber } from './backend.ts'
import { type Channel, ChannelError } from './channel.ts'
import { inTime } from './deadline.ts'
import { LEGACY_FOR, believedEra, disprovesVerdict, findEra, initializeLegacy, probeEra } from './detect.ts'
import { asGatewayError } from './failure.ts'
import { isLegacy } from './legacy.ts'
import type { Link, LinkConfig, LinkState, OpenChannel, OpenSpeaker } from './link-types.ts'
import { type Loss, downCondition, lossOf } from './loss.ts'
import { createModernSpeaker } from './modern.ts'
import { type BackendPorts, type SpeakerPorts, ownRequestMeta } from './ports.ts'
import { type Speaker, StaleSpeakerError } from './speaker.ts'
import { type Subscriptions, createSubscriptions } from './subscriptions.ts'

/** What a speaker is used for. */
interface Use<T> {
  readonly action: (speaker: Speaker) => Promise<T>
  readonly signal: Signal
}

const FIRST_RETRY = 500
const LAST_RETRY = 30_000

/** Creates the link; it begins to connect when first used. */
export function createLink(config: LinkConfig, openChannel: OpenChannel, ports: BackendPorts): Link {
  return new BackendLink(config, { channel: openChannel }, ports)
}

/** Creates the link to what has no era: connecting is up to its adapter. */
export function createAdapterLink(config: LinkConfig, openSpeaker: OpenSpeaker, ports: BackendPorts): Link {
  return new BackendLink(config, { speaker: openSpeaker }, ports)
}

type Opening = { readonly channel: OpenChannel } | { readonly speaker: OpenSpeaker }

class BackendLink implements Link {
  readonly #config: LinkConfig
  readonly #opening: Opening
  readonly #ports: BackendPorts
  readonly #speakerPorts: SpeakerPorts
  readonly #subscriptions: Subscriptions
  readonly #closing = new AbortController()
  readonly #createdAt: number
  #speaker: Speaker | undefined
  #connecting: Promise<Speaker> | undefined
  #state: LinkState
  #failures = 0
  #cancelRetry: (() => void) | undefined
  #cancelReview: (() => void) | undefined
  #reviving = false

  constructor(config: LinkConfig, opening: Opening, ports: BackendPorts) {
    this.#config = config
    this.#opening = opening
    this.#ports = ports
    this.#createdAt = ports.clock.now()
    let lastId = 0
    this.#speakerPorts = {
      nextId: () => String(++lastId),
      requestMeta: ownRequestMeta(ports.clientInfo),
      clientInfo: ports.clientInfo,
      log: ports.log,
      backend: config.name,
      onChange: (notification) => this.#subscriptions.take(notification),
    }
    this.#subscriptions = createSubscriptions({
      clock: ports.clock,
      random: ports.random,
      onStale: (speaker, error) => {
        this.#drop(speaker, error)
        void this.#connect().catch(() => undefined)
      },
      onFailure: (error) => void this.#failed(error),
    })
    this.#state = {
      condition: { state: 'connecting' },
      since: ports.clock.wallTime(),
      identity: undefined,
      verdict: undefined,
      readyAfter: undefined,
      reconnects: 0,
    }
  }

  get state(): LinkState {
    return this.#state
  }

  use<T>(action: (speaker: Speaker) => Promise<T>, signal: Signal): Promise<T> {
    const use = { action, signal }
    if (this.#speaker !== undefined) return this.#use(this.#speaker, use)
    return this.speaker(signal).then((speaker) => this.#use(speaker, use))
  }

  #use<T>(speaker: Speaker, use: Use<T>): Promise<T> {
    return settling(use.action, speaker).then(
      (answer) => this.#answered(answer),
      (error: unknown) => this.#useAgain(speaker, use, error),
    )
  }

  async #useAgain<T>(speaker: Speaker, { action, signal }: Use<T>, error: unknown): Promise<T> {
    if (!(error instanceof StaleSpeakerError)) throw this.#failed(error)
    this.#drop(speaker, error)
    const fresh = await this.speaker(signal)
    try {
      return this.#answered(await action(fresh))
    } catch (second) {
      throw this.#failed(second)
    }
  }

  async speaker(signal: Signal): Promise<Speaker> {
    if (this.#speaker !== undefined) return this.#speaker
    signal.throwIfAborted()
    this.#closing.signal.throwIfAborted()
    return unlessAborted(this.#connect(), signal)
  }

  subscribe(filter: SubscriptionFilter, subscriber: Subscriber): BackendSubscription {
    return this.#subscriptions.subscribe(filter, subscriber)
  }

  onMessage(message: Message): void {
    const speaker = this.#speaker
    if (message.kind === 'notification') speaker?.onMessage(message)
    else if (message.kind === 'request' && speaker !== undefined && isLegacy(speaker))
      speaker.onStray(message)
  }

  onEnd(reason: string, detail?: string): void {
    if (this.#closing.signal.aborted) return
    this.#speaker = undefined
    this.#subscriptions.detach()
    this.#down({ reason, detail })
  }

  async close(): Promise<void> {
    this.#closing.abort(
      new GatewayError('DRAINING', 'The gateway is shutting down', { backend: this.#config.name }),
    )
    this.#cancelRetry?.()
    this.#cancelReview?.()
    this.#subscriptions.close()
    await this.#speaker?.close()
  }

  #connect(): Promise<Speaker> {
    this.#connecting ??= this.#attempt().finally(() => {
      this.#connecting = undefined
    })
    return this.#connecting
  }

  async #attempt(): Promise<Speaker> {
    try {
      return await this.#inTime(async (signal) => {
        const { speaker, channel } = await this.#open(signal)
        signal.throwIfAborted()
        this.#connected(speaker)
        if (channel !== undefined) this.#reviewLater(channel, speaker)
        return speaker
      })
    } catch (error) {
      if (disprovesVerdict(error)) this.#state = { ...this.#state, verdict: undefined }
      this.#down(lossOf(error))
      throw asGatewayError(error, this.#config.name)
    }
  }

  /** Work of the link's own: ends when the backend takes longer than its timeout, or when the link closes. */
  #inTime<T>(work: (signal: Signal) => Promise<T>): Promise<T> {
    return inTime(work, { ...this.#config, clock: this.#ports.clock, closing: this.#closing.signal })
  }

  async #open(signal: Signal): Promise<{ readonly speaker: Speaker; readonly channel?: Channel }> {
    const opening = this.#opening
    if ('speaker' in opening) return { speaker: await opening.speaker(signal) }
    const channel = await opening.channel()
    return { speaker: await this.#establish(channel, opening.channel, signal), channel }
  }

  /** Follows the configured era, else the last verdict, else finds out. */
  async #establish(channel: Channel, openChannel: OpenChannel, signal: Signal): Promise<Speaker> {
    const setting =
      this.#config.era === 'auto' ? believedEra(this.#state.verdict, this.#ports.clock) : this.#config.era
    const initialize = this.#config.initialize ?? initializeLegacy
    if (setting === 'legacy') return initialize(channel, this.#speakerPorts, signal)
    const verdict = await findEra(channel, this.#speakerPorts, { clock: this.#ports.clock, signal })
    if (verdict.era === 'modern') return createModernSpeaker(channel, verdict.identity, this.#speakerPorts)
    if (this.#config.era === 'modern') {
      throw new ChannelError({ kind: 'protocol', reason: `is configured as modern, but ${verdict.reason}` })
    }
    // Remembered before it is confirmed: the probe may have ended the process of a legacy server, and the next
    // process must not be probed to death as well.
    this.#state = { ...this.#state, verdict: { era: 'legacy', since: this.#ports.clock.wallTime() } }
    return initialize(await openChannel(), this.#speakerPorts, signal)
  }

  /** A legacy server answers as one for ever, even if it has learnt more: it is asked again from time to time. */
  #reviewLater(channel: Channel, speaker: Speaker): void {
    this.#cancelReview?.()
    // A process learns nothing while it runs, and some end when they are asked: it is asked when it is started.
    if (this.#config.era !== 'auto' || channel.transport !== 'http' || !isLegacy(speaker)) return
    this.#cancelReview = this.#ports.clock.after(LEGACY_FOR, () => void this.#review(channel, speaker))
  }

  async #review(channel: Channel, speaker: Speaker): Promise<void> {
    if (this.#speaker !== speaker) return
    // Refused, overloaded or away: that says nothing about the era.
    const verdict = await this.#inTime((signal) => probeEra(channel, this.#speakerPorts, signal)).catch(
      () => undefined,
    )
    if (this.#speaker !== speaker || this.#closing.signal.aborted) return
    if (verdict?.era === 'modern')
      return this.#replace(speaker, createModernSpeaker(channel, verdict.identity, this.#speakerPorts))
    if (verdict !== undefined)
      this.#state = { ...this.#state, verdict: { era: 'legacy', since: this.#ports.clock.wallTime() } }
    this.#reviewLater(channel, speaker)
  }

  /** Calls from now on go another way; those in flight get the time that they have to end in their own. */
  #replace(old: Speaker, fresh: Speaker): void {
    const { clock } = this.#ports
    this.#subscriptions.detach()
    this.#connected(fresh)
    clock.after(this.#config.timeout, () => void old.close().catch(() => undefined))
  }

  #connected(speaker: Speaker): void {
    const { clock } = this.#ports
    const first = this.#state.readyAfter === undefined
    const { identity } = speaker
    this.#speaker = speaker
    this.#state = {
      ...this.#state,
      identity,
      verdict: { era: identity.era, since: clock.wallTime() },
      readyAfter: this.#state.readyAfter ?? clock.now() - this.#createdAt,
      reconnects: this.#state.reconnects + (first ? 0 : 1),
    }
    this.#up()
    this.#ports.log(first ? 'debug' : 'info', 'backend connected', {
      backend: this.#config.name,
      era: identity.era,
    })
    this.#subscriptions.attach(speaker)
  }

  #answered<T>(answer: T): T {
    if (this.#state.condition.state !== 'up') this.#up()
    return answer
  }

  #drop(speaker: Speaker, error: StaleSpeakerError): void {
    if (this.#speaker !== speaker) return
    this.#speaker = undefined
    this.#subscriptions.detach()
    if (error.stale === 'era') this.#state = { ...this.#state, verdict: undefined }
    this.#ports.log('info', 'backend has to be connected again', {
      backend: this.#config.name,
      reason: error.message,
    })
  }

  /** Records the failure and yields what the caller is told. */
  #failed(error: unknown): unknown {
    if (
      error instanceof ChannelError &&
      (error.failure.kind === 'unreachable' || this.#speaker === undefined)
    ) {
      this.#down(lossOf(error))
    }
    // Silence may be slow work or the end of the backend: a request that costs nothing tells.
    if (error instanceof GatewayError && error.code === 'BACKEND_TIMEOUT') this.#scheduleRetry()
    // A second stale speaker in a row: the backend forgets its sessions faster than they can be used.
    const known =
      error instanceof StaleSpeakerError
        ? new ChannelError({ kind: 'protocol', reason: error.message })
        : error
    return asGatewayError(known, this.#config.name)
  }

  #up(): void {
    this.#failures = 0
    this.#cancelRetry?.()
    this.#cancelRetry = undefined
    if (this.#state.condition.state === 'up') return
    this.#state = { ...this.#state, condition: { state: 'up' }, since: this.#ports.clock.wallTime() }
  }

  #down(loss: Loss): void {
    if (this.#closing.signal.aborted) return
    const { condition } = this.#state
    const { reason, detail } = loss
    if (condition.state === 'down') {
      // What the process said last stays known while it cannot be started again.
      this.#state = {
        ...this.#state,
        condition: downCondition({ ...loss, detail: detail ?? condition.detail }),
      }
    } else {
      const since = this.#ports.clock.wallTime()
      this.#state = { ...this.#state, condition: downCondition(loss), since }
      this.#ports.log('warn', 'backend is down', { backend: this.#config.name, reason, detail })
      // Its lists are those of a backend that is away from now on.
      if (this.#state.identity !== undefined) this.#subscriptions.suspectLists()
    }
    this.#scheduleRetry()
  }

  #scheduleRetry(): void {
    if (this.#cancelRetry !== undefined || this.#reviving || this.#closing.signal.aborted) return
    const wait = Math.min(FIRST_RETRY * 2 ** this.#failures++, LAST_RETRY) * (0.5 + this.#ports.random() / 2)
    this.#cancelRetry = this.#ports.clock.after(wait, () => {
      this.#cancelRetry = undefined
      void this.#revive()
    })
  }

  /** Tries whether the backend is back, and tries again later where it is not. */
  async #revive(): Promise<void> {
    const speaker = this.#speaker
    this.#reviving = true
    try {
      if (speaker === undefined) await this.#connect()
      else await this.#check(speaker)
      this.#reviving = false
    } catch {
      this.#reviving = false
      this.#scheduleRetry()
    }
  }

  /** Asks the backend for a sign of life. What it announced while it was away is lost: everything may have changed. */
  async #check(speaker: Speaker): Promise<void> {
    try {
      await this.#inTime((signal) => speaker.ping(signal))
    } catch (error) {
      if (error instanceof StaleSpeakerError) this.#drop(speaker, error)
      else this.#down(lossOf(error))
      throw error
    }
    const wasDown = this.#state.condition.state !== 'up'
    this.#up()
    if (!wasDown) return
    this.#subscriptions.suspectLists()
    this.#subscriptions.revive()
  }
}
