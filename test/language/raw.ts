/** Requests as bytes: for what no client would say, or would hide. */
import { createSseParser } from '../../src/protocol/sse.ts'
import type { Arguments } from './stage.ts'

/** An answer over HTTP, with every JSON-RPC message in it. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Headers
  readonly messages: readonly RpcMessage[]
  /** The last message: the response. */
  readonly response: RpcMessage
}

/** A JSON-RPC message, unchecked. */
export interface RpcMessage {
  readonly id?: string | number | null
  readonly method?: string
  readonly params?: Arguments
  readonly result?: RpcResult
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Arguments }
}

/** A result of a list or a call, as far as these tests look at it. */
export interface RpcResult {
  readonly [member: string]: unknown
  readonly tools?: readonly { readonly name: string; readonly [member: string]: unknown }[]
  readonly nextCursor?: string
  readonly ttlMs?: number
  readonly cacheScope?: string
  readonly _meta?: Readonly<Record<string, Arguments>>
}

/** How to send. */
export interface RawOptions {
  readonly id?: string | number
  readonly headers?: Readonly<Record<string, string>>
  /** A backend for `/mcp/<backend>`; default the aggregate. */
  readonly route?: string
  readonly signal?: AbortSignal
}

/** Speaks HTTP to a gateway by hand. */
export interface RawClient {
  /** A well-formed modern request, with its headers. */
  modern(method: string, params?: Arguments, options?: RawOptions): Promise<RawAnswer>
  /** Any body with any headers. */
  post(body: unknown, options?: RawOptions): Promise<RawAnswer>
}

/** @param url of the aggregate */
export function rawClient(url: string): RawClient {
  const post: RawClient['post'] = async (body, { headers, route, signal } = {}) => {
    const answer = await fetch(route === undefined ? url : `${url}/${route}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal && { signal }),
    })
    const messages = messagesOf(answer.headers.get('content-type') ?? '', await answer.text())
    return { status: answer.status, headers: answer.headers, messages, response: messages.at(-1) ?? {} }
  }
  return {
    post,
    async modern(method, params = {}, options = {}) {
      const { name } = params
      return post(
        {
          jsonrpc: '2.0',
          id: options.id ?? 1,
          method,
          params: { ...params, _meta: { ...META, ...metaOf(params) } },
        },
        {
          ...options,
          headers: {
            'mcp-protocol-version': '2026-07-28',
            'mcp-method': method,
            ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
            ...options.headers,
          },
        },
      )
    },
  }
}

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

function metaOf(params: Arguments): Arguments {
  const meta = params['_meta']
  return typeof meta === 'object' && meta !== null ? (meta as Arguments) : {}
}

function messagesOf(type: string, text: string): readonly RpcMessage[] {
  if (text === '') return []
  if (!type.startsWith('text/event-stream')) return [JSON.parse(text) as RpcMessage]
  const messages: RpcMessage[] = []
  const parser = createSseParser(({ data }) => {
    if (data !== '') messages.push(JSON.parse(data) as RpcMessage)
  }, 10_000_000)
  parser.push(Buffer.from(text))
  parser.end()
  return messages
}
