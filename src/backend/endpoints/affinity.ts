import { createHash } from 'node:crypto'
import type { Reply } from '../../pipeline/call.ts'
import { member, stringOf } from '../../protocol/json.ts'
import type { BackendRequest } from '../backend.ts'

/** Remembers which endpoint knows of something: a task, a call that waits for input, a session. */
export interface Affinity {
  /** The endpoint that knows what the request goes on from, as far as it is remembered. */
  of(request: BackendRequest): number | undefined
  /** Remembers what the reply of an endpoint lets its client come back with. */
  learn(reply: Reply, index: number): void
  /** The endpoint at which the sessions of that owner are. */
  ofOwner(owner: string): number | undefined
  learnOwner(owner: string, index: number): void
}

/** Things that are remembered at once; those that were used least lately are forgotten first. */
const MEMORY = 10_000

/** Creates an empty memory. */
export function createAffinity(): Affinity {
  const known = new Map<string, number>()
  const remember = (key: string, index: number): void => {
    known.delete(key)
    known.set(key, index)
    const [oldest] = known.keys()
    if (known.size > MEMORY && oldest !== undefined) known.delete(oldest)
  }
  const recall = (key: string): number | undefined => {
    const index = known.get(key)
    if (index !== undefined) remember(key, index)
    return index
  }
  return {
    of(request) {
      const key = keyOfRequest(request)
      return key === undefined ? undefined : recall(key)
    },
    learn(reply, index) {
      const key = reply.kind === 'result' ? keyOfReply(reply) : undefined
      if (key !== undefined) remember(key, index)
    },
    ofOwner: (owner) => recall(`owner ${owner}`),
    learnOwner: (owner, index) => remember(`owner ${owner}`, index),
  }
}

function keyOfRequest({ message, target }: BackendRequest): string | undefined {
  if (message.method.startsWith('tasks/')) return target.name === undefined ? undefined : taskKey(target.name)
  const state = stringOf(message.text, member(message.params, 'requestState'))
  return state === undefined ? undefined : stateKey(state)
}

function keyOfReply(reply: Extract<Reply, { readonly kind: 'result' }>): string | undefined {
  const state = stringOf(reply.text, member(reply.result, 'requestState'))
  if (state !== undefined) return stateKey(state)
  const task = stringOf(reply.text, member(reply.result, 'taskId'))
  return task === undefined ? undefined : taskKey(task)
}

/** States can be long, and are no business of the gateway's. */
function stateKey(state: string): string {
  return `state ${createHash('sha256').update(state).digest('base64url')}`
}

function taskKey(id: string): string {
  return `task ${id}`
}
