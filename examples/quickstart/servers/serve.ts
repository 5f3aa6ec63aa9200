import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node'

/** What `serveMcp` needs to know of a server. */
export interface McpService {
  /** Name in what is printed. */
  readonly name: string
  /** Ports of 127.0.0.1 to try in order; 0 lets the system choose. */
  readonly ports: readonly number[]
  /** Answers what arrives at `/mcp`. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  /** Ends what is open (sessions, helper processes); called once, before the process exits. */
  readonly close: () => Promise<void>
}

/** The message a started server sends to the process that forked it. */
export interface Listening {
  readonly type: 'listening'
  readonly port: number
}

/**
 * Serves one MCP server at `http://127.0.0.1:<port>/mcp` until it is told to stop.
 *
 * Forked (with an IPC channel), it sends `Listening` and ends when the channel closes, so it never outlives
 * its parent; Ctrl-C reaches the whole terminal group and is then the parent's business, which lets the gateway
 * drain first. Started by hand it prints its URL and ends on Ctrl-C.
 * Without a free port it says so and exits with 1.
 */
export const serveMcp = async (service: McpService): Promise<void> => {
  // A server on loopback is reachable from every web page through DNS rebinding: check Host and Origin.
  const hostAllowed = localhostHostValidation()
  const originAllowed = localhostOriginValidation()
  const server = createServer((request, response) => {
    if (!hostAllowed(request, response) || !originAllowed(request, response)) return
    if (request.url !== '/mcp') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('The MCP endpoint is /mcp.\n')
      return
    }
    service.handle(request, response).catch((error: unknown) => {
      console.error(`${service.name}:`, error)
      if (!response.headersSent) response.writeHead(500)
      response.end()
    })
  })
  stopWithParent(async () => {
    server.close()
    await service.close()
    server.closeAllConnections()
  })
  const port = await listenOnFirstFree(server, service.ports).catch((error: unknown) => {
    console.error(`${service.name}: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  })
  if (process.send === undefined) console.log(`${service.name}: http://127.0.0.1:${port}/mcp`)
  else process.send({ type: 'listening', port } satisfies Listening)
}

/** Reads `<path> [port...]` from the command line. @throws RangeError on anything else */
export const parseArguments = (args: readonly string[]): { path: string; ports: readonly number[] } => {
  const [path, ...rest] = args
  if (path === undefined) throw new RangeError('Usage: node <server>.ts <path> [port...]')
  const ports = rest.map(Number)
  if (ports.some((port) => !Number.isInteger(port) || port < 0 || port > 65_535)) {
    throw new RangeError(`Not a list of ports (0 to 65535): ${rest.join(' ')}`)
  }
  return { path, ports: ports.length === 0 ? [0] : ports }
}

const stopWithParent = (stop: () => Promise<void>): void => {
  let stopping = false
  const stopOnce = (): void => {
    if (stopping) return
    stopping = true
    void stop().finally(() => process.exit(0))
  }
  process.on('SIGTERM', stopOnce)
  process.on('SIGINT', process.connected ? () => {} : stopOnce)
  if (process.connected) process.once('disconnect', stopOnce)
}

const listenOnFirstFree = async (server: Server, ports: readonly number[]): Promise<number> => {
  const [port = 0, ...others] = ports
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    if (taken && others.length > 0) return listenOnFirstFree(server, others)
    throw error
  }
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}
