import { randomUUID } from 'node:crypto'
import type { McpBackendConfig, Isolation } from '../config/types.ts'
import { GatewayError } from '../errors.ts'
import { type Notifications, type Reply, holderOf } from '../pipeline/call.ts'
import type { NotificationMessage } from '../protocol/message.ts'
import { isTaskMethod } from '../protocol/methods.ts'
import type { BackendRequest } from './backend.ts'
import { type Declared, NOTHING_DECLARED, declaredBy, withoutInput } from './capabilities.ts'
import { asGatewayError } from './failure.ts'
import {
  INPUT_METHODS,
  type Retry,
  bindingOf,
  canVisit,
  inputRequired,
  invalidState,
  missingUrlElicitation,
  retryOf,
  visitQuestions,
  visitsOf,
} from './input.ts'
import { type CallEvents, type LegacySpeaker, passOn } from './legacy.ts'
import { toModernReply } from './legacy-form.ts'
import { type LegacyTasks, carryHeld, createLegacyTasks, taskWish } from './legacy-tasks.ts'
import type { BackendPorts } from './ports.ts'
import {
  type Connect,
  type Lease,
  type OpenSession,
  type SessionWanted,
  createSessionPool,
  useSession,
} from './sessions.ts'
import { progressTokenOf } from './speaker.ts'
import { type Attendant, GRACE, type Progress, WaitingCall } from './waiting-call.ts'

/** The calls of clients in a legacy backend: each in the session of its client, waiting where that has to answer. */
export interface LegacyCalls {
  /**
   * Carries out one request. `base` is the session of the gateway's own, which serves whoever has nothing to isolate.
   *
   * @throws ChannelError, StaleSpeakerError, GatewayError or the reason of the signal
   */
  send(request: BackendRequest, base: LegacySpeaker, out: Notifications): Promise<Reply>
  /**
   * Takes up the call that waits for what the request brings; undefined when it is no such retry.
   *
   * @throws GatewayError INVALID_PARAMS for a call that nobody knows (any more), or what became of the call
   */
  resume(request: BackendRequest, out: Notifications): Promise<Reply> | undefined
  /** Whether {@link LegacyCalls.resume} would take up a call that is known. */
  resumes(request: BackendRequest): boolean
  /** Sessions that are open for clients. */
  readonly sessions: number
  close(): Promise<void>
}

/** Calls that are remembered at once, those that have ended included. */
const MEMORY = 10_000

/** What a sealed state says. */
type State =
  | { readonly kind: 'call'; readonly id: string; readonly until: number }
  /** Nothing waits: the client has to visit a URL, and the call is then sent again. */
  | { readonly kind: 'again'; readonly until: number }

/** What the calls of a backend need. */
export interface LegacyCallsPorts extends BackendPorts {
  /** Takes change notifications to whoever follows the backend. */
  readonly onChange: (notification: NotificationMessage) => void
}

/** Creates the calls of one backend. */
export function createLegacyCalls(
  config: McpBackendConfig,
  connect: Connect,
  ports: LegacyCallsPorts,
): LegacyCalls {
  return new Calls(config, connect, ports)
}

class Calls implements LegacyCalls {
  readonly #config: McpBackendConfig
  readonly #ports: BackendPorts
  readonly #pool: ReturnType<typeof createSessionPool>
  readonly #waiting = new Map<string, WaitingCall>()
  readonly #tasks: LegacyTasks

  constructor(config: McpBackendConfig, connect: Connect, ports: LegacyCallsPorts) {
    this.#config = config
    this.#ports = ports
    this.#pool = createSessionPool(config, connect, ports)
    this.#tasks = createLegacyTasks({ ...ports, backend: config.name })
  }

  get sessions(): number {
    return this.#pool.size
  }

