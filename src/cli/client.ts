import { Agent, request } from 'undici'
import { encodeHeaderValue } from '../protocol/headers.ts'
import { type JsonObject, member, rawOf, stringOf, valueOf } from '../protocol/json.ts'
import { type Message, parseMessage } from '../protocol/message.ts'
import { META } from '../protocol/meta.ts'
import { createSseParser } from '../protocol/sse.ts'
import { parseValue } from '../protocol/value.ts'
import { MODERN_VERSION } from '../protocol/versions.ts'
import { CliError, type Io } from './io.ts'

/** Entries of lists and hints of errors lie this deep. */
const READ_DEPTH = { detail: 4 } as const

/** One modern request. */
export interface ClientRequest {
  readonly method: string
  /** Members of `params` as raw JSON, without `_meta`. */
  readonly params?: Readonly<Record<string, string>>
  /** What `Mcp-Name` says, for methods that have a name. */
  readonly name?: string
  /** Further headers, such as `Mcp-Param-*`. */
  readonly headers?: Readonly<Record<string, string>>
  /** Gets the notifications that come before the answer; asks for progress too. */
  readonly onNotification?: (notification: Message & { readonly kind: 'notification' }) => void
}

/** A result or a JSON-RPC error, with the text it came in. */
export type ClientReply =
  | { readonly ok: true; readonly text: string; readonly result: JsonObject }
  | {
      readonly ok: false
      readonly text: string
      readonly error: JsonObject
      readonly code: number
      readonly message: string
    }

/** A small MCP client over Streamable HTTP (2026-07-28) for the command line. */
export interface Client {
  readonly url: string
  /** @throws CliError if nobody answers, or what answers is no MCP server */
  send(request: ClientRequest): Promise<ClientReply>
  close(): Promise<void>
}

/** Longest answer or event, in bytes. */
const MAX_ANSWER = 64 * 1024 * 1024

/** A client of the gateway (or of any modern server) at `url`. Ctrl-C ends what is under way. */
export function createClient(io: Io, url: string): Client {
  const agent = new Agent({ allowH2: false, connect: { timeout: 5000 }, headersTimeout: 0, bodyTimeout: 0 })
  const credentials = credentialsOf(io)
  let lastId = 0
  return {
    url,
    async send(call) {
      lastId += 1
      try {
        const response = await request(url, {
          method: 'POST',
          headers: { ...headersOf(call), ...credentials },
          body: bodyOf(io, call, lastId),
          signal: io.signal,
          dispatcher: agent,
        })
        return await readAnswer(response, { url, onNotification: call.onNotification })
      } catch (error) {
        throw io.signal.aborted ? new CliError('interrupted') : toCliError(error, url)
      }
    },
    close: async () => agent.destroy(),
  }
}

/** The environment, not an argument: arguments are seen by everybody on the machine. */
function credentialsOf({ env }: Io): Record<string, string> {
  const token = env['TOOLGATE_TOKEN']
  return token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }
}

function headersOf({ method, name, headers }: ClientRequest): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': MODERN_VERSION,
    'mcp-method': method,
    ...(name === undefined ? {} : { 'mcp-name': encodeHeaderValue(name) }),
    ...headers,
  }
}

/** The message, put together from raw JSON so that numbers arrive as they were typed. */
function bodyOf(io: Io, { method, params = {}, onNotification }: ClientRequest, id: number): string {
  const meta = {
    [META.protocolVersion]: MODERN_VERSION,
    [META.clientInfo]: { name: 'toolgate-cli', version: io.version },
    [META.clientCapabilities]: {},
    ...(onNotification === undefined ? {} : { [META.progressToken]: id }),
  }
  const members = Object.entries(params).map(([key, json]) => `${JSON.stringify(key)}:${json},`)
  const all = `{${members.join('')}"_meta":${JSON.stringify(meta)}}`
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)},"params":${all}}`
}

interface Answering {
  readonly url: string
  readonly onNotification: ClientRequest['onNotification']
}

async function readAnswer(
  response: Awaited<ReturnType<typeof request>>,
  answering: Answering,
): Promise<ClientReply> {
  const type = String(response.headers['content-type'] ?? '')
    .split(';')[0]
    ?.trim()
    .toLowerCase()
  if (type === 'text/event-stream') return readStream(response.body, answering)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > MAX_ANSWER) throw new CliError(`the answer of ${answering.url} is larger than 64 MiB`)
    chunks.push(chunk)
  }
  const reply = type === 'application/json' ? toReply(Buffer.concat(chunks).toString('utf8')) : undefined
  if (reply !== undefined) return reply
  throw new CliError(
    `${answering.url} answered HTTP ${response.statusCode} and no MCP message`,
    'Is this the URL of a gateway? It ends in /mcp or /mcp/<backend>.',
  )
}

async function readStream(
  body: AsyncIterable<Uint8Array>,
  { url, onNotification }: Answering,
): Promise<ClientReply> {
  let reply: ClientReply | undefined
  const parser = createSseParser(({ data }) => {
    const message = parseMessage(data, READ_DEPTH)
    if (message.kind === 'notification') onNotification?.(message)
    else reply ??= toReply(data)
  }, MAX_ANSWER)
  for await (const chunk of body) {
    parser.push(chunk)
    if (reply !== undefined) return reply
  }
  throw new CliError(`${url} ended its answer before the result`)
}

function toReply(text: string): ClientReply | undefined {
  const message = parseMessage(text, READ_DEPTH)
  if (message.kind === 'result') return { ok: true, text, result: message.result }
  if (message.kind !== 'error') return undefined
  return { ok: false, text, error: message.error, code: message.code, message: message.message }
}

const UNREACHABLE: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function toCliError(error: unknown, url: string): CliError {
  if (error instanceof CliError) return error
  if (codesOf(error).some((code) => UNREACHABLE.has(code))) {
    return new CliError(`no gateway at ${url}: start one with \`toolgate serve\``)
  }
  return new CliError(`${url} cannot be asked: ${error instanceof Error ? error.message : String(error)}`)
}

