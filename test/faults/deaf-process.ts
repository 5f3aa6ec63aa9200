/** Listens, and never accepts: its event loop stands still. The kernel lets a few connections in and no more. */
import { createServer } from 'node:net'

const server = createServer()
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : undefined, undefined, {}, () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
})
