import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import type { Character, Driver } from './errands.ts'

/** The first SDK, which speaks 2025-11-25 and knows nothing later. */
export const driveLegacy: Driver = async (url, { character, run }, context) => {
  const client = createClient(character)
  const transport = new StreamableHTTPClientTransport(new URL(url))
  await client.connect(transport)
  const tools = async () => (await client.listTools()).tools
  try {
    await run(
      {
        tools: async () => (await tools()).map(({ name }) => name),
        call: async (name, args = {}) => void (await client.callTool({ name, arguments: { ...args } })),
        schemaOf: async (tool) => (await tools()).find(({ name }) => name === tool)?.inputSchema,
        resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
        read: async (uri) => void (await client.readResource({ uri })),
        prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
        prompt: async (name) => void (await client.getPrompt({ name, arguments: {} })),
      },
      context,
    )
  } finally {
    await transport.terminateSession().catch(() => undefined)
    await client.close()
  }
}

function createClient({ declares, content }: Character): Client {
  const client = new Client(
    { name: 'driver-legacy', version: '1.0.0' },
    {
      capabilities: {
        ...(declares.includes('elicitation') && { elicitation: { form: { applyDefaults: true } } }),
        ...(declares.includes('sampling') && { sampling: {} }),
        ...(declares.includes('roots') && { roots: {} }),
      },
    },
  )
  if (declares.includes('elicitation'))
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { ...content } }))
  return client
}
