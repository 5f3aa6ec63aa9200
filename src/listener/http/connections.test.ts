import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ServerResponse, createServer } from 'node:http'
import { type AddressInfo, type Socket, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type FakeClock, createFakeClock } from '../../../test/support/fake-clock.ts'
import { watchConnections } from './connections.ts'

const TIMEOUT = 60_000

interface Door {
  readonly clock: FakeClock
  /** The response to a request that a new client has sent and whose answer it does not read. */
  readonly visit: () => Promise<{
    readonly response: ServerResponse
    readonly client: Socket
    readonly server: Socket
  }>
}

async function door(t: TestContext): Promise<Door> {
  const clock = createFakeClock()
  const server = createServer()
  watchConnections(server, { replyTimeout: TIMEOUT }, clock)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const clients = new Set<Socket>()
  t.after(() => {
    clients.forEach((client) => client.destroy())
    server.closeAllConnections()
    server.close()
  })
  return {
    clock,
    async visit() {
      const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
      client.on('error', () => undefined)
      clients.add(client)
      client.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
      const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
      const socket = response.socket ?? assert.fail()
      return { response, client, server: socket }
    },
  }
}

/** More than the buffers of a connection take, however large they are. */
const LARGE = Buffer.alloc(24 * 1024 * 1024, 'a')

test('a client that does not take its reply in time loses its connection', async (t) => {
  const { clock, visit } = await door(t)
  const { response, server } = await visit()
  response.end(LARGE)
  await clock.advance(TIMEOUT - 1)
  assert.equal(server.destroyed, false)
  await clock.advance(TIMEOUT / 2)
  assert.equal(server.destroyed, true)
})

test('a client that reads again within the time keeps its connection, however long it lasts', async (t) => {
  const { clock, visit } = await door(t)
  const { response, client, server } = await visit()
  for (let part = 0; part < 4; part++) {
    response.write(LARGE)
    await clock.advance(TIMEOUT * 0.7)
    let received = 0
    client.on('data', (chunk: Buffer) => (received += chunk.length))
    client.resume()
    while (server.writableLength > 0) await once(response, 'drain')
    client.pause()
    client.removeAllListeners('data')
    assert.ok(received > 0)
    await clock.advance(TIMEOUT * 0.7)
  }
  assert.equal(server.destroyed, false)
})

test('a client that always leaves something unread, but takes what was there before, is not slow', async (t) => {
  const { clock, visit } = await door(t)
  const { response, client, server } = await visit()
  response.write(LARGE)
  for (let part = 0; part < 6; part++) {
    await clock.advance(TIMEOUT * 0.5)
    const before = server.bytesWritten
    response.write(LARGE)
    client.resume()
    while (server.bytesWritten - server.writableLength < before)
      await new Promise((resolve) => void setImmediate(resolve))
    client.pause()
  }
  assert.equal(server.destroyed, false)
})

test('nothing is watched while nobody is connected, and idle connections are left alone', async (t) => {
  const { clock, visit } = await door(t)
  assert.equal(clock.pending, 0)
  const { response, client, server } = await visit()
  response.end('ok')
  await once(response, 'finish')
  await clock.advance(TIMEOUT * 10)
  assert.equal(server.destroyed, false)
  const closed = Promise.withResolvers<void>()
  server.once('close', closed.resolve)
  client.destroy()
  await closed.promise
  await clock.advance(TIMEOUT)
  assert.equal(clock.pending, 0)
})
