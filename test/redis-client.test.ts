// The library is loaded when it is needed, and does not slow down what has nothing to do with it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import '../src/index.ts'
import { connectRedis } from '../src/store/redis/client.ts'

setFlagsFromString('--allow-natives-syntax')
const hasFastStrings = (): unknown => runInThisContext('%HasFastProperties(String.prototype)')

test('methods of strings stay fast for the engine, before and after the library is loaded', async (t) => {
  assert.equal(hasFastStrings(), true, 'something that is always loaded has a class that extends String')
  const server = createServer((socket) => socket.destroy())
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const client = connectRedis({ url: `redis://127.0.0.1:${address.port}`, timeout: 1000 })
  t.after(() => client.close())
  await client.connected()
  assert.equal(hasFastStrings(), true)
})

test('has no connection before it is told to connect, and makes none once it is closed', async () => {
  const client = connectRedis({ url: 'redis://127.0.0.1:1', timeout: 1000 })
  const run = (): Promise<unknown> => client.run({ name: 'none', text: '' }, [], [])
  await assert.rejects(run, /no connection/)
  client.close()
  await client.connected()
  await assert.rejects(run, /no connection/)
})
