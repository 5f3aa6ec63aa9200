/** What TypeScript knows of a gateway in a program: settings, backends, and the arguments of tools. */
import type { LimitsConfig } from '../src/config/types.ts'
import type { FileSettings } from '../src/config/schema.ts'
import type { BackendInput, GatewayInput, GatewaySettingsInput, PeerLimitsInput } from '../src/index.ts'
import { type Gateway, createGateway } from '../src/index.ts'

declare const gateway: Gateway

createGateway()
createGateway({ backends: { github: 'http://localhost:8001/mcp', files: { command: 'node', args: ['a'] } } })
gateway.registerBackend('github', 'http://localhost:8001/mcp')
gateway.registerBackend('github', { url: 'http://localhost:8001/mcp', timeout: '30s' })
gateway.registerBackend({ name: 'github', url: 'http://localhost:8001/mcp' })
gateway.registerBackend({ name: 'crm', rest: { url: 'http://localhost:8004', tools: { find: {} } } })

// @ts-expect-error a bare number can mean two things
gateway.registerBackend({ name: 'github', url: 'http://localhost:8001/mcp', timeout: 30 })
// @ts-expect-error a backend has a URL, endpoints or a command
gateway.registerBackend('github', { timeout: '30s' })
// @ts-expect-error a name belongs to it
gateway.registerBackend({ url: 'http://localhost:8001/mcp' })
// @ts-expect-error settings are known by their names
createGateway({ gateway: { nmae: 'mcp-gateway' } })
// @ts-expect-error the admin listener belongs to the command
createGateway({ admin: {} })

gateway.tool(
  {
    name: 'q',
    schema: {
      org: { type: 'string' },
      page: { type: 'integer', default: 1 },
      order: { enum: ['name', 'size'], optional: true },
      deep: { type: 'boolean', optional: true, default: false },
      any: {},
    },
  },
  ({ org, page, order, deep, any }) => {
    const known: [string, number, 'name' | 'size' | undefined, boolean] = [org, page, order, deep]
    // @ts-expect-error it may be missing
    const certain: 'name' | 'size' = order
    // @ts-expect-error nothing is known of it
    const text: string = any
    return [known, certain, text]
  },
)
gateway.tool({ name: 'q', inputSchema: { type: 'object' } }, (args, { signal, call }) => {
  const value: unknown = args['anything']
  return signal.aborted ? value : call({ tool: 'other' })
})
gateway.tool({ name: 'q' }, () => undefined)

// @ts-expect-error it has no such argument
gateway.tool({ name: 'q', schema: { org: { type: 'string' } } }, ({ organisation }) => organisation)
// @ts-expect-error either form, not both
gateway.tool({ name: 'q', schema: {}, inputSchema: { type: 'object' } }, () => '')
// @ts-expect-error arguments are an object
gateway.tool({ name: 'q', inputSchema: { type: 'string' } }, () => '')
// @ts-expect-error a handler calls on as its caller, whose identity it cannot change
gateway.tool({ name: 'q' }, (_, { call }) => call({ tool: 'other', client: 'somebody else' }))

void gateway.call({ backend: 'github', tool: 'list_repos', arguments: { org: 'acme' }, client: 'alice' })
void gateway.call({ tool: 'github_list_repos', principal: { subject: 'alice', scopes: ['github:read'] } })
// @ts-expect-error somebody has a subject
void gateway.call({ tool: 'github_list_repos', principal: { scopes: ['github:read'] } })

/** Fails to compile where the names of the two differ. */
type SameNames<A, B> = [Exclude<keyof A, keyof B>, Exclude<keyof B, keyof A>] extends [never, never]
  ? true
  : never

// The types of what a program writes know every setting of the file, and no other.
export const settings: SameNames<GatewaySettingsInput, FileSettings['gateway']> = true
export const limits: SameNames<PeerLimitsInput, LimitsConfig> = true
export const sections: SameNames<GatewayInput, Omit<FileSettings, 'admin' | 'log'>> = true
type Members<T> = T extends object
  ? { readonly [Name in keyof T as string extends Name ? never : Name]: true }
  : never
type AllNames<T> = T extends unknown ? keyof Members<T> : never
export const backends: [
  Exclude<
    AllNames<Exclude<BackendInput, string>>,
    AllNames<Exclude<FileSettings['backends'][string], string>>
  >,
  Exclude<
    AllNames<Exclude<FileSettings['backends'][string], string>>,
    AllNames<Exclude<BackendInput, string>>
  >,
] extends [never, never]
  ? true
  : never = true