  async send(asked: BackendRequest, base: LegacySpeaker, out: Notifications): Promise<Reply> {
    const { message } = asked
    if (isTaskMethod(message.method)) return this.#tasks.answer(asked)
    const wish = taskWish(asked, base.identity)
    const request = wish === undefined ? asked : { ...asked, task: wish.task }
    // Whatever state is brought, it was none of ours: see resume.
    if (retryOf(message) !== undefined && this.#stateOf(request)?.kind !== 'again') throw invalidState()
    const declared = declaredBy(message)
    const wanted = this.#wantedBy(request, declared)
    if (wish?.isHeld === false) {
      const lease = this.#pool.lease(wanted === 'base' ? TASKS_OF_ALL : wanted)
      const { isTask, reply } = await this.#tasks.create(request, { declared, lease })
      return isTask ? reply : this.#toModern(request, reply)
    }
    if (wanted === 'base') return this.#toModern(request, await this.#carry(base, request, out))
    const lease = this.#pool.lease(wanted)
    const isInteractive = wanted.declared.interactive && INPUT_METHODS.has(message.method)
    if (isInteractive) return this.#converse({ request, declared, lease }, out)
    try {
      const reply = await useSession(
        lease,
        ({ speaker }) => this.#carry(speaker, request, out),
        request.signal,
      )
      return this.#toModern(request, reply)
    } finally {
      lease.release()
    }
  }

  resume(request: BackendRequest, out: Notifications): Promise<Reply> | undefined {
    const retry = retryOf(request.message)
    const state = retry === undefined ? undefined : this.#stateOf(request)
    if (retry === undefined || state?.kind !== 'call') return undefined
    const call = this.#waiting.get(state.id)
    if (call === undefined) return Promise.reject(invalidState())
    return this.#goOn(call, { request, retry, id: state.id }, out)
  }

  resumes(request: BackendRequest): boolean {
    const state = this.#stateOf(request)
    return state?.kind === 'call' && this.#waiting.has(state.id)
  }

  async close(): Promise<void> {
    const { name } = this.#config
    const reason = new GatewayError('DRAINING', 'The gateway is shutting down', { backend: name })
    for (const call of this.#waiting.values()) call.forget(reason)
    this.#tasks.close(reason)
    await this.#pool.close()
  }

  async #goOn(
    call: WaitingCall,
    { request, retry, id }: { readonly request: BackendRequest; readonly retry: Retry; readonly id: string },
    out: Notifications,
  ): Promise<Reply> {
    // It was sent long ago, by the request that this one goes on from.
    if (request.attempt !== undefined) request.attempt.isSent = true
    call.answer(retry.responses)
    try {
      const progress = await call.attend(attendantOf(request, out))
      return this.#told(request, { progress, id })
    } catch (error) {
      throw asGatewayError(error, this.#config.name)
    }
  }

  /** Sends a call that may ask its client for input, and waits until it ends or does. */
  async #converse({ request, lease, declared }: Conversation, out: Notifications): Promise<Reply> {
    const { signal } = request
    const id = randomUUID()
    let letNext = (): void => undefined
    let call: WaitingCall | undefined
    const free = async (): Promise<void> => {
      // The call may go on long after this request has been answered.
      await call?.ended
      letNext()
      lease.release()
    }
    try {
      if (this.#config.interactive === 'serial') letNext = await lease.turn(signal)
      const progress = await useSession(
        lease,
        (session) => {
          call = this.#begin({ request, declared, session, id })
          return call.attend(attendantOf(request, out))
        },
        signal,
      )
      return this.#told(request, { progress, id })
    } finally {
      void free()
    }
  }

  #begin(about: Beginning): WaitingCall {
    const { request, declared, session, id } = about
    const { clock, parking, limits } = this.#ports
    const call = new WaitingCall(session.speaker, {
      clock,
      parking,
      parkTime: limits.parkTime,
      backend: this.#config.name,
      holder: holderOf(request),
      capabilities: declared.capabilities,
      onForget: () => this.#waiting.delete(id),
    })
    this.#waiting.set(id, call)
    this.#makeRoom()
    session.calls.add(call)
    call.start(() => carry(session.speaker, { ...request, signal: call.signal }, call))
    void call.ended.finally(() => session.calls.delete(call))
    return call
  }

  /** Forgets the oldest calls that have ended where too many are remembered. */
  #makeRoom(): void {
    if (this.#waiting.size <= MEMORY) return
    for (const call of this.#waiting.values()) {
      if (call.isInFlight) continue
      call.forget(undefined)
      return
    }
  }

  async #carry(speaker: LegacySpeaker, request: BackendRequest, out: Notifications): Promise<Reply> {
    const token = progressTokenOf(request.message.text, request.message.params)
    return carry(speaker, request, {
      onNotification: (notification) => passOn(notification, token, out),
      onRequest: (asked) => speaker.refuse(asked),
    })
  }

