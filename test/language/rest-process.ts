// Usage: node test/language/rest-process.ts
// A service over plain HTTP in a process of its own, with the tools that the seed's gateway would call.
import { answering, restServer } from './rest-server.ts'

// Ends with the process alone.
const scope = { after: (): void => undefined }
const TOOLS = '{"tools":[{"name":"echo","description":"Answers its arguments."},{"name":"refuse"}]}'
const tools = answering({
  echo: ({ body }) => ({ body }),
  refuse: { status: 409, body: '{"error":"the ticket is closed"}' },
})
const service = await restServer(scope, (seen) => (seen.path === '/tools' ? { body: TOOLS } : tools(seen)))
process.stdout.write(`${service.url}\n`)
// Whoever started it is gone: so is this.
process.stdin.on('end', () => process.exit(0)).resume()
