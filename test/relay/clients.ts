import { PassThrough } from 'node:stream'
import { type TestGateway, legacyClient, modernHeaders } from '../hostile/support/gateway.ts'
import { messagesOf, roundTrip } from '../hostile/support/wire.ts'

/** A client that sends a text as it is and yields the texts of every message that answers it. */
export interface RelayClient {
  readonly era: 'modern' | 'legacy'
  /** What the tool `echo` of backend `b` is called. */
  readonly tool: string
  call(text: string): Promise<readonly string[]>
}

/** Clients of both eras over both transports, and for HTTP on both faces. */
export const CLIENTS = [
  'modern /mcp',
  'modern /mcp/b',
  'modern stdio',
  'legacy /mcp',
  'legacy /mcp/b',
  'legacy stdio',
] as const

/** Connects a client of that kind. */
export async function relayClient(
  gateway: TestGateway,
  kind: (typeof CLIENTS)[number],
): Promise<RelayClient> {
  const [era, path] = kind.split(' ') as ['modern' | 'legacy', string]
  const tool = path === '/mcp/b' ? 'echo' : 'b_echo'
  if (path === 'stdio') return { era, tool, call: await overStdio(gateway, era) }
  if (era === 'modern') {
    const headers = modernHeaders('tools/call', tool)
    return {
      era,
      tool,
      call: async (body) => messagesOf(await roundTrip(gateway.port, { path, headers, body })),
    }
  }
  const client = await legacyClient(gateway.port, path)
  return { era, tool, call: async (body) => messagesOf(await client.request(body)) }
}

async function overStdio({ gateway }: TestGateway, era: 'modern' | 'legacy'): Promise<RelayClient['call']> {
  const input = new PassThrough()
  const output = new PassThrough()
  gateway.serveStdio(input, output)
  const lines = createLines(output)
  const call = async (text: string): Promise<readonly string[]> => {
    input.write(`${text.replaceAll(/[\r\n]/g, ' ')}\n`)
    const messages: string[] = []
    for (;;) {
      const line = await lines()
      messages.push(line)
      const { method } = JSON.parse(line) as { readonly method?: string }
      if (method === undefined) return messages
    }
  }
  if (era === 'legacy')
    await call(
      '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}',
    )
  return call
}

function createLines(output: PassThrough): () => Promise<string> {
  const ready: string[] = []
  const waiting: ((line: string) => void)[] = []
  let rest = ''
  output.setEncoding('utf8')
  output.on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const next = waiting.shift()
      if (next === undefined) ready.push(part)
      else next(part)
    }
  })
  return () => {
    const line = ready.shift()
    return line === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(line)
  }
}
