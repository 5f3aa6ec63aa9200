import type { Socket } from 'node:net'
import type { Clock } from '../../pipeline/clock.ts'

/** Closes connections whose peer leaves unread what was written to it. */
export interface StallWatch {
  /** Watches a connection until it closes. */
  add(socket: Socket): void
  close(): void
}

/** Looks at every connection so many times in the time that a peer has. */
const LOOKS = 4

/** How far a connection has come. */
interface Progress {
  /** Bytes of writes that are done. */
  readonly done: number
  /** Bytes of the write that is under way which the system has not taken. */
  readonly left: number
  readonly since: number
}

/**
 * Watches for peers that do not read: neither the queue of a call nor back-pressure frees what waits for one that reads
 * nothing, and TCP keeps it for ever as long as the peer, or whatever is in between, acknowledges an empty window.
 *
 * @param ms that a peer may take without reading a byte
 */
export function createStallWatch(clock: Clock, ms: number): StallWatch {
  const connections = new Map<Socket, Progress>()
  let cancel: (() => void) | undefined
  const look = (): void => {
    const now = clock.now()
    for (const [socket, before] of connections) {
      const progress = progressOf(socket, now)
      const isStuck =
        socket.writableLength > 0 && progress.done === before.done && progress.left === before.left
      if (!isStuck) connections.set(socket, progress)
      else if (now - before.since >= ms) socket.destroy()
    }
    cancel = connections.size === 0 ? undefined : clock.after(ms / LOOKS, look)
  }
  return {
    add(socket) {
      connections.set(socket, progressOf(socket, clock.now()))
      socket.on('close', () => connections.delete(socket))
      cancel ??= clock.after(ms / LOOKS, look)
    },
    close() {
      cancel?.()
      connections.clear()
    },
  }
}

/** The event loop takes a write as a whole and says only here how much of it is left, as Node's own timeouts look at it. */
function progressOf(socket: Socket, since: number): Progress {
  const { _handle: handle } = socket as { readonly _handle?: { readonly writeQueueSize?: number } | null }
  const { bytesWritten, writableLength } = socket
  return { done: bytesWritten - writableLength, left: handle?.writeQueueSize ?? 0, since }
}
