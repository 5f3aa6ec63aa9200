import type { Signal } from '../pipeline/signal.ts'
import { GatewayError } from '../errors.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import type { Reply } from '../pipeline/call.ts'
import type { Clock } from '../pipeline/clock.ts'
import { member, rawOf } from '../protocol/json.ts'
import {
  type NotificationMessage,
  type RequestMessage,
  parseMessage,
  resultMessage,
} from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import { withMeta } from '../protocol/edit.ts'
import { taskStatusOf, toModernTask } from '../protocol/tasks.ts'
import type { BackendRequest } from './backend.ts'
import { responsesOf } from './input.ts'
import type { CallEvents } from './legacy.ts'
import { toModernReply } from './legacy-form.ts'
import { type OpenQuestions, createQuestions } from './questions.ts'
import { type Lease, type OpenSession, useSession } from './sessions.ts'

/** What one task is made of. */
export interface LegacyTaskOptions {
  /** The id inside the gateway: unique over all sessions, as the server's own need not be. */
  readonly id: string
  /** The server's id. */
  readonly ownId: string
  /** The call that made it. */
  readonly request: BackendRequest
  /** The session that it lives in, held as long as the task is not over. */
  readonly lease: Lease
  readonly capabilities: Parameters<typeof createQuestions>[0]
  readonly clock: Clock
  /** Takes a raw task of the extension whenever the server says how it is. */
  readonly onStatus: (task: string) => void
  /** Called once when the task is over: all about it is known here from then on. */
  readonly onOver: () => void
}

/** Milliseconds that a look at a task waits for the questions of a server that needs input. */
const ASKING = 500

const ACKNOWLEDGED = '{"resultType":"complete"}'

/** The request for what a task came to. */
export function resultRequest(taskId: string): RequestMessage {
  const params = JSON.stringify({ taskId })
  const message = parseMessage(`{"jsonrpc":"2.0","id":0,"method":"tasks/result","params":${params}}`)
  if (message.kind !== 'request') throw new TypeError('Not a request')
  return message
}

/**
 * One experimental task of a legacy server (2025-11-25, basic/utilities/tasks) as one of the tasks extension: what it
 * came to and what it needs are a part of its status, while the legacy server gives both by `tasks/result` alone.
 */
export class LegacyTask implements CallEvents {
  readonly id: string
  readonly isPatient = true
  readonly #options: LegacyTaskOptions
  readonly #own = new AbortController()
  readonly #questions: OpenQuestions
  #session: OpenSession | undefined
  /** What the task came to, or what waits for it. */
  #outcome: Promise<Reply> | undefined
  /** The raw task as it ended. */
  #last: string | undefined
  #asked = Promise.withResolvers<void>()

  constructor(options: LegacyTaskOptions) {
    this.id = options.id
    this.#options = options
    this.#questions = createQuestions(options.capabilities, (text) => this.#session?.speaker.respond(text))
  }

  get isOver(): boolean {
    return this.#last !== undefined
  }

