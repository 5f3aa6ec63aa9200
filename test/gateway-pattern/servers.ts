/** The servers of the gateway pattern, with the tools that its program calls, one in each way to speak MCP over HTTP. */
import { type HttpBackend, legacyServer, modernServer, v1Server } from '../language/http-backend.ts'
import type { Scope } from '../language/scope.ts'
import type { Arguments, Script, ToolScript } from '../language/stage.ts'

const tool = (name: string, properties: Readonly<Record<string, object>>): ToolScript => ({
  name,
  does: 'echo',
  properties,
})
const text = { type: 'string' }

/** By server, what the pattern's program calls. */
export const TOOLS: Readonly<Record<'github' | 'database' | 'storage', readonly ToolScript[]>> = {
  github: [
    tool('list_repos', { org: text }),
    tool('search_code', { query: text, repo: text }),
    tool('create_issue', { title: text }),
  ],
  database: [tool('query', { sql: text })],
  storage: [tool('list', { path: text })],
}

/** A server that runs. */
export type Server = HttpBackend

type Over = Partial<Script>
/** The first server of the pattern: modern. */
export const github = async (scope: Scope, over: Over = {}): Promise<Server> =>
  modernServer(scope, { label: 'github', tools: TOOLS.github, ...over })
/** The second: legacy, with sessions. */
export const database = async (scope: Scope, over: Over = {}): Promise<Server> =>
  legacyServer(scope, { label: 'database', tools: TOOLS.database, ...over })
/** The third: legacy, on the first SDK. */
const storage = async (scope: Scope, over: Over = {}): Promise<Server> =>
  v1Server(scope, { label: 'storage', tools: TOOLS.storage, ...over })

/** All three, and their addresses in the place of those on the page. */
export interface Servers {
  readonly github: Server
  readonly database: Server
  readonly storage: Server
  readonly addresses: Readonly<Record<(typeof ADDRESSES)[number], string>>
}

const ADDRESSES = [
  'http://localhost:8001/mcp',
  'http://localhost:8002/mcp',
  'http://localhost:8003/mcp',
] as const

/** Starts all three. */
export async function servers(scope: Scope): Promise<Servers> {
  const [first, second, third] = await Promise.all([github(scope), database(scope), storage(scope)])
  return {
    github: first,
    database: second,
    storage: third,
    addresses: {
      [ADDRESSES[0]]: first.url,
      [ADDRESSES[1]]: second.url,
      [ADDRESSES[2]]: third.url,
    },
  }
}

/** Tools that were called at a server, with their arguments, in order. */
export const callsOf = ({ journal }: Server): readonly (readonly [tool: string, args: Arguments])[] =>
  journal.entries.flatMap((saw) => (saw.kind === 'call' ? [[saw.tool, saw.args] as const] : []))

/** Headers that a server got with requests, each as it came. */
export const headersOf = ({ journal }: Server, name: string): readonly (string | undefined)[] =>
  journal.entries.flatMap((saw) => (saw.kind === 'request' ? [saw.headers[name]] : []))
