import type { Clock } from '../pipeline/clock.ts'
import type { NotificationMessage } from '../protocol/message.ts'
import {
  CHANGING_LISTS,
  type Change,
  type SubscriptionFilter,
  changeNotification,
  changeOf,
} from '../protocol/subscription.ts'
import type { BackendSubscription, Subscriber } from './backend.ts'
import { SharedSubscription } from './shared-subscription.ts'
import type { Speaker, StaleSpeakerError } from './speaker.ts'

/** The context of whoever follows what is the same for everybody: the only one until principals are told apart. */
export const EVERYBODY = ''

/** What the subscriptions of a backend need from its link. */
export interface SubscriptionsPorts {
  readonly clock: Clock
  /** A number in [0, 1). */
  readonly random: () => number
  /** The backend no longer knows what that speaker builds on: it has to be connected again. */
  readonly onStale: (speaker: Speaker, error: StaleSpeakerError) => void
  /** A subscription could not be opened, or broke off. */
  readonly onFailure: (error: unknown) => void
}

/**
 * Everybody who follows changes of one backend. Per context they share one stream upstream, which carries the union
 * of what they ask for.
 */
export interface Subscriptions {
  subscribe(filter: SubscriptionFilter, subscriber: Subscriber): BackendSubscription
  /** The backend is connected: streams are opened. */
  attach(speaker: Speaker): void
  /** The backend is gone: streams have ended, and what happens from now on is missed. */
  detach(): void
  /** The backend was silent and answers again: streams that are gone are opened without waiting any longer. */
  revive(): void
  /** Takes a change notification that came outside of a subscription. */
  take(notification: NotificationMessage): void
  /** Every list may have changed without a word. */
  suspectLists(): void
  close(): void
}

/** Creates the subscriptions of one backend. Nothing is opened before a speaker is there. */
export function createSubscriptions(ports: SubscriptionsPorts): Subscriptions {
  return new BackendSubscriptions(ports)
}

class BackendSubscriptions implements Subscriptions {
  readonly #ports: SubscriptionsPorts
  readonly #contexts = new Map<string, SharedSubscription>()
  #speaker: Speaker | undefined

  constructor(ports: SubscriptionsPorts) {
    this.#ports = ports
  }

  subscribe(filter: SubscriptionFilter, subscriber: Subscriber): BackendSubscription {
    const { context } = subscriber
    let shared = this.#contexts.get(context)
    if (shared === undefined) {
      shared = new SharedSubscription(this.#ports)
      this.#contexts.set(context, shared)
      if (this.#speaker !== undefined) shared.attach(this.#speaker)
    }
    const joined = shared.join(filter, subscriber)
    return {
      honoured: joined.honoured,
      close: () => {
        joined.close()
        if (!shared.isUnused || this.#contexts.get(context) !== shared) return
        this.#contexts.delete(context)
        shared.detach()
      },
    }
  }

  attach(speaker: Speaker): void {
    this.#speaker = speaker
    for (const shared of this.#contexts.values()) shared.attach(speaker)
  }

  detach(): void {
    this.#speaker = undefined
    for (const shared of this.#contexts.values()) shared.detach()
  }

  revive(): void {
    for (const shared of this.#contexts.values()) shared.revive()
  }

  take(notification: NotificationMessage): void {
    const change = changeOf(notification)
    if (change !== undefined) this.#deliver(change, notification)
  }

  suspectLists(): void {
    for (const list of CHANGING_LISTS) {
      const change = { kind: 'list', list } as const
      this.#deliver(change, changeNotification(change))
    }
  }

  close(): void {
    this.detach()
    this.#contexts.clear()
  }

  #deliver(change: Change, notification: NotificationMessage): void {
    for (const shared of this.#contexts.values()) shared.deliver(change, notification)
  }
}
