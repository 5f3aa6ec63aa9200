import { randomUUID } from 'node:crypto'
import type { Signal } from '../../pipeline/signal.ts'
import { GatewayError } from '../../errors.ts'
import type { Outcome } from '../../filters/rescue.ts'
import type { Clock } from '../../pipeline/clock.ts'
import { editMembers } from '../../protocol/edit.ts'
import { member, numberOf, rawOf, scanJson, stringOf } from '../../protocol/json.ts'
import {
  type RequestMessage,
  type ResultMessage,
  edited,
  parseMessage,
  resultMessage,
} from '../../protocol/message.ts'
import { TASKS } from '../../protocol/meta.ts'
import { isOver, ofTask, rawMember, taskStatusOf, toLegacyTask } from '../../protocol/tasks.ts'
import { pause } from './client-requests.ts'
import { type InputRequest, readRequests } from './input-requests.ts'

/** What the tasks of a session need for one request. */
export interface TaskAsking {
  /** Sends a request in the modern form, with the extension declared. */
  readonly send: (message: RequestMessage) => Promise<Outcome>
  /** Puts questions that belong to that task to the client and yields the raw `inputResponses`. */
  readonly ask: (requests: readonly InputRequest[], taskId: string) => Promise<string>
  readonly signal: Signal
}

/** What a request about a task comes to, in the form that any other result is then given to the client. */
export type TaskOutcome =
  | { readonly kind: 'outcome'; readonly outcome: Outcome }
  /** What a tool came to: shaped as the answer to its call. */
  | { readonly kind: 'tool'; readonly outcome: Outcome; readonly subject: string | undefined }

/**
 * The experimental tasks of one session of a legacy client (2025-11-25, basic/utilities/tasks), made of the tasks
 * extension: there a server decides by itself what becomes a task, and says all about it in its status.
 */
export interface SessionTasks {
  /** What the client is told of a call that it wanted to be a task: one that a server finished at once is kept here. */
  created(outcome: ResultMessage, call: CreatingCall): CreatedTask
  /** Answers `tasks/get`, `tasks/result` or `tasks/cancel`. @throws GatewayError INVALID_PARAMS, or what asking throws */
  answer(message: RequestMessage, asking: TaskAsking): Promise<TaskOutcome>
  /** The raw status as the client knows it, from that of `notifications/tasks`. */
  told(task: string): string
}

/** What the client is told of a call that it wanted to be a task. */
export interface CreatedTask {
  readonly reply: ResultMessage
  /** The id where the server goes on with it. */
  readonly taskId: string | undefined
}

/** A call that is to become a task. */
export interface CreatingCall {
  /** The tool. */
  readonly subject: string | undefined
  /** Milliseconds that the client wants the task to be known. */
  readonly ttl: number | undefined
}

/** Milliseconds between two looks at a task whose result is waited for: at least, unless it says so, and at most. */
const LEAST_INTERVAL = 100
const INTERVAL = 1000
const LONGEST_INTERVAL = 5000
/** Tasks of a session of which something is remembered, and characters of results that are kept. */
const REMEMBERED = 1000
const KEPT = 1_048_576
/** Milliseconds that a result is kept, unless the client wants less. */
const KEPT_TIME = 600_000

const TASK_REQUESTS: ReadonlySet<string> = new Set(['tasks/get', 'tasks/result', 'tasks/cancel'])

/** True for the requests about one task that a legacy client can make. `tasks/list` is not among them. */
export function isTaskRequest(method: string): boolean {
  return TASK_REQUESTS.has(method)
}

/** The first revision with experimental tasks. */
const SINCE = '2025-11-25'

/** The capabilities that a client of that revision is shown: the tasks extension as the tasks that it knows, if any. */
export function withExperimentalTasks(
  capabilities: Readonly<Record<string, unknown>>,
  version: string,
): Readonly<Record<string, unknown>> {
  const { extensions, ...others } = capabilities
  if (typeof extensions !== 'object' || extensions === null) return capabilities
  const { [TASKS]: tasks, ...rest } = extensions as Readonly<Record<string, unknown>>
  return {
    ...others,
    ...(Object.keys(rest).length === 0 ? {} : { extensions: rest }),
    // There is no list: nobody could say whose the tasks of a server that sees only the gateway are.
    ...(tasks === undefined || version < SINCE
      ? {}
      : { tasks: { cancel: {}, requests: { tools: { call: {} } } } }),
  }
}