  /** What the client is told: the end of the call, or what it has to answer and bring back. */
  #told(request: BackendRequest, { progress, id }: Outcome): Reply {
    if (progress.kind === 'reply') return this.#toModern(request, progress.reply)
    return inputRequired(progress.questions, this.#seal(request, { kind: 'call', id, until: this.#until }))
  }

  /** The modern form; −32042 becomes a question, after whose answer the call is sent again. */
  #toModern(request: BackendRequest, reply: Reply): Reply {
    const { method } = request.message
    const visits = reply.kind === 'error' && reply.code === -32042 ? visitsOf(reply) : undefined
    if (visits === undefined || reply.kind !== 'error' || !INPUT_METHODS.has(method))
      return toModernReply(reply, method)
    if (!canVisit(declaredBy(request.message))) return missingUrlElicitation(reply, visits)
    return inputRequired(visitQuestions(visits), this.#seal(request, { kind: 'again', until: this.#until }))
  }

  get #until(): number {
    return this.#ports.clock.wallTime() + this.#ports.limits.parkTime + GRACE
  }

  #seal(request: BackendRequest, state: State): string {
    return this.#ports.sealer.seal(state, bindingOf(request))
  }

  /** The state that the request brings back, if this gateway gave it to this caller for this very call. */
  #stateOf(request: BackendRequest): State | undefined {
    const retry = retryOf(request.message)
    if (retry === undefined) return undefined
    const state = this.#ports.sealer.open(retry.state, bindingOf(request)) as State | undefined
    return state !== undefined && state.until > this.#ports.clock.wallTime() ? state : undefined
  }

  /** In whose session a request is carried out. */
  #wantedBy(request: BackendRequest, declared: Declared): SessionWanted | 'base' {
    const isShared = this.#config.isolation === 'shared'
    const owner = isShared ? 'everybody' : ownerOf(request, this.#config.isolation)
    if (owner !== undefined) {
      const isAlone = owner !== PIPE && !isShared
      if (declared.key === '{}' && !isAlone) return 'base'
      return { key: JSON.stringify([owner, declared.key]), declared, exclusive: !isShared }
    }
    // Strangers share what cannot ask them anything.
    const isInteractive = declared.interactive && INPUT_METHODS.has(request.message.method)
    if (isInteractive) return { key: undefined, declared, exclusive: true }
    const silent = withoutInput(declared)
    if (silent.key === '{}') return 'base'
    return { key: JSON.stringify(['strangers', silent.key]), declared: silent, exclusive: false }
  }
}

interface Conversation {
  readonly request: BackendRequest
  readonly declared: Declared
  readonly lease: Lease
}

interface Beginning {
  readonly request: BackendRequest
  readonly declared: Declared
  readonly session: OpenSession
  readonly id: string
}

interface Outcome {
  readonly progress: Progress
  readonly id: string
}

/** A task that only its waiting caller knows is waited for. */
function carry(speaker: LegacySpeaker, request: BackendRequest, events: CallEvents): Promise<Reply> {
  return request.task === undefined ? speaker.carry(request, events) : carryHeld(speaker, request, events)
}

/** Where tasks live that have nothing to isolate. */
const TASKS_OF_ALL: SessionWanted = { key: '["tasks"]', declared: NOTHING_DECLARED, exclusive: false }

/** The one client at the other end of the gateway's own pipe. */
const PIPE = 'pipe'

/** Whose session a request belongs to; undefined for an anonymous client without a session, of which nothing is known. */
export function ownerOf({ principal, downstream }: BackendRequest, isolation: Isolation): string | undefined {
  const { session, transport } = downstream
  if (!principal.anonymous && (isolation === 'principal' || session === undefined))
    return `principal ${principal.id}`
  if (transport === 'stdio') return PIPE
  return session === undefined ? undefined : `session ${session}`
}

function attendantOf({ message, downstream, signal }: BackendRequest, out: Notifications): Attendant {
  const token = progressTokenOf(message.text, message.params)
  // A modern client cancels by closing its connection, which may also just have broken.
  const leavesOnPurpose = downstream.era === 'legacy' || downstream.transport === 'stdio'
  return { signal, out, token, leavesOnPurpose }
}
