/** Modern servers that answer what a test wrote down, for what no SDK says. */
import {
  type Behaviour,
  type RawBackend,
  type Received,
  rawBackend,
  response,
} from '../hostile/support/backend.ts'
import type { House } from './house.ts'
import type { RawAnswer, RawOptions } from './raw.ts'
import type { Configured, Scope } from './scope.ts'
import type { Arguments } from './stage.ts'

/** Results by method, or `{ error }`, or a {@link Behaviour} that answers otherwise. */
export type Answers = Readonly<Record<string, (params: Arguments) => object>>

const modernResult = (members: object): string =>
  `"result":${JSON.stringify({ resultType: 'complete', ttlMs: 60_000, cacheScope: 'public', ...members })}`

/** The parameters of a request that a server got. */
export const paramsOf = ({ body }: Received): Arguments =>
  (JSON.parse(body) as { readonly params: Arguments }).params

/** Starts a modern server with these extensions; lists that are not named are empty, and no resource exists. */
export async function handwritten(
  scope: Scope,
  extensions: object,
  answers: Answers,
): Promise<RawBackend & Configured> {
  const capabilities = { tools: {}, resources: {}, completions: {}, extensions }
  const known: Answers = {
    'server/discover': () => ({ supportedVersions: ['2026-07-28'], capabilities }),
    'tools/list': () => ({ tools: [] }),
    'resources/list': () => ({ resources: [] }),
    'resources/templates/list': () => ({ resourceTemplates: [] }),
    'resources/read': ({ uri }) => ({
      error: { code: -32602, message: 'Resource not found', data: { uri } },
    }),
    ...answers,
  }
  const server = await rawBackend((received, reply) => {
    const found = known[received.rpc]?.(paramsOf(received))
    if (found === undefined)
      return reply.json(response(received.id, '"error":{"code":-32601,"message":"unknown"}'), { status: 404 })
    if (typeof found === 'function') return (found as Behaviour)(received, reply)
    const members = 'error' in found ? `"error":${JSON.stringify(found.error)}` : modernResult(found)
    reply.json(response(received.id, members))
  })
  scope.after(() => server.stop())
  return Object.assign(server, { settings: { url: server.url } })
}

/** The `_meta` of a client that declares these extensions. */
export const declaring = (...names: readonly string[]): Arguments => ({
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {
    extensions: Object.fromEntries(names.map((name) => [name, {}])),
  },
})

/** A modern request with the header that its subject needs. */
export async function ask(
  house: House,
  method: string,
  params: Arguments,
  options: RawOptions = {},
): Promise<RawAnswer> {
  const subject = params['taskId'] ?? params['uri']
  const headers = typeof subject === 'string' ? { 'mcp-name': subject } : {}
  return house.raw.modern(method, params, { ...options, headers: { ...headers, ...options.headers } })
}

/** The requests of one method that a server got. */
export const seenBy = ({ received }: RawBackend, rpc: string): readonly Received[] =>
  received.filter((one) => one.rpc === rpc)
