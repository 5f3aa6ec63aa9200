import type { Backend, BackendSubscription } from '../backend/backend.ts'
import { type SubscriptionFilter, offeredOf } from '../protocol/subscription.ts'

/** One resource, as the client and as its backend call it. */
export interface Followed {
  readonly exposed: string
  readonly own: string
  /** False where nobody knows whose it is, so that every backend is asked. */
  readonly owned: boolean
}

/** One task, as the client and as its backend call it. */
export interface FollowedTask {
  readonly exposed: string
  readonly own: string
}

/** What is followed at one backend. Tasks are followed apart. */
export interface Part {
  readonly backend: Backend
  readonly followed: readonly Followed[]
  readonly tasks: readonly FollowedTask[]
  readonly subscription: BackendSubscription
  /** What the backend honours; undefined until it has said so. */
  honoured: SubscriptionFilter | undefined
}

/** What a part of a subscription honours, in the client's words. One that is away is taken at its last word. */
export function honouredResources({ backend, followed, honoured }: Part): readonly string[] {
  if (honoured !== undefined)
    return followed.filter(({ own }) => honoured.resources.includes(own)).map(({ exposed }) => exposed)
  const { identity } = backend.status()
  const owned = followed.filter((one) => one.owned)
  const resources = owned.map(({ exposed }) => exposed)
  return identity === undefined
    ? resources
    : offeredOf({ lists: [], resources, tasks: [] }, identity.capabilities).resources
}

/** The tasks that the backend has agreed to: whoever hears of none asks for them (ext-tasks, "Task Status Notifications"). */
export function honouredTasks({ tasks, honoured }: Part): readonly string[] {
  return tasks.filter(({ own }) => honoured?.tasks.includes(own)).map(({ exposed }) => exposed)
}
