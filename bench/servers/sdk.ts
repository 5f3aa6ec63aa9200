/**
 * A proxy made from the official SDK: its HTTP entry in front, its client behind, and the one hook that forwards any
 * request without a schema per method. This is the shortest and the fastest that the SDK allows.
 */
import { createServer } from 'node:http'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, Server } from '@modelcontextprotocol/server'
import * as z from 'zod'
import { PROTOCOL_VERSION } from '../message.ts'
import { serve } from './serve.ts'

const INFO = { name: 'bench-sdk-proxy', version: '1.0.0' }
const ANY_RESULT = z.looseObject({})

const client = new Client(INFO, { versionNegotiation: { mode: { pin: PROTOCOL_VERSION } } })
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2] ?? '')))

const handler = createMcpHandler(
  () => {
    const server = new Server(INFO, { capabilities: { tools: {} } })
    server.fallbackRequestHandler = ({ method, params }) =>
      client.request({ method, ...(params === undefined ? {} : { params }) }, ANY_RESULT)
    return server
  },
  { legacy: 'reject', responseMode: 'json' },
)

const nodeHandler = toNodeHandler(handler)
// The adapter's structural type leaves out that node:http's optional members may be present and undefined.
type NodeRequest = Parameters<typeof nodeHandler>[0]
const server = createServer((request, response) => void nodeHandler(request as NodeRequest, response))
serve(server)
