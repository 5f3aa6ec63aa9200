import type { NotificationMessage } from '../protocol/message.ts'
import {
  CHANGING_LISTS,
  type Change,
  NOTHING,
  type NamedChange,
  type SubscriptionFilter,
  asksFor,
  changeNotification,
  changeOf,
  covers,
  intersectionOf,
  isEmptyFilter,
  offeredOf,
  unionOf,
} from '../protocol/subscription.ts'
import type { BackendSubscription, Subscriber } from './backend.ts'
import { type Speaker, StaleSpeakerError } from './speaker.ts'
import type { SubscriptionsPorts } from './subscriptions.ts'

/** Milliseconds before the first try after a stream was lost, and the longest wait. */
const FIRST_RETRY = 500
const LAST_RETRY = 30_000
/** Milliseconds within which a backend has to acknowledge. */
const ACKNOWLEDGE = 30_000
/** Milliseconds for which a stream may carry more than is asked for: whoever left may come back. */
const SHRINK = 10_000

/** One who follows. */
interface Follower {
  readonly filter: SubscriptionFilter
  readonly subscriber: Subscriber
  /** Called once with what is honoured. */
  settle: ((honoured: SubscriptionFilter) => void) | undefined
}

/** One stream upstream. */
interface Stream {
  readonly filter: SubscriptionFilter
  readonly controller: AbortController
  readonly begun: number
  /** Known once the backend has acknowledged. */
  honoured: SubscriptionFilter
}

/**
 * The followers of one backend in one context, and the stream that they share. What a stream carries cannot be
 * changed, so a new one is opened when more is asked for, and the old one ends only when the new one is there
 * (make before break).
 */
export class SharedSubscription {
  readonly #ports: SubscriptionsPorts
  readonly #followers = new Set<Follower>()
  #speaker: Speaker | undefined
  #current: Stream | undefined
  #opening: Stream | undefined
  /** True while changes may have been missed that nobody was told of. */
  #missed = false
  /** True once the lists were said to be suspect since the last stream ended. */
  #suspected = false
  #wasAttached = false
  /** Streams in a row that found their session gone soon after they were begun. */
  #stale = 0
  #pause = FIRST_RETRY
  #cancelRetry: (() => void) | undefined
  #cancelShrink: (() => void) | undefined

  constructor(ports: SubscriptionsPorts) {
    this.#ports = ports
  }

  get isUnused(): boolean {
    return this.#followers.size === 0
  }

