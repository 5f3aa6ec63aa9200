/** A relay of TCP connections that can stop forwarding without a word, as a network does that loses a peer. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import type { Scope } from './scope.ts'

/** A relay to one address. */
export interface Relay {
  readonly port: number
  /** From now on nothing is forwarded, either way, on the connections that are open; nor is their end. */
  vanish(): void
  /** As {@link Relay.vanish}, and for new connections too, until {@link Relay.restore}. */
  cut(): void
  /** Forwards new connections again. Those that are lost stay lost. */
  restore(): void
}

/** Starts a relay to a port of this machine. */
export async function relayTo(scope: Scope, target: number): Promise<Relay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let isCut = false
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true })
    pairs.add([near, far])
    for (const socket of [near, far]) socket.on('error', () => undefined)
    if (isCut) return void near.pause()
    near.pipe(far)
    far.pipe(near)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const vanish = (): void => {
    for (const [near, far] of pairs) {
      for (const socket of [near, far]) {
        socket.unpipe()
        socket.removeAllListeners('close')
        socket.pause()
      }
    }
  }
  scope.after(async () => {
    for (const pair of pairs) pair.forEach((socket) => socket.destroy())
    server.close()
    await once(server, 'close')
  })
  return {
    port: (server.address() as AddressInfo).port,
    vanish,
    cut() {
      isCut = true
      vanish()
    },
    restore() {
      isCut = false
    },
  }
}
