/** What a client does in each client scenario of the official suite, whatever it is built on. */
import { z } from 'zod'

/** A connected client, as far as errands need one. Every method rejects when the answer is a JSON-RPC error. */
export interface ErrandClient {
  /** Names of all tools, every page. */
  tools(): Promise<readonly string[]>
  call(tool: string, args?: Arguments): Promise<void>
  /** The input schema of a tool as this client was told it. */
  schemaOf(tool: string): Promise<unknown>
  /** URIs of the first page. */
  resources(): Promise<readonly string[]>
  read(uri: string): Promise<void>
  /** Names on the first page. */
  prompts(): Promise<readonly string[]>
  prompt(name: string): Promise<void>
}

/** Arguments of a tool call. */
export type Arguments = Readonly<Record<string, unknown>>

/** What a client of a scenario declares and answers. */
export interface Character {
  /** Capabilities that it declares; elicitation always with defaults filled in by the client. */
  readonly declares: readonly ('elicitation' | 'sampling' | 'roots')[]
  /** What it answers when it is asked for input by a form; the client adds the defaults. */
  readonly content: Readonly<Record<string, string | number | boolean>>
}

/** One scenario from the client's side. */
export interface Errand {
  readonly character: Character
  readonly run: (client: ErrandClient, context: Context) => Promise<void>
}

/** What the suite hands to the client of a scenario. */
export interface Context {
  readonly toolCalls: readonly { readonly name: string; readonly arguments: Arguments }[]
}

const CONTEXT = z.object({
  toolCalls: z
    .array(z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) }))
    .default([]),
})

/**
 * Reads `MCP_CONFORMANCE_CONTEXT`.
 *
 * @throws ZodError, SyntaxError when it is not what the suite sends
 */
export function parseContext(text: string | undefined): Context {
  return CONTEXT.parse(text === undefined ? {} : JSON.parse(text))
}

const PLAIN: Character = { declares: [], content: {} }

const errand = (run: Errand['run'], character = PLAIN): Errand => ({ character, run })

const calling = (tool: string, args: Arguments = {}): Errand['run'] =>
  async function callOne(client) {
    const tools = await client.tools()
    if (!tools.includes(tool)) throw new Error(`${tool} is not listed: ${tools.join(', ')}`)
    await client.call(tool, args)
  }

const listing: Errand['run'] = async (client) => void (await client.tools())

/** By name of the scenario. */
export const ERRANDS: Readonly<Record<string, Errand>> = {
  initialize: errand(listing),
  tools_call: errand(calling('add_numbers', { a: 5, b: 3 })),
  'request-metadata': errand(listing, { declares: ['elicitation', 'sampling', 'roots'], content: {} }),
  'http-standard-headers': errand(useEverything),
  'http-custom-headers': errand(async (client, { toolCalls }) => {
    await client.tools()
    for (const { name, arguments: args } of toolCalls) await client.call(name, args)
  }),
  'http-invalid-tool-headers': errand(async (client) => {
    for (const tool of await client.tools()) await client.call(tool, { region: 'us-west1' })
  }),
  'json-schema-ref-no-deref': errand(listing),
  'json-schema-2020-12-preservation': errand(async (client) => {
    await client.call('json_schema_echo', { schema: await client.schemaOf('json_schema_2020_12_tool') })
  }),
  'sep-2322-client-request-state': errand(
    async (client) => {
      for (const part of ['echo_state', 'no_state', 'unrelated', 'no_result_type'])
        await client.call(`test_mrtr_${part}`)
    },
    { declares: ['elicitation'], content: { confirmed: true } },
  ),
  'elicitation-sep1034-client-defaults': errand(calling('test_client_elicitation_defaults'), {
    declares: ['elicitation'],
    content: {},
  }),
  'sse-retry': errand(calling('test_reconnection')),
}

async function useEverything(client: ErrandClient): Promise<void> {
  const [tool] = await client.tools()
  if (tool !== undefined) await client.call(tool)
  const [uri] = await client.resources()
  if (uri !== undefined) await client.read(uri)
  const [prompt] = await client.prompts()
  if (prompt !== undefined) await client.prompt(prompt)
}

/** Connects a client of one era for an errand, runs it and closes the client. */
export type Driver = (url: string, errand: Errand, context: Context) => Promise<void>