  /**
   * Answers `tasks/get`, `tasks/update` or `tasks/cancel`.
   *
   * @throws as {@link useSession}
   */
  async answer({ message, signal }: BackendRequest): Promise<Reply> {
    switch (message.method) {
      case 'tasks/get': {
        if (this.#last !== undefined) return resultMessage(this.#last)
        const reply = await this.#ask('tasks/get', signal)
        if (reply.kind === 'error') return reply
        return resultMessage(
          await this.status(rawOf(reply.text, reply.result), signal, { resultType: '"complete"' }),
        )
      }
      case 'tasks/update':
        this.#questions.answer(responsesOf(message))
        return resultMessage(ACKNOWLEDGED)
      default: {
        if (this.#last !== undefined) throw new GatewayError('INVALID_PARAMS', 'The task has ended already')
        const reply = await this.#ask('tasks/cancel', signal)
        if (reply.kind === 'error') return reply
        this.#questions.giveUp()
        return resultMessage(ACKNOWLEDGED)
      }
    }
  }

  /** A raw task of the server as the extension has it, with its result or its questions (ext-tasks, "Task Polling"). */
  async status(task: string, signal: Signal, more: Readonly<Record<string, string>> = {}): Promise<string> {
    const as = (status: string, payload: Readonly<Record<string, string>> = {}): string =>
      toModernTask(task, { ...more, taskId: JSON.stringify(this.id), status: `"${status}"`, ...payload })
    const over = (status: string, payload: Readonly<Record<string, string>> = {}): string => {
      this.#end(as(status, { ...payload, resultType: '"complete"' }))
      return as(status, payload)
    }
    const status = taskStatusOf(task)
    switch (status) {
      case 'input_required': {
        await this.#untilAsked(signal)
        const questions = this.#questions.list().map(([key, modern]) => `${JSON.stringify(key)}:${modern}`)
        // Without a question there is nothing that its client could do.
        if (questions.length === 0) return as('working')
        return as('input_required', { inputRequests: `{${questions.join(',')}}` })
      }
      case 'completed':
      case 'failed': {
        const reply = await unlessAborted(this.#result(), signal)
        if (reply.kind === 'error') return over('failed', { error: rawOf(reply.text, reply.error) })
        // A tool that failed has a result all the same; failed is what has none.
        const result = withMeta(rawOf(reply.text, reply.result), META.relatedTask, undefined)
        return over('completed', { result })
      }
      case 'cancelled':
        return over(status)
      default:
        return as('working')
    }
  }

  onRequest(request: RequestMessage): void {
    if (this.#own.signal.aborted || !this.#questions.take(request)) return
    this.#asked.resolve()
  }

  onNotification(notification: NotificationMessage): undefined {
    if (notification.method === 'notifications/cancelled') this.withdraw(notification)
  }

  /** The server says how the task is (2025-11-25, basic/utilities/tasks "Task Status Notification"). */
  async told(notification: NotificationMessage): Promise<void> {
    if (notification.params === undefined) return
    const { signal } = this.#own
    try {
      this.#options.onStatus(await this.status(rawOf(notification.text, notification.params), signal))
    } catch {
      // What it came to cannot be had now: whoever asks for it is told why.
    }
  }

  /** The server no longer waits for the answer to one of its questions. */
  withdraw(notification: NotificationMessage): void {
    const node = member(notification.params, 'requestId')
    this.#questions.withdraw(node === undefined ? undefined : rawOf(notification.text, node))
  }

  /** Whoever asks from now on is told this; the session is free for others. */
  #end(task: string): void {
    if (this.#last !== undefined) return
    this.#last = task
    this.#leave()
    this.#options.onOver()
  }

  #leave(): void {
    this.#session?.tasks.delete(this.#options.ownId)
    this.#options.lease.release()
  }

  /** Nobody will ask for it any more. */
  forget(reason: unknown): void {
    this.#questions.giveUp()
    this.#own.abort(reason)
    this.#leave()
  }

  #ask(method: string, signal: Signal): Promise<Reply> {
    const params = `"taskId":${JSON.stringify(this.#options.ownId)}`
    return this.#inSession(async (session) => {
      const reply = await session.speaker.ask(method, params, signal)
      return reply.kind === 'error' ? toModernReply(reply, method) : reply
    }, signal)
  }

  #inSession<T>(action: (session: OpenSession) => Promise<T>, signal: Signal): Promise<T> {
    const use = (session: OpenSession): Promise<T> => {
      this.enter(session)
      return action(session)
    }
    return useSession(this.#options.lease, use, signal)
  }

  /** From now on messages of that session that name the task come here. */
  enter(session: OpenSession): void {
    this.#session = session
    session.tasks.set(this.#options.ownId, this)
  }

  /** The result, which is waited for once, however often it is asked for. */
  #result(): Promise<Reply> {
    if (this.#outcome !== undefined) return this.#outcome
    const { request, ownId } = this.#options
    const message = resultRequest(ownId)
    const { signal } = this.#own
    const target = { ...request.target, name: undefined }
    const asking = { ...request, message, target, exposedName: undefined, task: undefined, signal }
    const outcome = this.#inSession(async ({ speaker }) => {
      const reply = await speaker.carry(asking, this)
      return reply.kind === 'error' ? toModernReply(reply, 'tools/call') : reply
    }, signal)
    this.#outcome = outcome
    // It may be had another time.
    outcome.catch(() => (this.#outcome = undefined))
    return outcome
  }

  /** A server asks on the stream of `tasks/result` (2025-11-25, basic/utilities/tasks "Input Required Status"). */
  async #untilAsked(signal: Signal): Promise<void> {
    this.#result().catch(() => undefined)
    if (this.#questions.size > 0) return
    this.#asked = Promise.withResolvers()
    const cancel = this.#options.clock.after(ASKING, this.#asked.resolve)
    await unlessAborted(this.#asked.promise, signal).finally(cancel)
  }
}
