import { nearest } from '../config/nearest.ts'
import type { Message } from '../protocol/message.ts'
import { buildParamHeaders, readParamHeaders } from '../protocol/param-headers.ts'
import { rawOf, valueOf } from '../protocol/json.ts'
import { parseValue } from '../protocol/value.ts'
import { encodeArguments } from './arguments.ts'
import {
  type Client,
  type ClientReply,
  type ListedTool,
  createClient,
  listTools,
  replyError,
} from './client.ts'
import { findGateway } from './gateways.ts'
import { CliError, type Io } from './io.ts'
import type { CallOptions } from './options.ts'
import { renderResult } from './result.ts'
import { oneLine, paint } from './text.ts'

/** `toolgate call`: calls one tool; progress goes to stderr, the result to stdout. Exit code 1 if the tool failed. */
export async function callCommand(io: Io, tool: string, options: CallOptions): Promise<number> {
  const gateway = await findGateway(io, options)
  if (gateway === undefined) return 1
  const client = createClient(io, gateway.url)
  try {
    const listed = await findTool(client, tool)
    const args = encodeArguments(listed.inputSchema, options.arg, options.argsJson)
    return report(io, await send(io, client, { listed, args }), options)
  } finally {
    await client.close()
  }
}

async function findTool(client: Client, name: string): Promise<ListedTool> {
  const { tools } = await listTools(client)
  const found = tools.find((tool) => tool.name === name)
  if (found !== undefined) return found
  const names = tools.map((tool) => tool.name)
  // Somebody who leaves out the backend's name means the tool of that name; somebody who stops early, the whole of it.
  const meant =
    names.find((each) => each.endsWith(`_${name}`)) ??
    nearest(name, names) ??
    names.find((each) => each.startsWith(name))
  throw new CliError(
    `unknown tool: ${name}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    'toolgate tools lists those that exist.',
  )
}

async function send(
  io: Io,
  client: Client,
  { listed, args }: { readonly listed: ListedTool; readonly args: string },
): Promise<ClientReply> {
  const mirrored = readParamHeaders(listed.inputSchema)
  return client.send({
    method: 'tools/call',
    name: listed.name,
    params: { name: JSON.stringify(listed.name), arguments: args },
    headers: mirrored.ok ? buildParamHeaders(parseValue(args), mirrored.headers) : {},
    onNotification: (notification) => {
      const line = progressLine(notification)
      if (line !== undefined) io.stderr.write(`${paint(io.stderr, 'dim', oneLine(line, 500))}\n`)
    },
  })
}

function progressLine({
  method,
  params,
  text,
}: Message & { readonly kind: 'notification' }): string | undefined {
  const values = (params === undefined ? {} : valueOf(text, params)) as Readonly<Record<string, unknown>>
  const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? ''))
  if (method === 'notifications/message') return `${shown(values['level'])}: ${shown(values['data'])}`
  if (method !== 'notifications/progress') return undefined
  const total = values['total'] === undefined ? '' : `/${shown(values['total'])}`
  const message = values['message'] === undefined ? '' : ` ${shown(values['message'])}`
  return `progress ${shown(values['progress'])}${total}${message}`
}

function report(io: Io, reply: ClientReply, { json }: CallOptions): number {
  if (!reply.ok) {
    if (!json) throw replyError(reply)
    io.stdout.write(`{"error":${rawOf(reply.text, reply.error)}}\n`)
    return 1
  }
  const raw = rawOf(reply.text, reply.result)
  const result = valueOf(reply.text, reply.result) as Readonly<Record<string, unknown>>
  if (json) io.stdout.write(`${raw}\n`)
  else if (result['resultType'] === 'input_required') {
    throw new CliError(
      'the tool asks for input, which this command cannot give',
      'Call it from an MCP client.',
    )
  } else io.stdout.write(renderResult(io, result))
  if (result['isError'] !== true) return result['resultType'] === 'input_required' ? 1 : 0
  if (!json) io.stderr.write(`${paint(io.stderr, 'red', 'the tool reports an error')}\n`)
  return 1
}