/** The codes of an error and of those inside it: one per address that was tried. */
function codesOf(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return []
  const own = 'code' in error ? [String(error.code)] : []
  const inner = error instanceof AggregateError ? error.errors : [error.cause]
  return [...own, ...inner.flatMap(codesOf)]
}

/** A listed tool. */
export interface ListedTool {
  readonly name: string
  readonly title: string | undefined
  readonly description: string | undefined
  readonly inputSchema: unknown
  /** As the server wrote it. */
  readonly text: string
}

/** What `tools/list` says over all its pages. */
export interface ToolList {
  readonly tools: readonly ListedTool[]
  /** Backends that are away, with what is done about it. */
  readonly away: readonly string[]
}

const MAX_PAGES = 1000

/** Asks for every page of `tools/list`. */
export async function listTools(client: Client): Promise<ToolList> {
  const tools: ListedTool[] = []
  const away = new Set<string>()
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const params = cursor === undefined ? {} : { cursor: JSON.stringify(cursor) }
    const reply = await client.send({ method: 'tools/list', params })
    if (!reply.ok) throw replyError(reply)
    const list = member(reply.result, 'tools')
    for (const item of (list?.kind === 'array' ? list.items : undefined) ?? []) {
      const tool = readTool(rawOf(reply.text, item))
      if (tool !== undefined) tools.push(tool)
    }
    for (const line of readAway(reply)) away.add(line)
    const next = stringOf(reply.text, member(reply.result, 'nextCursor'))
    if (next === undefined || next === cursor) return { tools, away: [...away] }
    cursor = next
  }
  throw new CliError(`${client.url} lists more than ${MAX_PAGES} pages of tools`)
}

function readTool(text: string): ListedTool | undefined {
  const value = parseValue(text) as Readonly<Record<string, unknown>> | null
  if (typeof value !== 'object' || value === null || typeof value['name'] !== 'string') return undefined
  const words = (key: string): string | undefined => {
    const found = value[key]
    return typeof found === 'string' ? found : undefined
  }
  return {
    name: value['name'],
    title: words('title'),
    description: words('description'),
    inputSchema: value['inputSchema'],
    text,
  }
}

interface AwayBackend {
  readonly listed?: unknown
  readonly reason?: unknown
}

const AWAY: Readonly<Record<string, string>> = {
  stale: 'its last known tools are listed',
  omitted: 'its tools are left out',
}

function readAway({ text, result }: ClientReply & { readonly ok: true }): readonly string[] {
  const meta = member(result, '_meta')
  const told = meta?.kind === 'object' ? member(meta, META.backends) : undefined
  const value: unknown = told === undefined ? undefined : valueOf(text, told)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value as Readonly<Record<string, AwayBackend>>).map(
    ([name, { listed, reason }]) => `${name}: ${AWAY[String(listed)] ?? 'away'}: ${String(reason)}`,
  )
}

/** What the gateway tells a program to do is told to a person at the command line in its words. */
const SIGN_IN =
  'Set TOOLGATE_TOKEN to an access token or an API key. `toolgate keys create <name>` makes one where the gateway takes API keys.'

/** A JSON-RPC error as a failure of the command, with the hint that the gateway gives. */
export function replyError(reply: ClientReply & { readonly ok: false }): CliError {
  const data = member(reply.error, 'data')
  const told = (name: string): string | undefined =>
    data?.kind === 'object' ? stringOf(reply.text, member(data, name)) : undefined
  const hint = told('code') === 'UNAUTHENTICATED' ? SIGN_IN : told('hint')
  return new CliError(`${reply.message} (${reply.code})`, hint)
}
