import { randomUUID } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import { type Reply, holderOf } from '../pipeline/call.ts'
import { member, rawOf, scanJson, stringOf } from '../protocol/json.ts'
import {
  type NotificationMessage,
  type ResultMessage,
  parseMessage,
  resultMessage,
} from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import { withMeta } from '../protocol/edit.ts'
import { rawMember, toModernTask } from '../protocol/tasks.ts'
import type { BackendIdentity, BackendRequest } from './backend.ts'
import { type Declared, declaresTasks } from './capabilities.ts'
import type { CallEvents, LegacySpeaker } from './legacy.ts'
import { offersTasks } from './legacy-form.ts'
import { LegacyTask, type LegacyTaskOptions, resultRequest } from './legacy-task.ts'
import type { BackendPorts } from './ports.ts'
import { type Quota, createQuota } from './quota.ts'
import { type Lease, type OpenSession, useSession } from './sessions.ts'

/** Experimental tasks (2025-11-25, basic/utilities/tasks) that clients of a legacy backend have made and may ask for. */
export interface LegacyTasks {
  /**
   * Sends a call that is to become a task. The lease is kept where it does, and given back where it does not.
   *
   * @throws as {@link useSession}, or GatewayError TOO_MANY
   */
  create(
    request: BackendRequest,
    made: { readonly declared: Declared; readonly lease: Lease },
  ): Promise<Created>
  /**
   * Answers a method of the tasks extension.
   *
   * @throws GatewayError INVALID_PARAMS for a task that nobody knows (any more)
   */
  answer(request: BackendRequest): Promise<Reply>
  close(reason: unknown): void
}

/** For whom a task is made, and where. */
export interface Making {
  readonly declared: Declared
  readonly lease: Lease
}

/** What came of a call that was to become a task: the task, in the form of the extension, or the answer of the server. */
export interface Created {
  readonly isTask: boolean
  readonly reply: Reply
}

/** What tasks need beyond what every backend needs. */
export interface LegacyTasksPorts extends Pick<BackendPorts, 'clock' | 'limits'> {
  readonly backend: string
  /** Takes `notifications/tasks` to whoever follows. */
  readonly onChange: (notification: NotificationMessage) => void
}

/** Milliseconds for which a task that is not over is known to nobody's interest: it holds a session. */
const UNASKED = 3_600_000
/** Milliseconds for which a task is known once it is over. */
const OVER = 600_000

/** How a call is made a task: its client gets the task, or never learns of it because the gateway waits for the result. */
export type TaskWish = { readonly task: string; readonly isHeld: boolean }

/** Whether a call is to be made a task of that server, and how; undefined for every ordinary call. */
export function taskWish(request: BackendRequest, { capabilities }: BackendIdentity): TaskWish | undefined {
  const { message, downstream, target } = request
  if (message.method !== 'tools/call' || !offersTasks(capabilities)) return undefined
  const wish = downstream.era === 'legacy' ? member(message.params, 'task') : undefined
  if (wish?.kind === 'object') return { task: rawOf(message.text, wish), isHeld: false }
  if (target.taskSupport !== 'required') return undefined
  return { task: '{}', isHeld: downstream.era === 'legacy' || !declaresTasks(message) }
}

/**
 * Sends a call of a tool that can only be a task, for a client that knows none: waits for what it comes to.
 *
 * @throws as {@link LegacySpeaker.carry}
 */
export async function carryHeld(
  speaker: LegacySpeaker,
  request: BackendRequest,
  events: CallEvents,
): Promise<Reply> {
  const reply = await speaker.carry(request, events)
  const made = reply.kind === 'result' ? taskIn(reply) : undefined
  if (made === undefined) return reply
  const target = { ...request.target, name: undefined }
  const asking = {
    ...request,
    message: resultRequest(made.id),
    target,
    exposedName: undefined,
    task: undefined,
  }
  try {
    const result = await speaker.carry(asking, events)
    if (result.kind === 'error') return result
    return resultMessage(withMeta(rawOf(result.text, result.result), META.relatedTask, undefined))
  } finally {
    // Tasks outlive the request that waits for them.
    if (request.signal.aborted)
      speaker.ask('tasks/cancel', `"taskId":${JSON.stringify(made.id)}`, NEVER).catch(() => undefined)
  }
}

const NEVER = new AbortController().signal

interface MadeTask {
  readonly id: string
  /** Raw JSON. */
  readonly task: string
  /** Further members of the result in the form of the extension. */
  readonly more: Readonly<Record<string, string>>
}