  join(filter: SubscriptionFilter, subscriber: Subscriber): BackendSubscription {
    const { promise, resolve } = Promise.withResolvers<SubscriptionFilter>()
    const follower: Follower = { filter, subscriber, settle: resolve }
    this.#followers.add(follower)
    this.#adjust()
    return {
      honoured: promise,
      close: () => {
        if (this.#followers.delete(follower)) this.#adjust()
      },
    }
  }

  attach(speaker: Speaker): void {
    this.#end()
    this.#speaker = speaker
    // A backend that has forgotten every session by the time of its stream is not connected as fast as it can be.
    if (this.#stale > 1) this.#retryLater()
    else this.#pause = FIRST_RETRY
    // What was announced while nobody listened is lost. Lists are suspect at once, and again when the stream is there.
    if (this.#wasAttached) {
      this.#missed = true
      this.#suspectLists()
    }
    this.#wasAttached = true
    this.#adjust()
  }

  detach(): void {
    this.#end()
    this.#speaker = undefined
    this.#missed = this.#wasAttached
  }

  revive(): void {
    this.#pause = FIRST_RETRY
    if (this.#cancelRetry === undefined) return
    this.#cancelRetry()
    this.#cancelRetry = undefined
    this.#adjust()
  }

  /** Tells whoever asked for it. */
  deliver(change: Change, notification: NotificationMessage): void {
    for (const { filter, subscriber } of this.#followers)
      if (asksFor(filter, change)) subscriber.onChange(change, notification)
  }

  /** Makes the stream carry what is asked for, sooner or later. */
  #adjust(): void {
    const speaker = this.#speaker
    if (speaker === undefined) return
    const wanted = offeredOf(unionOf(this.#filters()), speaker.identity.capabilities)
    const stream = this.#opening ?? this.#current
    if (isEmptyFilter(wanted)) this.#missed = false
    if (stream === undefined ? isEmptyFilter(wanted) : covers(stream.filter, wanted)) {
      if (stream !== undefined && !covers(wanted, stream.filter)) this.#shrinkLater()
    } else if (this.#opening === undefined && this.#cancelRetry === undefined) this.#open(speaker, wanted)
    this.#settle(speaker)
  }

  *#filters(): Iterable<SubscriptionFilter> {
    for (const { filter } of this.#followers) yield filter
  }

  #shrinkLater(): void {
    this.#cancelShrink ??= this.#ports.clock.after(SHRINK, () => {
      this.#cancelShrink = undefined
      const speaker = this.#speaker
      if (speaker === undefined || this.#opening !== undefined || this.#cancelRetry !== undefined) return
      const wanted = offeredOf(unionOf(this.#filters()), speaker.identity.capabilities)
      if (isEmptyFilter(wanted)) this.#drop()
      else if (this.#current !== undefined && !covers(wanted, this.#current.filter))
        this.#open(speaker, wanted)
    })
  }

  #open(speaker: Speaker, filter: SubscriptionFilter): void {
    const { clock } = this.#ports
    const controller = new AbortController()
    const stream: Stream = { filter, controller, begun: clock.now(), honoured: NOTHING }
    this.#opening = stream
    const cancel = clock.after(ACKNOWLEDGE, () => controller.abort(new Error('was not acknowledged')))
    const listener = {
      onOpen: (honoured: SubscriptionFilter): void => {
        cancel()
        this.#opened(stream, honoured)
      },
      onChange: (notification: NotificationMessage): void => this.#received(stream, notification),
    }
    const ended = (error?: unknown): void => {
      cancel()
      this.#ended(stream, speaker, error)
    }
    speaker.subscribe(filter, listener, controller.signal).then(() => ended(), ended)
  }

  #opened(stream: Stream, honoured: SubscriptionFilter): void {
    if (this.#opening !== stream) return
    stream.honoured = intersectionOf(stream.filter, honoured)
    const old = this.#current
    this.#current = stream
    this.#opening = undefined
    old?.controller.abort(new Error('another stream took over'))
    if (this.#missed) {
      this.#missed = false
      this.#suspectLists()
      for (const uri of stream.honoured.resources) this.#suspect({ kind: 'resource', uri })
    }
    this.#adjust()
  }

  #received(stream: Stream, notification: NotificationMessage): void {
    // While two streams overlap the older one speaks; one that was given up speaks no more.
    if (stream !== (this.#current ?? this.#opening)) return
    const change = changeOf(notification)
    if (change !== undefined) this.deliver(change, notification)
  }

  #ended(stream: Stream, speaker: Speaker, error: unknown): void {
    const wasOpen = this.#current === stream
    if (!wasOpen && this.#opening !== stream) return
    if (wasOpen) {
      this.#current = undefined
      this.#missed = true
      this.#suspected = false
    } else {
      this.#opening = undefined
      if (this.#current === undefined) this.#missedAndUnknown()
    }
    if (error instanceof StaleSpeakerError) {
      this.#stale = this.#hasLived(stream) ? 1 : this.#stale + 1
      return this.#ports.onStale(speaker, error)
    }
    if (error !== undefined) this.#ports.onFailure(error)
    if (this.#speaker !== speaker) return
    if (this.#hasLived(stream)) this.#pause = FIRST_RETRY
    this.#retryLater()
  }

  #hasLived({ begun, honoured }: Stream): boolean {
    return this.#ports.clock.now() - begun > LAST_RETRY && honoured !== NOTHING
  }

  #retryLater(): void {
    if (this.isUnused || this.#cancelRetry !== undefined) return
    const { clock, random } = this.#ports
    this.#cancelRetry = clock.after(this.#pause * (0.5 + random() / 2), () => {
      this.#cancelRetry = undefined
      this.#adjust()
    })
    this.#pause = Math.min(this.#pause * 2, LAST_RETRY)
  }

  /** Tells followers what is honoured, as soon as that is known. */
  #settle(speaker: Speaker): void {
    for (const follower of this.#followers) {
      if (follower.settle === undefined) continue
      const offered = offeredOf(follower.filter, speaker.identity.capabilities)
      const current = this.#current
      if (!isEmptyFilter(offered) && (current === undefined || !covers(current.filter, offered))) continue
      follower.settle(intersectionOf(offered, current?.honoured ?? NOTHING))
      follower.settle = undefined
    }
  }

  /** Nobody can say when a stream will be there: once, the lists are looked at without it. */
  #missedAndUnknown(): void {
    this.#missed = true
    if (!this.#suspected) this.#suspectLists()
  }

  #suspectLists(): void {
    this.#suspected = true
    for (const list of CHANGING_LISTS) this.#suspect({ kind: 'list', list })
  }

  /** Says what the backend did not say itself. */
  #suspect(change: NamedChange): void {
    this.deliver(change, changeNotification(change))
  }

  #drop(): void {
    const streams = [this.#current, this.#opening]
    this.#current = undefined
    this.#opening = undefined
    for (const stream of streams) stream?.controller.abort(new Error('nobody follows any more'))
  }

  #end(): void {
    this.#cancelRetry?.()
    this.#cancelShrink?.()
    this.#cancelRetry = undefined
    this.#cancelShrink = undefined
    this.#drop()
  }
}
