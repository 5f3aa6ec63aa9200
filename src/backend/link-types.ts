import type { EraSetting } from '../config/types.ts'
import type { Signal } from '../pipeline/signal.ts'
import type { Message } from '../protocol/message.ts'
import type { SubscriptionFilter } from '../protocol/subscription.ts'
import type { Era } from '../protocol/versions.ts'
import type { BackendCondition, BackendIdentity, BackendSubscription, Subscriber } from './backend.ts'
import type { Channel } from './channel.ts'
import type { initializeLegacy } from './detect.ts'
import type { Speaker } from './speaker.ts'

/** What a link needs to know of its backend. */
export interface LinkConfig {
  readonly name: string
  readonly era: EraSetting
  /** Milliseconds for connecting. */
  readonly timeout: number
  /** Opens a legacy session where there is more than one way to. */
  readonly initialize?: typeof initializeLegacy
}

/** Hands out the channel of the moment; a new one where the old one ended. */
export type OpenChannel = () => Promise<Channel>

/**
 * Connects to what is no MCP server, and yields what speaks for it.
 *
 * @throws ChannelError, or the reason of the signal
 */
export type OpenSpeaker = (signal: Signal) => Promise<Speaker>

/** The living connection to one backend: connected on demand, watched, and mended by itself. */
export interface Link {
  /**
   * Uses the speaker, and once more a fresh one where the first turns out to be stale.
   *
   * @throws GatewayError, or the reason of the signal
   */
  use<T>(action: (speaker: Speaker) => Promise<T>, signal: Signal): Promise<T>
  /**
   * The speaker of the moment; connects if there is none. Callers at the same time share one attempt.
   *
   * @throws GatewayError, or the reason of the signal
   */
  speaker(signal: Signal): Promise<Speaker>
  readonly state: LinkState
  /** As {@link Backend.subscribe}. */
  subscribe(filter: SubscriptionFilter, subscriber: Subscriber): BackendSubscription
  /** To be called with messages of the channel that belong to no exchange. */
  onMessage(message: Message): void
  /** To be called when the channel ended. */
  onEnd(reason: string, detail?: string): void
  close(): Promise<void>
}

/** What the operator sees of a link. */
export interface LinkState {
  readonly condition: BackendCondition
  /** Wall-clock milliseconds of the last change of the condition. */
  readonly since: number
  readonly identity: BackendIdentity | undefined
  readonly verdict: { readonly era: Era; readonly since: number } | undefined
  /** Milliseconds from creation to the first answer. */
  readonly readyAfter: number | undefined
  readonly reconnects: number
}
