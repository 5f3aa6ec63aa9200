import { GatewayError } from '../errors.ts'
import type { Call } from '../pipeline/call.ts'
import type { OneTarget } from '../pipeline/target.ts'
import { TASKS } from '../protocol/meta.ts'
import { subjectOf } from '../protocol/subject.ts'
import type { Sealer } from '../seal/seal.ts'
import { declaredExtensions } from './extensions.ts'

/** A task as its backend knows it. */
export interface OwnTask {
  readonly backend: string
  readonly taskId: string
  /** The tool whose call it is, as its backend calls it. */
  readonly tool: string
}

/** Task ids as clients get them: nobody else can use them, and they name their backend. */
export interface TaskIds {
  /** A new id for clients; every time another one. */
  seal(task: OwnTask, call: Pick<Call, 'principal'>): string
  /** The task of an id, or undefined when it is not one of this principal that this route can reach. */
  open(id: string, call: Pick<Call, 'principal' | 'route'>): OwnTask | undefined
}

/** Longest task id of a backend, in characters: clients write the sealed one into a header. */
const MAX_TASK_ID = 1024

/** Seals task ids for one principal each. */
export function createTaskIds(sealer: Sealer): TaskIds {
  return {
    seal({ backend, taskId, tool }, { principal }) {
      if (taskId.length > MAX_TASK_ID) {
        const message = `Backend ${backend} answered with a taskId of more than ${MAX_TASK_ID} characters`
        throw new GatewayError('BACKEND_PROTOCOL', message, { backend })
      }
      return sealer.seal([backend, taskId, tool], ['task', principal.id])
    },
    open(id, { principal, route }) {
      const opened = sealer.open(id, ['task', principal.id])
      if (!Array.isArray(opened)) return undefined
      const [backend, taskId, tool] = opened as readonly unknown[]
      if (typeof backend !== 'string' || typeof taskId !== 'string' || typeof tool !== 'string')
        return undefined
      return route.kind === 'aggregate' || route.backend === backend ? { backend, taskId, tool } : undefined
    },
  }
}

/**
 * The backend that a call of a {@link isTaskMethod} is for.
 *
 * @throws GatewayError MISSING_CAPABILITY, or INVALID_PARAMS for an id that is not the caller's
 */
export function taskTarget(taskIds: TaskIds, call: Call): OneTarget {
  requireTasks(call)
  const id = subjectOf(call.message)
  if (id === undefined)
    throw new GatewayError('INVALID_PARAMS', `${call.method} needs "params.taskId", a string`)
  const task = taskIds.open(id, call)
  if (task === undefined) throw unknownTask()
  return { kind: 'one', backend: task.backend, name: task.taskId, paramHeaders: [], taskOf: task.tool }
}

/** The refusal of an id that is not the caller's, or of whose tool the caller may know nothing any more. */
export function unknownTask(): GatewayError {
  return new GatewayError('INVALID_PARAMS', 'Unknown task: it is not yours, or it ended')
}

/**
 * Refuses whoever uses tasks without declaring them (ext-tasks, "Capability Negotiation").
 *
 * @throws GatewayError MISSING_CAPABILITY
 */
export function requireTasks({ message }: Pick<Call, 'message'>): void {
  if (Object.hasOwn(declaredExtensions(message), TASKS)) return
  throw new GatewayError('MISSING_CAPABILITY', `Missing required client capability: extension ${TASKS}`, {
    data: { requiredCapabilities: { extensions: { [TASKS]: {} } } },
  })
}
