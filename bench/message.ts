import { isDeepStrictEqual } from 'node:util'

/** The protocol revision that every part of the benchmark speaks. */
export const PROTOCOL_VERSION = '2026-07-28'

/** The only tool of the benchmark's backend. */
export const TOOL_NAME = 'search_code'

/** What a call of {@link TOOL_NAME} answers, whatever its arguments: about as long as the request. */
export const CALL_RESULT: { readonly resultType: string; readonly content: readonly unknown[] } = {
  resultType: 'complete',
  content: [
    {
      type: 'text',
      text:
        'src/protocol/scan.ts:41: export const scanBody = (bytes: Uint8Array): Scan => {\n' +
        'src/protocol/splice.ts:17: export const splice = (bytes: Uint8Array, edits: readonly Edit[]) => {\n' +
        'src/listener/http.ts:88: const scan = scanBody(body)\n' +
        'test/relay.test.ts:23: assert.deepEqual(scanBody(encode(text)).spans, expected)',
    },
  ],
}

/**
 * The HTTP headers of a modern call (2026-07-28, basic/transports/streamable-http, "Standard Request Headers"), without
 * those that belong to the connection (Host, Content-Length).
 */
export const CALL_HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'application/json',
  Accept: 'application/json, text/event-stream',
  'MCP-Protocol-Version': PROTOCOL_VERSION,
  'Mcp-Method': 'tools/call',
  'Mcp-Name': TOOL_NAME,
}

/** The least id of a call. All ids have as many digits as this one, so every request has the same length. */
export const FIRST_ID = 100_000_000

/** The body of the call, about half a kilobyte of ASCII, with the given id (see {@link FIRST_ID}). */
export const callBody = (id: number): string =>
  JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: {
      name: TOOL_NAME,
      arguments: {
        query: 'scanBody language:typescript -path:vendor',
        repository: 'example/gateway',
        limit: 20,
        includeContext: true,
        ranking: { recency: 0.25, exactness: 1.0, paths: ['src', 'test'] },
      },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': PROTOCOL_VERSION,
        'io.modelcontextprotocol/clientInfo': { name: 'toolgate-bench', version: '1.0.0' },
        'io.modelcontextprotocol/clientCapabilities': {},
      },
    },
  })

/** Narrows parsed JSON to an object with unknown members. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The JSON-RPC message of a reply: the whole body, or the last `data:` line where a proxy answers with SSE. */
const replyMessage = (body: string): unknown => {
  const text = body.startsWith('{') ? body : body.slice(body.lastIndexOf('data:') + 'data:'.length)
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * What is wrong with a reply to the call with this id, or `undefined` if it is the right one: status 200, the id
 * echoed, the content unchanged. A result may carry more members than the backend sent (`_meta`).
 */
export const replyProblem = (status: number, body: string, id: number): string | undefined => {
  const excerpt = body.slice(0, 300)
  if (status !== 200) return `status ${status} instead of 200: ${excerpt}`
  const message = replyMessage(body)
  if (!isRecord(message)) return `not a JSON-RPC message: ${excerpt}`
  if (message['id'] !== id) return `id ${String(message['id'])} instead of ${id}: ${excerpt}`
  const result = message['result']
  if (!isRecord(result)) return `no result: ${excerpt}`
  if (!isDeepStrictEqual(result['content'], CALL_RESULT.content)) return `content changed: ${excerpt}`
  return undefined
}
