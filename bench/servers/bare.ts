/**
 * The bare proxy: the least that a proxy of these bodies on node:http and undici can do, written to be fast. It
 * reads the whole request, sends it on, and passes status, content type and body back. No routing, no validation,
 * no rewriting: what a gateway costs on top of this is what the gateway does.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Pool } from 'undici'
import { serve } from './serve.ts'

const backend = new URL(process.argv[2] ?? '')
const pool = new Pool(backend.origin, { connections: 256, pipelining: 1, allowH2: false })

const joined = (chunks: readonly Buffer[]): Buffer =>
  chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)

const FORWARDED = ['content-type', 'accept', 'mcp-protocol-version', 'mcp-method', 'mcp-name'] as const

const forwardedHeaders = (request: IncomingMessage): string[] => {
  const headers: string[] = []
  for (const name of FORWARDED) {
    const value = request.headers[name]
    if (typeof value === 'string') headers.push(name, value)
  }
  return headers
}

const forward = (request: IncomingMessage, body: Buffer, response: ServerResponse): void => {
  let status = 502
  let contentType = 'application/octet-stream'
  const chunks: Buffer[] = []
  const options = {
    path: backend.pathname,
    method: 'POST',
    headers: forwardedHeaders(request),
    body,
  } as const
  pool.dispatch(options, {
    onRequestStart() {
      // undici insists on it.
    },
    onResponseStart(_controller, statusCode, headers) {
      status = statusCode
      if (typeof headers['content-type'] === 'string') contentType = headers['content-type']
    },
    onResponseData(_controller, chunk) {
      chunks.push(chunk)
    },
    onResponseEnd() {
      const content = joined(chunks)
      response.writeHead(status, ['Content-Type', contentType, 'Content-Length', String(content.length)])
      response.end(content)
    },
    onResponseError() {
      response.writeHead(502, ['Content-Length', '0'])
      response.end()
    },
  })
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
  })
  request.on('end', () => {
    forward(request, joined(chunks), response)
  })
})
serve(server)
