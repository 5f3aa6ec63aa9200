import type { Signal } from '../pipeline/signal.ts'
import type { Notifications, Reply } from '../pipeline/call.ts'
import type { Edit } from '../protocol/edit.ts'
import { type JsonNode, type JsonObject, member, rawOf, valueOf } from '../protocol/json.ts'
import {
  type ErrorMessage,
  type NotificationMessage,
  type ResultMessage,
  edited,
} from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import type { SubscriptionFilter } from '../protocol/subscription.ts'
import { subjectNodeOf } from '../protocol/subject.ts'
import type { BackendIdentity, BackendRequest } from './backend.ts'

/** Follows one subscription at a backend. */
export interface SubscriptionListener {
  /** Called once, when changes of what is honoured are not missed any more. */
  onOpen(honoured: SubscriptionFilter): void
  /** Takes change notifications. */
  onChange(notification: NotificationMessage): void
}

/** Speaks to one backend in its era, over one channel. The inside of the gateway sees the modern form only. */
export interface Speaker {
  readonly identity: BackendIdentity
  /**
   * @throws ChannelError, StaleSpeakerError or the reason of the signal
   */
  send(request: BackendRequest, out: Notifications): Promise<Reply>
  /**
   * A request of the gateway's own, such as a page of a list. `params` is raw JSON members without braces.
   *
   * @throws as {@link Speaker.send}
   */
  ask(method: string, params: string, signal: Signal): Promise<ResultMessage | ErrorMessage>
  /** A request without effect that shows that the backend answers. */
  ping(signal: Signal): Promise<void>
  /**
   * Opens one subscription and follows it; settles when the backend ends it in good order. Where a backend does
   * not tell subscriptions apart, changes come by {@link SpeakerPorts.onChange}.
   *
   * @param filter what the backend offers
   * @throws as {@link Speaker.send}
   */
  subscribe(filter: SubscriptionFilter, listener: SubscriptionListener, signal: Signal): Promise<void>
  /** Takes a message of the channel that belongs to no exchange. */
  onMessage(message: NotificationMessage): void
  /** Says goodbye in the way of the era. The channel stays open. */
  close(): Promise<void>
}

/**
 * The backend no longer knows what the speaker builds on (its session, its era). The request was surely not
 * carried out, so that it may be sent once more after connecting again.
 */
export class StaleSpeakerError extends Error {
  override readonly name = 'StaleSpeakerError'
  /** `session`: only the session is gone. `era`: the backend has to be probed again. */
  readonly stale: 'session' | 'era'

  constructor(stale: 'session' | 'era', reason: string) {
    super(reason)
    this.stale = stale
  }
}

/** True for −32022 with the versions that are spoken instead, as its schema demands: only modern servers say that. */
export function isVersionError(message: ErrorMessage): boolean {
  if (message.code !== -32022) return false
  const { data } = valueOf(message.text, message.error) as {
    readonly data?: { readonly supported?: unknown } | null
  }
  return Array.isArray(data?.supported)
}

/** The raw progress token of a request, if it asks for progress. */
export function progressTokenOf(text: string, params: JsonObject | undefined): string | undefined {
  const token = member(member(params, '_meta'), META.progressToken)
  return token === undefined ? undefined : rawOf(text, token)
}

/** Replaces one value by raw JSON. */
export function replaceNode(node: JsonNode, text: string): Edit {
  return { start: node.start, end: node.end, text }
}

/**
 * Gives the notification back the progress token that the client chose. The gateway's own token towards the
 * backend is the id of its own request, so that tokens are unique there (2026-07-28, basic/patterns/progress).
 */
export function withClientToken(notification: NotificationMessage, clientToken: string): NotificationMessage {
  const token = member(notification.params, META.progressToken)
  return token === undefined ? notification : edited(notification, [replaceNode(token, clientToken)])
}

/** True for a progress notification that carries another token than the one that was sent. */
export function isForeignProgress(notification: NotificationMessage, sentToken: string | undefined): boolean {
  if (notification.method !== 'notifications/progress') return false
  const token = member(notification.params, META.progressToken)
  return token === undefined || sentToken === undefined || rawOf(notification.text, token) !== sentToken
}

/** The edits that give a request the gateway's own id and the backend's own name for its target. */
export function retarget(request: BackendRequest, id: string): readonly Edit[] {
  const { message, target } = request
  const edits: Edit[] = [replaceNode(message.id, id)]
  // Names that did not change keep their bytes, escapes included.
  if (target.name !== undefined && request.exposedName !== target.name) {
    const subject = subjectNodeOf(message)
    if (subject !== undefined) edits.push(replaceNode(subject, JSON.stringify(target.name)))
  }
  return edits
}
