import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../pipeline/clock.ts'

/** Bounds of the connections of one server; undefined does not bound. */
export interface ConnectionLimits {
  readonly connections?: number
  readonly replyTimeout?: number
}

/** The connections of one server, watched. */
export interface Connections {
  /** Whether a connection came when all places were taken: it is told so, and answers health checks only. */
  isSurplus(socket: Socket): boolean
}

/** Connections beyond the limit that are told so; those above are dropped without a word. */
const TOLD = 100

/** Looks at how far slow readers are, within the time they have. */
const LOOKS = 4

/** What a client had not taken when it was looked at first. */
interface Backlog {
  readonly since: number
  /** Bytes written to the connection until then. */
  readonly until: number
}

/**
 * Watches the connections of a server: counts them, and ends those whose client does not take what was written to it
 * in time. Nothing of it happens per call.
 */
export function watchConnections(
  server: Server,
  { connections: most = Number.POSITIVE_INFINITY, replyTimeout }: ConnectionLimits,
  clock: Clock,
): Connections {
  const open = new Map<Socket, Backlog | undefined>()
  const surplus = new WeakSet<Socket>()
  /** Whether there ever was one: nearly always there was none. */
  let hasSurplus = false
  let isWatching = false
  const look = (timeout: number): void => {
    for (const [socket, backlog] of open) {
      const next = backlogOf(socket, backlog, clock.now())
      if (next !== undefined && clock.now() - next.since >= timeout) socket.destroy()
      else open.set(socket, next)
    }
    isWatching = open.size > 0
    if (isWatching) clock.after(timeout / LOOKS, () => look(timeout))
  }
  if (Number.isFinite(most)) server.maxConnections = most + TOLD
  server.on('connection', (socket) => {
    if (open.size >= most) {
      hasSurplus = true
      surplus.add(socket)
    }
    open.set(socket, undefined)
    socket.once('close', () => open.delete(socket))
    if (isWatching || replyTimeout === undefined) return
    isWatching = true
    clock.after(replyTimeout / LOOKS, () => look(replyTimeout))
  })
  return { isSurplus: (socket) => hasSurplus && surplus.has(socket) }
}

/** What the client has still not taken of what it had not taken before; new bytes are another backlog. */
function backlogOf(socket: Socket, before: Backlog | undefined, now: number): Backlog | undefined {
  const { writableLength, bytesWritten } = socket
  if (writableLength === 0) return undefined
  const taken = bytesWritten - writableLength
  return before !== undefined && taken < before.until ? before : { since: now, until: bytesWritten }
}