/** The task that a result says was made (2025-11-25, schema `CreateTaskResult`). */
function taskIn({ text, result }: ResultMessage): MadeTask | undefined {
  const node = member(result, 'task')
  if (node?.kind !== 'object') return undefined
  const task = rawOf(text, node)
  const root = scanJson(task, { detail: 1, maxDepth: Infinity })
  const id = stringOf(task, member(root, 'taskId'))
  if (id === undefined) return undefined
  const meta = rawMember(withMeta(rawOf(text, result), META.relatedTask, undefined), '_meta')
  const more = { resultType: '"task"', ...(meta === undefined ? {} : { _meta: meta }) }
  return { id, task, more }
}

function statusOf(task: string): NotificationMessage {
  const message = parseMessage(`{"jsonrpc":"2.0","method":"notifications/tasks","params":${task}}`)
  if (message.kind !== 'notification') throw new TypeError('Not a notification')
  return message
}

/** Creates the tasks of one backend. */
export function createLegacyTasks(ports: LegacyTasksPorts): LegacyTasks {
  return new KnownTasks(ports)
}

interface Known {
  readonly task: LegacyTask
  /** Somebody is interested in it. */
  touch(): void
  forget(reason: unknown): void
}

class KnownTasks implements LegacyTasks {
  readonly #ports: LegacyTasksPorts
  readonly #tasks = new Map<string, Known>()
  readonly #places: Quota

  constructor(ports: LegacyTasksPorts) {
    this.#ports = ports
    this.#places = createQuota(ports.limits.parked, ports.limits.parkedTotal)
  }

  async create(request: BackendRequest, { declared, lease }: Making): Promise<Created> {
    const holder = holderOf(request)
    if (!this.#places.take(holder)) {
      lease.release()
      const about = { backend: this.#ports.backend }
      throw new GatewayError('TOO_MANY', 'Too many tasks of this client are known', about)
    }
    let isTask = false
    try {
      const reply = await useSession(lease, (session) => this.#sendIn(session, request), request.signal)
      const made = reply.reply.kind === 'result' ? taskIn(reply.reply) : undefined
      // The server did not make one, as it may.
      if (made === undefined) return { isTask, reply: reply.reply }
      isTask = true
      const task = this.#taskOf(made, { request, lease, capabilities: declared.capabilities })
      task.enter(reply.session)
      reply.session.follow()
      this.#keep(task, holder)
      const text = toModernTask(made.task, { ...made.more, taskId: JSON.stringify(task.id) })
      return { isTask, reply: resultMessage(text) }
    } finally {
      if (!isTask) {
        this.#places.give(holder)
        lease.release()
      }
    }
  }

  answer(request: BackendRequest): Promise<Reply> {
    const known = this.#tasks.get(request.target.name ?? '')
    if (known === undefined)
      return Promise.reject(new GatewayError('INVALID_PARAMS', 'Unknown task: it ended, or is too old'))
    known.touch()
    return known.task.answer(request)
  }

  close(reason: unknown): void {
    for (const known of this.#tasks.values()) known.forget(reason)
  }

  async #sendIn(session: OpenSession, request: BackendRequest): Promise<Sent> {
    const { speaker } = session
    const reply = await speaker.carry(request, {
      onNotification: () => undefined,
      onRequest: (asked) => speaker.refuse(asked),
    })
    return { session, reply }
  }

  #taskOf(made: MadeTask, about: Pick<LegacyTaskOptions, 'request' | 'lease' | 'capabilities'>): LegacyTask {
    const { clock, onChange } = this.#ports
    const id = randomUUID()
    const onStatus = (status: string): void => onChange(statusOf(status))
    const onOver = (): void => this.#tasks.get(id)?.touch()
    return new LegacyTask({ id, ownId: made.id, clock, onStatus, onOver, ...about })
  }

  #keep(task: LegacyTask, holder: string): void {
    const { clock, backend } = this.#ports
    let cancel = (): void => undefined
    const forget = (reason: unknown): void => {
      if (!this.#tasks.delete(task.id)) return
      cancel()
      this.#places.give(holder)
      task.forget(reason)
    }
    const touch = (): void => {
      cancel()
      const tooOld = new GatewayError('BACKEND_TIMEOUT', 'Nobody asked for the task', { backend })
      cancel = clock.after(task.isOver ? OVER : UNASKED, () => forget(tooOld))
    }
    touch()
    this.#tasks.set(task.id, { task, touch, forget })
  }
}

/** An answer and the session in which it was given. */
interface Sent {
  readonly session: OpenSession
  readonly reply: Reply
}
