import type { Server } from 'node:http'

/** Binds a server of the benchmark to a free port of 127.0.0.1 and says so: `{"event":"ready","url":"…"}` on stdout. */
export const serve = (server: Server): void => {
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    console.log(JSON.stringify({ event: 'ready', url: `http://127.0.0.1:${port}/mcp` }))
  })
}
