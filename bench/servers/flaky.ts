/**
 * A modern MCP server whose tools fail as its first argument says: in one way, or (`mixed`) in every way at random, the
 * same way for the same seed in the second argument. Two tools: `write`, and `read`, which may run twice; and the tool
 * of the other benchmarks. Over HTTP, or with `stdio` as the third argument on its standard streams.
 */
import { type ServerResponse, createServer } from 'node:http'
import { text as readText } from 'node:stream/consumers'
import { createInterface } from 'node:readline'
import { CALL_RESULT, PROTOCOL_VERSION, TOOL_NAME } from '../message.ts'
import { serve } from './serve.ts'

type Fault = 'none' | 'hang' | 'error' | 'garbage' | 'reset' | 'slow' | 'stream' | 'cut'

/** Shares of 100 calls; what is left goes well. */
const SHARES: Readonly<Partial<Record<Fault, number>>> = {
  hang: 1,
  error: 6,
  garbage: 4,
  reset: 5,
  slow: 8,
  stream: 10,
  cut: 4,
}

const [mode = 'none', seed = '1', transport = 'http'] = process.argv.slice(2)

/** A small generator of numbers in [0, 1), so that a run can be repeated (mulberry32). */
let state = Number(seed)
const random = (): number => {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
}

const faultOfCall = (): Fault => {
  if (mode !== 'mixed') return mode as Fault
  let drawn = random() * 100
  for (const [fault, share] of Object.entries(SHARES)) if ((drawn -= share) < 0) return fault as Fault
  return 'none'
}

const CACHEABLE = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' } as const
const RESULTS: Readonly<Record<string, string>> = {
  'server/discover': JSON.stringify({
    ...CACHEABLE,
    supportedVersions: [PROTOCOL_VERSION],
    capabilities: { tools: {} },
  }),
  'tools/list': JSON.stringify({
    ...CACHEABLE,
    tools: ['read', 'write', TOOL_NAME].map((name) => ({ name, inputSchema: { type: 'object' } })),
  }),
  'tools/call': JSON.stringify(CALL_RESULT),
}

interface Message {
  readonly id?: unknown
  readonly method?: string
  readonly params?: { readonly _meta?: { readonly progressToken?: unknown } }
}

const answerTo = ({ id, method }: Message): string => {
  const result = RESULTS[method ?? '']
  const members = result === undefined ? '"error":{"code":-32601,"message":"unknown"}' : `"result":${result}`
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${members}}`
}

const progressOf = ({ params }: Message, progress: number): string => {
  const progressToken = params?._meta?.progressToken ?? 'nobody'
  return JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: { progressToken, progress },
  })
}

const overHttp = (message: Message, response: ServerResponse): void => {
  const text = answerTo(message)
  const send = (status: number, body: string): void => {
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    })
    response.end(body)
  }
  const fault = message.method === 'tools/call' ? faultOfCall() : 'none'
  switch (fault) {
    case 'none':
      return send(200, text)
    case 'hang':
      return
    case 'error':
      return send(500, '{}')
    case 'garbage':
      return send(200, text.slice(0, -5))
    case 'reset':
      return void response.socket?.resetAndDestroy()
    case 'slow':
      return void setTimeout(() => send(200, text), random() * 60)
    case 'stream':
    case 'cut':
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let step = 1; step <= 3; step++) response.write(`data: ${progressOf(message, step)}\n\n`)
      if (fault === 'stream') response.end(`data: ${text}\n\n`)
      else response.write(' ', () => response.socket?.destroy())
  }
}

const overStdio = (message: Message): void => {
  if (message.id === undefined) return
  const write = (text: string): void => void process.stdout.write(`${text}\n`)
  const text = answerTo(message)
  const fault = message.method === 'tools/call' ? faultOfCall() : 'none'
  if (fault === 'hang') return
  if (fault === 'slow') return void setTimeout(() => write(text), random() * 60)
  if (fault === 'garbage') return write(`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":5}`)
  if (fault === 'stream') write(progressOf(message, 1))
  // A process that ends is started again with a pause: now and then is enough.
  if (fault === 'cut' && random() < 0.02) process.exit(1)
  write(text)
}

if (transport === 'stdio') {
  createInterface({ input: process.stdin })
    .on('line', (line) => overStdio(JSON.parse(line) as Message))
    .on('close', () => process.exit())
} else {
  const server = createServer((request, response) => {
    if (request.method !== 'POST') return void response.writeHead(405).end()
    void readText(request).then((body) => overHttp(JSON.parse(body) as Message, response))
  })
  server.keepAliveTimeout = 600_000
  serve(server)
}
