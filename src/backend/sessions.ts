import { type Signal, anySignal } from '../pipeline/signal.ts'
import type { McpBackendConfig } from '../config/types.ts'
import { GatewayError } from '../errors.ts'
import { unlessAborted } from '../pipeline/abort.ts'
import { member, stringOf } from '../protocol/json.ts'
import type { NotificationMessage, RequestMessage } from '../protocol/message.ts'
import { relatedTaskOf } from '../protocol/tasks.ts'
import type { Declared } from './capabilities.ts'
import type { LegacySpeaker } from './legacy.ts'
import type { LegacyTask } from './legacy-task.ts'
import type { BackendPorts, SessionClient } from './ports.ts'
import { StaleSpeakerError } from './speaker.ts'
import { createEventRate } from './stdio/rate.ts'
import type { WaitingCall } from './waiting-call.ts'

/** One session of a legacy server, or the process of its own that a stdio server is for its client. */
export interface Connection {
  readonly speaker: LegacySpeaker
  /** As {@link OpenSession.follow}. */
  follow(): void
  close(): Promise<void>
  /** Says that it is over though it was not closed: the server has forgotten it. */
  readonly forgotten?: (() => void) | undefined
}

/** Opens a connection for a client. `onEnd` is called when it ends by itself. */
export type Connect = (
  client: SessionClient,
  onEnd: (reason: string) => void,
  signal: Signal,
) => Promise<Connection>

/** Sessions that are idle for so long are closed, in milliseconds. */
const IDLE: number = 5 * 60_000

/** Sessions that may be started at once, and the milliseconds in which that many more may be. */
const STARTS = { http: { count: 200, perMs: 10_000 }, stdio: { count: 50, perMs: 10_000 } } as const

/** Whose session is wanted. */
export interface SessionWanted {
  /** Callers with the same key share a session; undefined asks for one that nobody else gets. */
  readonly key: string | undefined
  readonly declared: Declared
  readonly exclusive: boolean
}

/** A session that is held, and not closed before it is given back. */
export interface Lease {
  /**
   * The living session; opened or opened again where there is none. Callers at the same time share one attempt.
   *
   * @throws ChannelError, GatewayError or the reason of the signal
   */
  session(signal: Signal): Promise<OpenSession>
  /** Forgets a session that the server no longer knows. */
  drop(session: OpenSession): void
  /** Waits for its turn where interactive calls run one at a time. Yields the way to let the next one. */
  turn(signal: Signal): Promise<() => void>
  release(): void
}

/** An open session with the calls in it that may ask for something. */
export interface OpenSession {
  readonly speaker: LegacySpeaker
  /** In the order of their start. */
  readonly calls: Set<WaitingCall>
  /** Tasks that live in it, by the server's ids. */
  readonly tasks: Map<string, LegacyTask>
  /** Listens from now on to what the server says outside of calls, where it would not otherwise. */
  follow(): void
}

/** The sessions of one legacy backend: opened on demand, bounded in number and rate, closed when idle. */
export interface SessionPool {
  /** @throws GatewayError TOO_MANY when all places are in use, or too many were started lately */
  lease(wanted: SessionWanted): Lease
  /** Sessions that are open, or being opened. */
  readonly size: number
  /** Closes all of them. */
  close(): Promise<void>
}

/** Creates an empty pool. */
export function createSessionPool(
  config: McpBackendConfig,
  connect: Connect,
  ports: BackendPorts,
): SessionPool {
  return new Sessions(config, connect, ports)
}

class Sessions implements SessionPool {
  readonly #config: McpBackendConfig
  readonly #connect: Connect
  readonly #ports: BackendPorts
  readonly #slots = new Map<string, Slot>()
  readonly #starts: ReturnType<typeof createEventRate>
  readonly #closing = new AbortController()
  #lastOnce = 0
  #cancelSweep: (() => void) | undefined

  constructor(config: McpBackendConfig, connect: Connect, ports: BackendPorts) {
    this.#config = config
    this.#connect = connect
    this.#ports = ports
    const { count, perMs } = STARTS[config.transport]
    this.#starts = createEventRate(ports.clock, count, perMs)
  }

  get size(): number {
    return this.#slots.size
  }

