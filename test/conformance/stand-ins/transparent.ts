// Stands in for the gateway in the tests of the harness: understands its command line, passes everything through.
import { readFileSync } from 'node:fs'
import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { z } from 'zod'

const CONFIG = z.object({ backends: z.object({ fixture: z.object({ url: z.url() }) }) })

const { values } = parseArgs({
  allowPositionals: true,
  options: { config: { type: 'string', short: 'c', default: '' }, json: { type: 'boolean' } },
})
const backend = CONFIG.parse(parse(readFileSync(values.config, 'utf8'))).backends.fixture.url

const server = createServer((request, response) => {
  if (request.url !== '/mcp/fixture') {
    response.writeHead(404).end()
    return
  }
  const forwarded = send(backend, { method: request.method, headers: request.headers }, (reply) => {
    response.writeHead(reply.statusCode ?? 502, reply.headers)
    reply.pipe(response)
  })
  forwarded.on('error', () => response.destroy())
  response.on('close', () => forwarded.destroy())
  request.pipe(forwarded)
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ event: 'ready', url: `http://127.0.0.1:${port}/mcp` }))
})
