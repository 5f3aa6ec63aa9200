import { BACKEND_NAME, RESERVED_NAMES } from './backend-schema.ts'
import type { ConfigPath, Finding } from './problem.ts'
import { isMapping } from './tree.ts'

/** A desktop client's file in the shape of ours. */
export interface ClientFile {
  /** What the schema of ours is to check. */
  readonly value: Readonly<Record<string, unknown>>
  readonly problems: readonly Finding[]
  readonly warnings: readonly Finding[]
  /** Where a path of `value` stands in the client's file. */
  readonly originalPath: (path: ConfigPath) => ConfigPath
}

/** Other names that clients have for our settings. `serverUrl`: Windsurf; `httpUrl`: Gemini. */
const ALIASES: Readonly<Record<string, string>> = { serverUrl: 'url', httpUrl: 'url' }
const KNOWN = new Set(['url', 'command', 'args', 'env', 'cwd', 'headers', 'era', 'connections'])
const HTTP_TYPES = new Set(['http', 'streamable-http', 'streamableHttp', 'streamable_http'])

/** The member that holds the servers of a desktop client's file, or undefined for a file of ours. */
export function serversMember(root: unknown): 'mcpServers' | 'servers' | undefined {
  if (!isMapping(root)) return undefined
  if (isMapping(root['mcpServers'])) return 'mcpServers'
  // VS Code's mcp.json.
  return isMapping(root['servers']) && !('backends' in root) ? 'servers' : undefined
}

/**
 * Reads the file of a desktop client: `mcpServers` (Claude, Cursor, Windsurf, …) or `servers` (VS Code). What Toolgate
 * has no word for is left out with a warning; names are adapted to ours with a warning. Sections of ours may stand beside
 * the servers.
 *
 * @param sections what a file of ours may have at its top
 */
export function readClientFile(
  root: Readonly<Record<string, unknown>>,
  { member, sections }: { readonly member: 'mcpServers' | 'servers'; readonly sections: readonly string[] },
): ClientFile {
  const problems: Finding[] = []
  const warnings: Finding[] = []
  const servers = root[member]
  const names = new Map<string, string>()
  const backends: Record<string, unknown> = {}
  for (const [original, server] of Object.entries(isMapping(servers) ? servers : {})) {
    const path = [member, original]
    if (isMapping(server) && (server['disabled'] === true || server['enabled'] === false)) {
      warnings.push({ path, at: 'key', message: 'disabled in this file, so left out' })
      continue
    }
    const name = adaptName(original, names)
    if (name !== original) warnings.push({ path, at: 'key', message: `called ${name} here` })
    names.set(name, original)
    backends[name] = isMapping(server) ? readServer(server, { path, problems, warnings }) : server
  }
  const own = Object.entries(root).filter(
    ([key]) => key === 'environments' || (key !== 'backends' && sections.includes(key)),
  )
  const ignored = Object.keys(root).filter(
    (key) => key !== member && !own.some(([section]) => section === key),
  )
  if (ignored.includes('backends')) {
    problems.push({ path: ['backends'], at: 'key', message: `a file has either ${member} or backends` })
  }
  for (const key of ignored.filter((each) => each !== 'backends' && each !== 'inputs')) {
    warnings.push({ path: [key], at: 'key', message: "ignored: not part of Toolgate's configuration" })
  }
  return {
    value: { ...Object.fromEntries<unknown>(own), backends },
    problems,
    warnings,
    originalPath: (path) => originalPath(path, member, { names, servers }),
  }
}

interface Report {
  readonly path: ConfigPath
  readonly problems: Finding[]
  readonly warnings: Finding[]
}

function readServer(
  server: Readonly<Record<string, unknown>>,
  { path, problems, warnings }: Report,
): Record<string, unknown> {
  const backend: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(server)) {
    const ours = ALIASES[key] ?? key
    if (KNOWN.has(ours)) backend[ours] = value
    else if (key === 'timeout' && typeof value === 'string') backend['timeout'] = value
    else if (key === 'type' || key === 'transport') {
      const type = readType(value)
      if ('problem' in type) problems.push({ path: [...path, key], message: type.problem })
      else backend['transport'] = type.transport
    } else if (key !== 'disabled' && key !== 'enabled') {
      warnings.push({ path: [...path, key], at: 'key', message: ignoredMember(key) })
    }
  }
  return backend
}

function readType(value: unknown): { readonly transport: 'http' | 'stdio' } | { readonly problem: string } {
  if (value === 'stdio') return { transport: 'stdio' }
  if (typeof value === 'string' && HTTP_TYPES.has(value)) return { transport: 'http' }
  if (value === 'sse') {
    return {
      problem: 'the transport sse (2024-11-05) is not served yet; use the Streamable HTTP URL of the server',
    }
  }
  return { problem: 'expected stdio or http' }
}

function ignoredMember(key: string): string {
  if (key === 'timeout') return 'ignored: clients disagree about its unit; write it with one, such as "30s"'
  if (key === 'envFile') return 'ignored: Toolgate reads no .env files; set the variables in its environment'
  if (key === 'disabledTools') return 'ignored: Toolgate does not hide these tools'
  return 'ignored: Toolgate has no such setting'
}

const LONGEST_NAME = 32

/** The name in our alphabet, cut to our length, and different from those taken. */
function adaptName(original: string, taken: ReadonlyMap<string, string>): string {
  const cleaned = original
    .normalize('NFKD')
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/^[_-]+/, '')
    .slice(0, LONGEST_NAME)
    .replace(/-+$/, '')
  const base =
    cleaned === '' || RESERVED_NAMES.has(cleaned) ? `server${cleaned === '' ? '' : `-${cleaned}`}` : cleaned
  const start = BACKEND_NAME.test(original) && !RESERVED_NAMES.has(original) ? original : base
  if (!taken.has(start)) return start
  for (let number = 2; ; number++) {
    const suffix = `-${number}`
    const name = `${start.slice(0, LONGEST_NAME - suffix.length)}${suffix}`
    if (!taken.has(name)) return name
  }
}

function originalPath(
  path: ConfigPath,
  member: string,
  known: { readonly names: ReadonlyMap<string, string>; readonly servers: unknown },
): ConfigPath {
  const [section, name, setting, ...rest] = path
  if (section !== 'backends') return path
  if (name === undefined) return [member]
  const original = known.names.get(String(name)) ?? String(name)
  if (setting === undefined) return [member, original]
  const servers = isMapping(known.servers) ? known.servers : {}
  const server = servers[original]
  const written = Object.keys(ALIASES).find(
    (alias) => ALIASES[alias] === setting && isMapping(server) && alias in server && !(setting in server),
  )
  const key = setting === 'transport' && isMapping(server) && 'type' in server ? 'type' : (written ?? setting)
  return [member, original, key, ...rest]
}
