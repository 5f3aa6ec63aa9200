// A backend whose machine does not answer: nothing can be sent, so that surely nothing is carried out.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type Socket, connect } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gateway } from '../language/house.ts'
import { modernServer } from '../language/http-backend.ts'

const PROGRAM = fileURLToPath(new URL('./deaf-process.ts', import.meta.url))

/** Milliseconds in which a connection on this machine is there, or not at all. */
const SOON = 300

test(
  'a connection that does not come about ends in its own time, and the others are served',
  { skip: process.platform !== 'linux' && 'only Linux drops what a listener has no room for' },
  async (t) => {
    const child = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    t.after(() => child.kill('SIGKILL'))
    const [port] = (await once(child, 'message')) as [number]
    const sockets: Socket[] = []
    t.after(() => sockets.forEach((socket) => socket.destroy()))
    // Until the kernel takes no more.
    for (let isFull = false; !isFull;) {
      const socket = connect(port, '127.0.0.1')
      sockets.push(socket.on('error', () => undefined))
      isFull = await Promise.race([
        once(socket, 'connect').then(() => false),
        new Promise<boolean>((resolve) => setTimeout(resolve, SOON, true)),
      ])
      assert.ok(sockets.length < 100, 'the listener takes everything')
    }
    const healthy = await modernServer({ after: (action) => t.after(action) })
    const settings = {
      url: `http://127.0.0.1:${port}/mcp`,
      era: 'modern',
      timeout: { total: '20s', connect: '500ms' },
      retry: false,
    }
    await using house = await gateway({ backends: { deaf: { settings }, healthy }, ready: false })
    const begun = performance.now()
    const [{ status, response }, other] = await Promise.all([
      house.raw.modern(
        'completion/complete',
        { ref: { type: 'ref/prompt', name: 'any' } },
        { route: 'deaf' },
      ),
      house.raw.modern('tools/call', { name: 'echo', arguments: {} }, { route: 'healthy' }),
    ])
    assert.equal(other.status, 200)
    assert.ok(performance.now() - begun < 10_000, 'long before the whole time has passed')
    assert.equal(status, 502)
    assert.equal(response.error?.data?.['code'], 'BACKEND_UNAVAILABLE')
    assert.equal(response.error?.message, 'Backend deaf is not reachable: connection timed out')
    assert.equal(response.error?.data?.['outcome'], 'not-executed')
  },
)
