import type { Signal } from '../pipeline/signal.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { SubscriptionFilter } from '../protocol/subscription.ts'
import type { Speaker, SubscriptionListener } from './speaker.ts'

/** The parts of a legacy session that subscriptions are made of. */
export interface SubscribableSession extends Pick<Speaker, 'ask'> {
  /** Reads what the backend says outside of calls, until that stream ends; `opened` is called once nothing is missed. */
  follow(opened: () => void, signal: Signal): Promise<void>
}

/** Subscriptions in one legacy session. */
export type LegacySubscriptions = Pick<Speaker, 'subscribe'>

/**
 * Subscriptions as a legacy session has them (2025-11-25, server/resources "Subscriptions"): one stream for everything
 * that is announced, and a list of resources that is kept for the session as a whole. Both are shared by those who
 * subscribe, and counted.
 */
export function createLegacySubscriptions(session: SubscribableSession): LegacySubscriptions {
  return new SessionSubscriptions(session)
}

interface Stream {
  readonly controller: AbortController
  readonly opened: Promise<void>
  readonly ended: Promise<void>
  users: number
}

interface Resource {
  users: number
  /** Whether the backend has it subscribed, after all that was asked so far. */
  state: Promise<boolean>
}

class SessionSubscriptions implements LegacySubscriptions {
  readonly #session: SubscribableSession
  readonly #resources = new Map<string, Resource>()
  #stream: Stream | undefined

  constructor(session: SubscribableSession) {
    this.#session = session
  }

  async subscribe(filter: SubscriptionFilter, listener: SubscriptionListener, signal: Signal): Promise<void> {
    signal.throwIfAborted()
    const stream = this.#join()
    const joined: string[] = []
    try {
      await unlessAborted(stream.opened, signal)
      const wanted = filter.resources.map((uri) => {
        joined.push(uri)
        return this.#add(uri)
      })
      const states = await unlessAborted(Promise.all(wanted), signal)
      // How tasks are is said in the sessions that made them.
      const resources = filter.resources.filter((_, at) => states[at])
      listener.onOpen({ ...filter, resources })
      await unlessAborted(stream.ended, signal)
    } finally {
      this.#leave(stream)
      joined.forEach((uri) => this.#remove(uri))
    }
  }

  #join(): Stream {
    this.#stream ??= this.#open()
    this.#stream.users++
    return this.#stream
  }

  #open(): Stream {
    const controller = new AbortController()
    const opened = Promise.withResolvers<void>()
    const ended = this.#session.follow(opened.resolve, controller.signal).finally(() => {
      if (this.#stream === stream) this.#stream = undefined
    })
    // A stream that ends before it was opened has failed.
    ended.then(() => opened.reject(new Error('the stream ended')), opened.reject)
    opened.promise.catch(() => undefined)
    const stream: Stream = { controller, opened: opened.promise, ended, users: 0 }
    return stream
  }

  #leave(stream: Stream): void {
    stream.users--
    if (stream.users > 0) return
    if (this.#stream === stream) this.#stream = undefined
    stream.controller.abort(new Error('nobody listens any more'))
  }

  #add(uri: string): Promise<boolean> {
    const known = this.#resources.get(uri) ?? { users: 0, state: Promise.resolve(false) }
    this.#resources.set(uri, known)
    known.users++
    if (known.users === 1)
      known.state = known.state.then(
        (is) => is || this.#ask('resources/subscribe', uri),
        () => this.#ask('resources/subscribe', uri),
      )
    return known.state
  }

  #remove(uri: string): void {
    const resource = this.#resources.get(uri)
    if (resource === undefined) return
    resource.users--
    if (resource.users > 0) return
    resource.state = resource.state
      // Whoever came back meanwhile goes on with what there is.
      .then(async (is) => is && (resource.users > 0 || !(await this.#ask('resources/unsubscribe', uri))))
      .catch(() => false)
      .finally(() => {
        if (resource.users === 0 && this.#resources.get(uri) === resource) this.#resources.delete(uri)
      })
  }

  /** True where the backend agrees. */
  async #ask(method: string, uri: string): Promise<boolean> {
    const answer = await this.#session.ask(method, `"uri":${JSON.stringify(uri)}`, NEVER)
    return answer.kind === 'result'
  }
}

/** Who asks does not wait for ever, but the answer is for all who share the subscription. */
const NEVER = new AbortController().signal
