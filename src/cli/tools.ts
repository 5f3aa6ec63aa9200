import { type ListedTool, createClient, listTools } from './client.ts'
import { findGateway } from './gateways.ts'
import type { Io } from './io.ts'
import type { GatewayOptions } from './options.ts'
import { oneLine, paint, printable } from './text.ts'

/** `toolgate tools`: lists what a client would see. */
export async function toolsCommand(io: Io, options: GatewayOptions): Promise<number> {
  const gateway = await findGateway(io, options)
  if (gateway === undefined) return 1
  const client = createClient(io, gateway.url)
  try {
    const { tools, away } = await listTools(client)
    if (options.json) io.stdout.write(`[${tools.map(({ text }) => `\n  ${text}`).join(',')}\n]\n`)
    else for (const tool of tools) io.stdout.write(entry(io, tool))
    if (!options.json && tools.length === 0) io.stderr.write(`${gateway.url} lists no tools\n`)
    for (const line of away) {
      io.stderr.write(`${paint(io.stderr, 'yellow', 'away:')} ${oneLine(line, 500)}\n`)
    }
    return 0
  } finally {
    await client.close()
  }
}

function entry(io: Io, tool: ListedTool): string {
  const words = tool.description ?? tool.title ?? ''
  const line = words === '' ? '' : `  ${paint(io.stdout, 'dim', oneLine(words, io.stdout.columns - 2))}\n`
  return `${paint(io.stdout, 'bold', printable(tool.name))}${usage(tool.inputSchema)}\n${line}`
}

/** The arguments in short: those that must be given first, the others in brackets. */
function usage(inputSchema: unknown): string {
  const schema = (inputSchema ?? {}) as { readonly properties?: object; readonly required?: unknown }
  const required = new Set(Array.isArray(schema.required) ? schema.required : [])
  const names = Object.keys(schema.properties ?? {})
  const shown = [
    ...names.filter((name) => required.has(name)),
    ...names.filter((name) => !required.has(name)).map((name) => `[${name}]`),
  ]
  return shown.length === 0 ? '' : ` ${oneLine(shown.join(' '), 60)}`
}
