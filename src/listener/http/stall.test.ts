import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type Socket, connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createFakeClock } from '../../../test/support/fake-clock.ts'
import { createStallWatch } from './stall.ts'

/** Both ends of a connection; the client does not read until it is resumed. */
async function pair(t: TestContext): Promise<{ server: Socket; client: Socket }> {
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const client = connect(port, '127.0.0.1')
  const [server] = await accepted
  client.pause()
  for (const socket of [server, client]) socket.on('error', () => undefined)
  t.after(() => {
    client.destroy()
    server.destroy()
    listener.close()
  })
  return { server, client }
}

/** Settles when the client has read so much, and reads no more. */
function reading(client: Socket, bytes: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = bytes
  const onData = (chunk: Buffer): void => {
    left -= chunk.length
    if (left > 0) return
    client.off('data', onData).pause()
    resolve()
  }
  client.on('data', onData).resume()
  return promise
}

const BIG = Buffer.alloc(50_000_000)

test('a peer that reads nothing loses its connection in time', async (t) => {
  const { server } = await pair(t)
  const clock = createFakeClock()
  const watch = createStallWatch(clock, 1000)
  watch.add(server)
  server.write(BIG)
  await clock.advance(1000)
  // What the system has taken at the beginning was progress.
  await clock.advance(1250)
  assert.equal(server.destroyed, true)
  await clock.advance(250)
  assert.equal(clock.pending, 0, 'nothing is looked at any more')
})

test('a peer that reads, however little, keeps it, and so does one to whom nothing is said', async (t) => {
  const { server, client } = await pair(t)
  const quiet = await pair(t)
  const clock = createFakeClock()
  const watch = createStallWatch(clock, 1000)
  watch.add(server)
  watch.add(quiet.server)
  server.write(BIG)
  // More than the buffers of both systems hold together, so that every look sees a difference.
  for (let look = 0; look < 7; look++) {
    await reading(client, 6_000_000)
    await clock.advance(500)
  }
  assert.deepEqual([server.destroyed, quiet.server.destroyed], [false, false])
  watch.close()
})
