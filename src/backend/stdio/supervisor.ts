import type { StdioBackendConfig } from '../../config/types.ts'
import { type Channel, ChannelError, type ChannelEvents } from '../channel.ts'
import { createBackoff } from './backoff.ts'
import { type StdioChannel, openStdioChannel } from './channel.ts'
import type { StdioPorts } from './ports.ts'

/** What the operator should know about the processes of a backend. */
export interface SupervisorStatus {
  /** Of the running process; undefined while there is none. */
  readonly pid: number | undefined
  /** Times a process was started, or tried to be, after the first. */
  readonly restarts: number
  /** Why and when (wall-clock milliseconds) a process ended last or could not be started. */
  readonly lastExit: { readonly reason: string; readonly at: number } | undefined
  /** Wall-clock milliseconds before which no process is started; undefined when one runs or may be started. */
  readonly nextTry: number | undefined
}

/** Gives a backend one process after another. */
export interface StdioSupervisor {
  /**
   * The channel of the running process; starts one when there is none. Calls at the same time share one start.
   *
   * @throws ChannelError unreachable when it cannot be started, at once while a start has to wait
   */
  channel(): Promise<Channel>
  status(): SupervisorStatus
  /** Ends the process cleanly; none is started any more. Never rejects. */
  close(): Promise<void>
}

/**
 * Keeps the process of a backend available. It is started when it is asked for, and again after it ended, with an
 * exponential backoff unless it had lived a minute. A new process starts only after the old one is gone, since
 * both would work on the same files. `events` hear of every life; `onEnd` of each once.
 */
export function createStdioSupervisor(
  config: StdioBackendConfig,
  ports: StdioPorts,
  events: ChannelEvents,
): StdioSupervisor {
  const { clock, log } = ports
  const backoff = createBackoff(clock, ports.random)
  let current: StdioChannel | undefined
  let previous: StdioChannel | undefined
  let starting: Promise<StdioChannel> | undefined
  let lastExit: SupervisorStatus['lastExit']
  let starts = 0
  let closed = false

  const restarts = (): number => Math.max(0, starts - 1)
  const ended = (reason: string, lived: number): void => {
    current = undefined
    backoff.ended(lived)
    lastExit = { reason, at: clock.wallTime() }
    const nextTryMs = Math.round(backoff.wait())
    log('warn', 'The process of a backend is gone', {
      backend: config.name,
      reason,
      restarts: restarts(),
      nextTryMs,
    })
  }
  const start = async (): Promise<StdioChannel> => {
    await previous?.close()
    if (closed) throw unreachable(CLOSED)
    starts++
    current = await startLife(config, ports, { events, ended })
    previous = current
    return current
  }
  return {
    channel: async () => {
      if (closed) throw unreachable(CLOSED)
      if (current !== undefined) return current
      if (starting !== undefined) return starting
      const wait = backoff.wait()
      if (wait > 0) throw unreachable(`${lastExit?.reason} (next try in ${(wait / 1000).toFixed(1)} s)`)
      starting = start().finally(() => (starting = undefined))
      return starting
    },
    status: () => {
      const wait = current === undefined ? backoff.wait() : 0
      const nextTry = wait > 0 ? clock.wallTime() + wait : undefined
      return { pid: current?.pid, restarts: restarts(), lastExit, nextTry }
    },
    close: async () => {
      closed = true
      await starting?.catch(() => undefined)
      current = undefined
      await previous?.close()
    },
  }
}

/** Opens the channel of one process and says when, and after how many milliseconds of life, it is gone. */
async function startLife(
  config: StdioBackendConfig,
  ports: StdioPorts,
  to: { readonly events: ChannelEvents; ended(reason: string, lived: number): void },
): Promise<StdioChannel> {
  const startedAt = ports.clock.now()
  try {
    return await openStdioChannel(config, ports, {
      onMessage: (message) => to.events.onMessage(message),
      onEnd: (reason, detail) => {
        to.ended(reason, ports.clock.now() - startedAt)
        to.events.onEnd(reason, detail)
      },
    })
  } catch (error) {
    to.ended(error instanceof Error ? error.message : String(error), 0)
    throw error
  }
}

const CLOSED = 'The backend was closed'

function unreachable(reason: string): ChannelError {
  return new ChannelError({ kind: 'unreachable', reason })
}
