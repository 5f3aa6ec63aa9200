import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { buildConnector } from 'undici'
import { createFakeClock, settled } from '../../../test/support/fake-clock.ts'
import { createSpares } from './spares.ts'

/** A server that accepts and says nothing, and spares in front of it whose every connection the test sees. */
async function setUp(t: TestContext, most = 1) {
  const remotes: Socket[] = []
  const server = createServer((socket) => remotes.push(socket.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const real = buildConnector({ allowH2: false })
  const opened: Socket[] = []
  let onOpened = (): void => undefined
  let sent = 0
  const clock = createFakeClock()
  const spares = createSpares(most, {
    clock,
    sent: () => sent,
    connect: (at, callback) =>
      real(at, (error, socket) => {
        if (error !== null || socket === null) return callback(error ?? new Error('none'), null)
        opened.push(socket)
        callback(null, socket)
        onOpened()
      }),
  })
  t.after(() => {
    spares.close()
    for (const socket of [...opened, ...remotes]) socket.destroy()
    server.close()
  })
  /** Settles once so many connections were opened in all. */
  const total = (count: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    onOpened = () => (opened.length >= count ? resolve() : undefined)
    onOpened()
    return promise
  }
  const port = String((server.address() as AddressInfo).port)
  const connect = async (): Promise<Socket> => {
    sent++
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    spares.connect({ hostname: '127.0.0.1', protocol: 'http:', port }, (error, socket) =>
      error !== null || socket === null ? reject(error ?? new Error('none')) : resolve(socket),
    )
    return promise
  }
  const call = (): void => void sent++
  return { clock, spares, connect, call, total, opened, remotes, server }
}

/** Whether the process stays alive for it; only the handle below a socket says so. */
function keepsAlive(socket: Socket): boolean {
  const { _handle: handle } = socket as Socket & { readonly _handle?: { hasRef(): boolean } }
  return handle?.hasRef() === true
}

test('the process does not wait for a spare, but for one that is used', async (t) => {
  const { connect, total, opened } = await setUp(t)
  await connect()
  await total(2)
  const spare = opened[1] ?? assert.fail()
  assert.equal(keepsAlive(spare), false)
  assert.equal(await connect(), spare)
  assert.equal(keepsAlive(spare), true)
})

test('the second connection is open before it is asked for, and another takes its place', async (t) => {
  const { connect, total, opened } = await setUp(t)
  const first = await connect()
  await total(2)
  const second = await connect()
  assert.deepEqual(
    [first, second].map((socket) => opened.indexOf(socket)).toSorted((a, b) => a - b),
    [0, 1],
    'it was opened before',
  )
  await total(3)
  // What is used is the pool's: nothing here listens to it any more.
  assert.deepEqual(
    ['readable', 'error'].map((event) => second.listenerCount(event)),
    [0, first.listenerCount('error')],
  )
})

test('one that the server ends, or says something on, is not handed out', async (t) => {
  const { connect, total, opened, remotes, server } = await setUp(t)
  const first = await connect()
  await total(2)
  const spare = opened.find((socket) => socket !== first) ?? assert.fail('no spare')
  const find = (): Socket | undefined => remotes.find(({ remotePort }) => remotePort === spare.localPort)
  while (find() === undefined) await once(server, 'connection')
  const closed = once(spare, 'close')
  find()?.end('HTTP/1.1 408 Request Timeout\r\n\r\n')
  await closed
  assert.notEqual(await connect(), spare)
})

test('grows old and is replaced while calls come, and is given up when none do', async (t) => {
  const { clock, connect, call, total, opened } = await setUp(t)
  await connect()
  await total(2)
  call()
  await clock.advance(20_000)
  await total(3)
  await clock.advance(20_000)
  await settled()
  assert.equal(opened.length, 3)
  assert.equal(opened.filter(({ destroyed }) => destroyed).length, 2)
  assert.equal(clock.pending, 0)
})

test('none are opened where none are wanted', async (t) => {
  const { connect, opened } = await setUp(t, 0)
  await connect()
  await connect()
  assert.equal(opened.length, 2)
})

test('closing ends them', async (t) => {
  const { spares, connect, total, opened, clock } = await setUp(t, 3)
  const used = await connect()
  await total(4)
  spares.close()
  assert.ok(opened.every((socket) => socket.destroyed !== (socket === used)))
  await settled()
  assert.equal(clock.pending, 0)
})