/** What the client says about the task that a call is to become (2025-11-25, schema `TaskMetadata`); undefined for none. */
export function taskWishOf({
  method,
  text,
  params,
}: RequestMessage): { readonly ttl: number | undefined } | undefined {
  const task = method === 'tools/call' ? member(params, 'task') : undefined
  if (task?.kind !== 'object') return undefined
  const ttl = Number(rawMember(rawOf(text, task), 'ttl') ?? Number.NaN)
  return { ttl: ttl >= 0 ? ttl : undefined }
}

/** Creates the tasks of one session. */
export function createSessionTasks(clock: Clock): SessionTasks {
  return new Tasks(clock)
}

/** A call that ended before it could become a task. */
interface Finished {
  /** The raw task. */
  readonly task: string
  readonly reply: ResultMessage
  readonly until: number
}

class Tasks implements SessionTasks {
  readonly #clock: Clock
  readonly #subjects = new Map<string, string>()
  readonly #cancelled = new Map<string, true>()
  readonly #finished = new Map<string, Finished>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  created(outcome: ResultMessage, { subject, ttl }: CreatingCall): CreatedTask {
    const raw = rawOf(outcome.text, outcome.result)
    const isTask = stringOf(outcome.text, member(outcome.result, 'resultType')) === 'task'
    if (!isTask)
      return { reply: wrapped(this.#finish(outcome, { subject, ttl }), undefined), taskId: undefined }
    const taskId = stringOf(outcome.text, member(outcome.result, 'taskId')) ?? ''
    if (subject !== undefined) remember(this.#subjects, taskId, subject)
    return { reply: wrapped(toLegacyTask(raw, { _meta: undefined }), rawMember(raw, '_meta')), taskId }
  }

  async answer(message: RequestMessage, asking: TaskAsking): Promise<TaskOutcome> {
    const taskId = stringOf(message.text, member(message.params, 'taskId'))
    if (taskId === undefined)
      throw new GatewayError('INVALID_PARAMS', `${message.method} needs "params.taskId", a string`)
    switch (message.method) {
      case 'tasks/get':
        return { kind: 'outcome', outcome: await this.#get(taskId, asking) }
      case 'tasks/cancel':
        return { kind: 'outcome', outcome: await this.#cancel(taskId, asking) }
      default:
        return this.#result(taskId, asking)
    }
  }

  told(task: string): string {
    const id = rawMember(task, 'taskId') ?? '""'
    if (this.#cancelled.has(JSON.parse(id) as string)) return toLegacyTask(task, { status: '"cancelled"' })
    const result = rawMember(task, 'result')
    // A tool that failed is a failed task here (2025-11-25, basic/utilities/tasks "Task Execution Errors").
    const failed = result !== undefined && rawMember(result, 'isError') === 'true'
    return toLegacyTask(task, failed ? { status: '"failed"' } : {})
  }

  /** The task of a call that ended at once; the result is kept for whoever asks for it. */
  #finish(reply: ResultMessage, { subject, ttl }: CreatingCall): string {
    const taskId = randomUUID()
    const now = new Date(this.#clock.wallTime()).toISOString()
    const kept = Math.min(ttl ?? KEPT_TIME, KEPT_TIME)
    const failed = rawMember(rawOf(reply.text, reply.result), 'isError') === 'true'
    const status = failed ? 'failed' : 'completed'
    const task = JSON.stringify({ taskId, status, createdAt: now, lastUpdatedAt: now, ttl: kept })
    if (subject !== undefined) remember(this.#subjects, taskId, subject)
    this.#finished.set(taskId, { task, reply, until: this.#clock.now() + kept })
    this.#makeRoom()
    return task
  }

  #makeRoom(): void {
    let size = 0
    for (const { reply } of this.#finished.values()) size += reply.text.length
    for (const [id, { reply, until }] of this.#finished) {
      const isNeeded = until > this.#clock.now() && size <= KEPT && this.#finished.size <= REMEMBERED
      // The last one is what the client is about to ask for.
      if (isNeeded || this.#finished.size === 1) continue
      this.#finished.delete(id)
      size -= reply.text.length
    }
  }

  #finishedOf(taskId: string): Finished | undefined {
    const found = this.#finished.get(taskId)
    if (found === undefined || found.until > this.#clock.now()) return found
    this.#finished.delete(taskId)
    throw new GatewayError('INVALID_PARAMS', 'Unknown task: it is too old')
  }

  async #get(taskId: string, { send }: TaskAsking): Promise<Outcome> {
    const finished = this.#finishedOf(taskId)
    if (finished !== undefined) return resultMessage(finished.task)
    const outcome = await send(taskRequest('tasks/get', taskId))
    return outcome.kind === 'result' ? resultMessage(this.told(rawOf(outcome.text, outcome.result))) : outcome
  }

  /** A modern server may go on all the same; to its client the task is cancelled from now on, as it has to be. */
  async #cancel(taskId: string, asking: TaskAsking): Promise<Outcome> {
    const now = await this.#get(taskId, asking)
    if (now.kind !== 'result') return now
    const task = rawOf(now.text, now.result)
    const status = taskStatusOf(task)
    if (isOver(status))
      throw new GatewayError(
        'INVALID_PARAMS',
        `Cannot cancel task: already in terminal status '${status ?? ''}'`,
      )
    const outcome = await asking.send(taskRequest('tasks/cancel', taskId))
    if (outcome.kind !== 'result') return outcome
    remember(this.#cancelled, taskId, true)
    return resultMessage(this.told(task))
  }

  /** Waits until the task is over, and puts its questions to the client meanwhile. */
  async #result(taskId: string, asking: TaskAsking): Promise<TaskOutcome> {
    const subject = this.#subjects.get(taskId)
    const finished = this.#finishedOf(taskId)
    if (finished !== undefined) return { kind: 'tool', outcome: withTask(finished.reply, taskId), subject }
    for (;;) {
      const outcome = await asking.send(taskRequest('tasks/get', taskId))
      if (outcome.kind !== 'result') return { kind: 'outcome', outcome }
      const task = rawOf(outcome.text, outcome.result)
      const status = this.#cancelled.has(taskId) ? 'cancelled' : taskStatusOf(task)
      if (status === 'input_required') {
        const answered = await this.#answerQuestions(task, taskId, asking)
        if (answered !== undefined) return { kind: 'outcome', outcome: answered }
      } else if (isOver(status)) return over(task, { taskId, status, subject })
      else await pause(this.#clock, intervalOf(task), asking.signal)
    }
  }

  /** Yields an outcome only where the answers were refused. */
  async #answerQuestions(task: string, taskId: string, asking: TaskAsking): Promise<Outcome | undefined> {
    const requests = readRequests(rawMember(task, 'inputRequests') ?? '{}')
    if (requests.length === 0) {
      await pause(this.#clock, intervalOf(task), asking.signal)
      return undefined
    }
    const inputResponses = await asking.ask(requests, taskId)
    const outcome = await asking.send(taskRequest('tasks/update', taskId, { inputResponses }))
    return outcome.kind === 'result' ? undefined : outcome
  }
}

function over(
  task: string,
  {
    taskId,
    status,
    subject,
  }: { readonly taskId: string; readonly status: string | undefined; readonly subject: string | undefined },
): TaskOutcome {
  const result = status === 'completed' ? rawMember(task, 'result') : undefined
  if (result !== undefined) return { kind: 'tool', outcome: withTask(resultMessage(result), taskId), subject }
  const cancelled = JSON.stringify({ code: -32603, message: 'The task was cancelled' })
  const error = status === 'failed' ? (rawMember(task, 'error') ?? cancelled) : cancelled
  const message = parseMessage(`{"jsonrpc":"2.0","id":0,"error":${error}}`)
  if (message.kind !== 'error')
    throw new GatewayError('BACKEND_PROTOCOL', 'A failed task has no error that could be read')
  return { kind: 'tool', outcome: message, subject }
}

/** `tasks/result` has to say whose result it is. */
function withTask(reply: ResultMessage, taskId: string): ResultMessage {
  const { start, end } = reply.result
  return edited(reply, [{ start, end, text: ofTask(rawOf(reply.text, reply.result), taskId) }])
}

function wrapped(task: string, meta: string | undefined): ResultMessage {
  return resultMessage(`{"task":${task}${meta === undefined ? '' : `,"_meta":${meta}`}}`)
}

function intervalOf(task: string): number {
  const root = scanJson(task, { detail: 1, maxDepth: Infinity })
  const wanted = numberOf(task, member(root, 'pollIntervalMs')) ?? INTERVAL
  return Math.min(Math.max(wanted, LEAST_INTERVAL), LONGEST_INTERVAL)
}

function taskRequest(
  method: string,
  taskId: string,
  more: Readonly<Record<string, string>> = {},
): RequestMessage {
  const message = parseMessage(
    `{"jsonrpc":"2.0","id":0,"method":"${method}","params":{"taskId":${JSON.stringify(taskId)}}}`,
  )
  if (message.kind !== 'request' || message.params === undefined) throw new TypeError('Not a request')
  return edited(message, editMembers(message.params, more))
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > REMEMBERED && oldest !== undefined) map.delete(oldest)
}
