import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { Clock } from '../../pipeline/clock.ts'

/** What spares need. */
export interface SparesPorts {
  readonly clock: Clock
  /** Opens a connection: TCP, and TLS where the URL says so. */
  readonly connect: buildConnector.connector
  /** Requests sent so far: as long as more come, spares are kept. */
  readonly sent: () => number
}

/** Connections that are open before anybody needs them. */
export interface Spares {
  /** A connection for the pool: a spare one, or else one that is opened now. */
  readonly connect: buildConnector.connector
  close(): void
}

/** Milliseconds that a connection may stay without a first request: servers wait a minute for one (Node, nginx). */
const LIFE = 20_000

/**
 * Keeps so many connections ready beside those of the pool, so that one more call at once need not wait for a connection
 * to be opened. They are opened once there is a first one, replaced when they are used or grow old, and given up when no
 * requests come for a while or the server does not accept them.
 */
export function createSpares(most: number, ports: SparesPorts): Spares {
  return new SpareConnections(most, ports)
}

interface Spare {
  readonly socket: Socket
  /** From then on nothing here knows of it. */
  readonly release: () => void
}

class SpareConnections implements Spares {
  readonly #most: number
  readonly #ports: SparesPorts
  readonly #ready: Spare[] = []
  #opening = 0
  #isClosed = false
  #sentBefore = 0

  constructor(most: number, ports: SparesPorts) {
    this.#most = most
    this.#ports = ports
  }

  readonly connect: buildConnector.connector = (options, callback) => {
    const spare = this.#ready.shift()
    spare?.release()
    if (spare === undefined) this.#ports.connect(options, callback)
    // As if it had just been opened: pools do not expect an answer before they have asked.
    else queueMicrotask(() => callback(null, spare.socket))
    this.#fill(options)
  }

  close(): void {
    this.#isClosed = true
    for (const spare of this.#ready.splice(0)) discard(spare)
  }

  #fill(options: buildConnector.Options): void {
    this.#sentBefore = this.#ports.sent()
    while (!this.#isClosed && this.#ready.length + this.#opening < this.#most) {
      this.#opening++
      this.#ports.connect(options, (error, socket) => {
        this.#opening--
        // Whoever needs a connection learns by itself why there is none.
        if (error !== null || socket === null) return
        if (this.#isClosed) socket.destroy()
        else this.#keep(socket, options)
      })
    }
  }

  #keep(socket: Socket, options: buildConnector.Options): void {
    // A server that says something before it was asked, or ends the connection, does not want it.
    const drop = (): void => {
      const at = this.#ready.indexOf(spare)
      if (at >= 0) this.#ready.splice(at, 1)
      discard(spare)
    }
    const cancel = this.#ports.clock.after(LIFE, () => {
      drop()
      if (this.#ports.sent() !== this.#sentBefore) this.#fill(options)
    })
    const spare: Spare = {
      socket,
      release: () => {
        cancel()
        for (const event of WATCHED) socket.off(event, drop)
        // As it was opened: pools let go of it themselves while they have nothing to send.
        socket.ref()
      },
    }
    for (const event of WATCHED) socket.on(event, drop)
    this.#ready.push(spare)
    socket.unref()
  }
}

function discard({ socket, release }: Spare): void {
  release()
  socket.on('error', () => undefined).destroy()
}

const WATCHED = ['readable', 'error', 'close'] as const
