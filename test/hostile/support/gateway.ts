import { parseConfig } from '../../../src/config/load.ts'
import { type Gateway, createGateway } from '../../../src/gateway.ts'
import { type RawRequest, type RawResponse, messagesOf, roundTrip } from './wire.ts'

/** A gateway in this process, on a port of its own. */
export interface TestGateway {
  readonly port: number
  readonly gateway: Gateway
  /** What it wrote to its log, as JSON. */
  readonly log: readonly string[]
  close(): Promise<void>
}

/** Settings as they stand in a file. */
export interface TestConfig {
  readonly backends: Readonly<Record<string, unknown>>
  readonly gateway?: Readonly<Record<string, unknown>>
}

/** Builds a gateway from settings; nothing listens yet. */
function buildGateway(settings: TestConfig): {
  readonly gateway: Gateway
  readonly log: readonly string[]
} {
  const text = JSON.stringify({
    gateway: {
      listen: '127.0.0.1:0',
      drain: '0s',
      tools: { health: false, metrics: false },
      overload: 'off',
      ...settings.gateway,
    },
    backends: settings.backends,
    // Attacks are many calls.
    limits: 'off',
  })
  const result = parseConfig({ name: 'test.yaml', text, dir: import.meta.dirname }, {})
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  const log: string[] = []
  const gateway = createGateway(result.config, {
    version: '1.2.3',
    host: {
      pid: process.pid,
      platform: process.platform,
      env: process.env,
      kill: (pid, signal) => void process.kill(pid, signal),
    },
    random: () => 0,
    log: (level, message, fields) => log.push(JSON.stringify({ level, message, ...fields })),
  })
  return { gateway, log }
}

/** Starts a gateway and waits for its backends. */
export async function startGateway(settings: TestConfig): Promise<TestGateway> {
  const { gateway, log } = buildGateway(settings)
  const { port } = await gateway.listen()
  await gateway.ready(5000)
  return { port, gateway, log, close: () => gateway.close() }
}

/** Raw JSON of the `_meta` that every modern request carries. */
export const META =
  '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'

/** Headers that agree with a modern body. */
export function modernHeaders(method: string, name?: string): Record<string, string> {
  return {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': method,
    ...(name === undefined ? {} : { 'mcp-name': name }),
  }
}

/** What differs from call to call; `id` and `args` are raw JSON. */
export interface CallOptions {
  readonly id?: string
  readonly path?: string
  readonly args?: string
}

/** A correct modern `tools/call`. */
export function modernCall(tool: string, options: CallOptions = {}): RawRequest {
  const { id = '1', path = '/mcp', args = '{}' } = options
  return {
    path,
    headers: modernHeaders('tools/call', tool),
    body: `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}","arguments":${args},"_meta":${META}}}`,
  }
}

/** A correct modern request without parameters of its own. */
export function modernRequest(method: string, path = '/mcp'): RawRequest {
  return {
    path,
    headers: modernHeaders(method),
    body: `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"_meta":${META}}}`,
  }
}

/** The `error` of a JSON-RPC response. */
export interface RpcError {
  readonly code: number
  readonly message: string
  readonly data?: Readonly<Record<string, unknown>>
}

/** The members of the last message of an answer. */
export interface RpcAnswer {
  readonly id?: unknown
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: RpcError
}

/** The last message of an answer. */
export function answerOf(response: RawResponse): RpcAnswer {
  const last = messagesOf(response).at(-1)
  return last === undefined ? {} : (JSON.parse(last) as RpcAnswer)
}

/** Tool names of a `tools/list` answer. */
export function toolNames(answer: RpcAnswer): readonly string[] {
  const tools = answer.result?.['tools']
  return Array.isArray(tools) ? tools.map((tool: { readonly name: string }) => tool.name) : []
}

/** A session of a legacy client. */
export interface LegacyClient {
  readonly session: string
  /** Sends a request inside the session. */
  request(body: string, headers?: Readonly<Record<string, string | undefined>>): Promise<RawResponse>
}

/** Initialises a legacy session. */
export async function legacyClient(port: number, path = '/mcp'): Promise<LegacyClient> {
  const opened = await roundTrip(port, {
    path,
    body: '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}',
  })
  const session = opened.headers['mcp-session-id'] ?? ''
  return {
    session,
    request: (body, headers = {}) =>
      roundTrip(port, {
        path,
        body,
        headers: { 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25', ...headers },
      }),
  }
}
