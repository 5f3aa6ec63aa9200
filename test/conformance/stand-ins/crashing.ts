// Stands in for a gateway that says it is ready and crashes at its first request.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const server = createServer(() => {
  console.error('the stand-in meets its end')
  process.exit(3)
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ event: 'ready', url: `http://127.0.0.1:${port}/mcp` }))
})
