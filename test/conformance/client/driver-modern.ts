import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { Character, Driver } from './errands.ts'

/** The second SDK, pinned to 2026-07-28. */
export const driveModern: Driver = async (url, { character, run }, context) => {
  const client = createClient(character)
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
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
    await client.close()
  }
}

function createClient({ declares, content }: Character): Client {
  const client = new Client(
    { name: 'driver-modern', version: '1.0.0' },
    {
      versionNegotiation: { mode: { pin: '2026-07-28' } },
      capabilities: {
        ...(declares.includes('elicitation') && { elicitation: { form: { applyDefaults: true } } }),
        ...(declares.includes('sampling') && { sampling: {} }),
        ...(declares.includes('roots') && { roots: {} }),
      },
    },
  )
  if (declares.includes('elicitation'))
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { ...content } }))
  return client
}