  lease(wanted: SessionWanted): Lease {
    this.#closing.signal.throwIfAborted()
    // No key that a caller can have begins like this.
    const key = wanted.key ?? `once ${++this.#lastOnce}`
    const slot = this.#slots.get(key) ?? this.#add(key, wanted)
    slot.holders++
    let isHeld = true
    return {
      session: (signal) => slot.session(signal),
      drop: (session) => slot.drop(session),
      turn: (signal) => slot.turn(signal),
      release: () => {
        if (!isHeld) return
        isHeld = false
        slot.holders--
        slot.idleSince = this.#ports.clock.now()
        if (wanted.key === undefined) this.#remove(key, slot)
      },
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new GatewayError('DRAINING', 'The gateway is shutting down', this.#about))
    this.#cancelSweep?.()
    const slots = [...this.#slots.values()]
    this.#slots.clear()
    await Promise.all(slots.map((slot) => slot.close()))
  }

  get #about(): { readonly backend: string } {
    return { backend: this.#config.name }
  }

  #add(key: string, wanted: SessionWanted): Slot {
    const { name, maxSessions, timeout } = this.#config
    if (this.#slots.size >= maxSessions && !this.#evict()) {
      const message = `All ${maxSessions} sessions of backend ${name} are in use`
      throw new GatewayError('TOO_MANY', message, { ...this.#about, retryAfterMs: 1000 })
    }
    const open: OpenSlot = async (client, onEnd) => {
      if (!this.#starts.allow()) {
        const message = `Backend ${name} was asked for too many new sessions`
        throw new GatewayError('TOO_MANY', message, { ...this.#about, retryAfterMs: 1000 })
      }
      return measured((end) => this.#inTime((signal) => this.#connect(client, end, signal), timeout), {
        ...this.#ports,
        config: this.#config,
        onEnd,
      })
    }
    const slot = new Slot(wanted, open)
    this.#slots.set(key, slot)
    this.#cancelSweep ??= this.#ports.clock.after(IDLE / 5, () => this.#sweep())
    return slot
  }

  /** Bounds the work of opening a session, which no single caller owns. What comes too late is closed. */
  async #inTime(work: (signal: Signal) => Promise<Connection>, ms: number): Promise<Connection> {
    const deadline = new AbortController()
    const message = `Backend ${this.#config.name} did not open a session within ${ms} ms`
    const cancel = this.#ports.clock.after(ms, () =>
      deadline.abort(new GatewayError('BACKEND_TIMEOUT', message, this.#about)),
    )
    const signal = anySignal(deadline.signal, this.#closing.signal)
    const opening = work(signal)
    try {
      return await unlessAborted(opening, signal)
    } catch (error) {
      void opening.then((late) => late.close()).catch(() => undefined)
      throw error
    } finally {
      cancel()
    }
  }

  #evict(): boolean {
    let idlest: readonly [string, Slot] | undefined
    for (const [key, slot] of this.#slots) {
      if (slot.holders > 0) continue
      if (idlest === undefined || slot.idleSince < idlest[1].idleSince) idlest = [key, slot]
    }
    if (idlest !== undefined) this.#remove(...idlest)
    return idlest !== undefined
  }

  #remove(key: string, slot: Slot): void {
    if (this.#slots.get(key) !== slot) return
    this.#slots.delete(key)
    void slot.close()
  }

  #sweep(): void {
    const since = this.#ports.clock.now() - IDLE
    for (const [key, slot] of this.#slots) {
      if (slot.holders === 0 && slot.idleSince <= since) this.#remove(key, slot)
    }
    this.#cancelSweep =
      this.#slots.size === 0 ? undefined : this.#ports.clock.after(IDLE / 5, () => this.#sweep())
  }
}

type OpenSlot = (client: SessionClient, onEnd: (reason: string) => void) => Promise<Connection>

interface Life extends OpenSession {
  readonly connection: Connection
}

/** The place of one session, whichever lives there at the moment. */
class Slot {
  holders = 0
  idleSince = 0
  readonly #wanted: SessionWanted
  readonly #open: OpenSlot
  #life: Life | undefined
  #opening: Promise<Life> | undefined
  #last: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(wanted: SessionWanted, open: OpenSlot) {
    this.#wanted = wanted
    this.#open = open
  }

  async session(signal: Signal): Promise<OpenSession> {
    signal.throwIfAborted()
    if (this.#life !== undefined) return this.#life
    this.#opening ??= this.#begin().finally(() => {
      this.#opening = undefined
    })
    return unlessAborted(this.#opening, signal)
  }

  drop(session: OpenSession): void {
    const life = this.#life
    if (life === undefined || life !== session) return
    this.#life = undefined
    life.connection.forgotten?.()
  }

  async turn(signal: Signal): Promise<() => void> {
    const before = this.#last
    const mine = Promise.withResolvers<void>()
    this.#last = before.then(() => mine.promise)
    try {
      await unlessAborted(before, signal)
    } catch (error) {
      mine.resolve()
      throw error
    }
    return mine.resolve
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const life = this.#life ?? (await this.#opening?.catch(() => undefined))
    this.#life = undefined
    await life?.connection.close().catch(() => undefined)
  }

  async #begin(): Promise<Life> {
    const calls = new Set<WaitingCall>()
    const tasks = new Map<string, LegacyTask>()
    const now: { life?: Life; isOver?: true } = {}
    const client: SessionClient = {
      capabilities: this.#wanted.declared.capabilities,
      exclusive: this.#wanted.exclusive,
      onRequest: (request) => takeRequest(request, calls, () => now.life?.speaker.refuse(request)),
      takesForTask: (request) => {
        const task = tasks.get(relatedTaskOf(request.text, request.params) ?? '')
        task?.onRequest(request)
        return task !== undefined
      },
      onNotification: (notification) => {
        if (notification.method === 'notifications/cancelled')
          for (const one of [...calls, ...tasks.values()]) one.withdraw(notification)
        else void tasks.get(taskIdOf(notification))?.told(notification)
      },
    }
    const connection = await this.#open(client, () => {
      now.isOver = true
      if (this.#life === now.life) this.#life = undefined
    })
    const life: Life = {
      speaker: connection.speaker,
      calls,
      tasks,
      connection,
      follow: () => connection.follow(),
    }
    now.life = life
    if (now.isOver !== true && !this.#isClosed) this.#life = life
    return life
  }
}

interface Measuring extends Pick<BackendPorts, 'measures' | 'clock'> {
  readonly config: McpBackendConfig
  readonly onEnd: (reason: string) => void
}

/** Tells how long a connection lasts, once it has ended in whichever way. */
async function measured(
  connect: (onEnd: (reason: string) => void) => Promise<Connection>,
  { measures, clock, config, onEnd }: Measuring,
): Promise<Connection> {
  if (measures === undefined) return connect(onEnd)
  let end: ((error?: string) => void) | undefined
  const connection = await connect((reason) => {
    onEnd(reason)
    end?.('BACKEND_UNAVAILABLE')
  })
  const begun = clock.now()
  const { version } = connection.speaker.identity
  const about = { side: 'client', version, transport: config.transport, backend: config.name } as const
  end = (error) => {
    end = undefined
    measures.sessionEnded({ ...about, lasted: clock.now() - begun, error })
  }
  return {
    speaker: connection.speaker,
    follow: () => connection.follow(),
    forgotten: () => end?.('SESSION_NOT_FOUND'),
    close: () => {
      end?.()
      return connection.close()
    },
  }
}

function taskIdOf({ text, params }: NotificationMessage): string {
  return stringOf(text, member(params, 'taskId')) ?? ''
}

/**
 * On a channel without streams nothing says whose question it is: sessions are never shared across principals, so
 * it is taken for one of the latest call that is being worked on.
 */
function takeRequest(request: RequestMessage, calls: ReadonlySet<WaitingCall>, refuse: () => void): void {
  const inFlight = [...calls].filter((call) => call.isInFlight)
  const latest = inFlight.findLast((call) => !call.isParked) ?? inFlight.at(-1)
  if (latest === undefined) refuse()
  else latest.onRequest(request)
}

/** Uses a session, and once more a fresh one where the server has forgotten the first: the request was not carried out. */
export async function useSession<T>(
  lease: Lease,
  action: (session: OpenSession) => Promise<T>,
  signal: Signal,
): Promise<T> {
  const session = await lease.session(signal)
  try {
    return await action(session)
  } catch (error) {
    if (!(error instanceof StaleSpeakerError) || error.stale !== 'session') throw error
    lease.drop(session)
  }
  return action(await lease.session(signal))
}
