/**
 * A backend of the memory benchmark: a legacy server (2025-11-25) whose one tool asks the user and waits for ever.
 * What it keeps per call is one open response, so that the memory of the gateway is what grows.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { isRecord } from '../message.ts'
import { serve } from './serve.ts'

const INITIALIZED = {
  protocolVersion: '2025-11-25',
  capabilities: { tools: { listChanged: true } },
  serverInfo: { name: 'bench-asking', version: '1.0.0' },
}
const TOOLS = { tools: [{ name: 'ask', inputSchema: { type: 'object' } }] }
const QUESTION = {
  jsonrpc: '2.0',
  method: 'elicitation/create',
  params: { message: 'Who are you?', requestedSchema: { type: 'object', properties: {} } },
}

let questions = 0

const sendResult = (response: ServerResponse, id: unknown, result: unknown): void => {
  response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': randomUUID() })
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
}

const answer = (body: string, response: ServerResponse): void => {
  const message: unknown = JSON.parse(body)
  const { id, method } = isRecord(message) ? message : {}
  if (method === 'initialize') return sendResult(response, id, INITIALIZED)
  if (method === 'tools/list') return sendResult(response, id, TOOLS)
  if (method === 'tools/call') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`data: ${JSON.stringify({ ...QUESTION, id: ++questions })}\n\n`)
    return
  }
  if (method === 'ping') return sendResult(response, id, {})
  response.writeHead(id === undefined ? 202 : 400).end()
}

const server = createServer((request, response) => {
  if (request.method !== 'POST') return void response.writeHead(405).end()
  text(request)
    .then((body) => answer(body, response))
    .catch(() => response.destroy())
})
server.keepAliveTimeout = 600_000
serve(server)
