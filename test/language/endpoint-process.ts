// Usage: node test/language/endpoint-process.ts modern|legacy|v1 PORT LABEL
// A scripted HTTP server in a process of its own, so that it can be killed, stopped and started again.
import { httpServer } from './http-backend.ts'
import type { ServerKind } from './servers.ts'

const [kind = 'modern', port = '0', label = 'endpoint'] = process.argv.slice(2)
// Ends with the process alone.
const scope = { after: (): void => undefined }
const server = await httpServer(scope, kind as ServerKind, { script: { label }, port: Number(port) })
process.stdout.write(`${server.url}\n`)
// Whoever started it is gone: so is this.
process.stdin.on('end', () => process.exit(0)).resume()
