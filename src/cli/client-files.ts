import { join } from 'node:path'
import { parse } from 'yaml'
import { readClientFile, serversMember } from '../config/client-file.ts'
import { relaxJson } from '../config/json-comments.ts'
import { formatPath } from '../config/problem.ts'
import { isMapping } from '../config/tree.ts'
import type { Io } from './io.ts'

/** A desktop client whose configuration can be imported. */
export interface ClientKind {
  /** As in `--from`. */
  readonly id: string
  readonly title: string
  /** Where it keeps its files on this system, most general first. */
  readonly paths: (io: Io) => readonly string[]
}

/** The folder in which desktop programs keep their settings. */
function settingsFolder({ platform, env, home }: Io): string {
  if (platform === 'darwin') return join(home, 'Library', 'Application Support')
  if (platform === 'win32') return env['APPDATA'] ?? join(home, 'AppData', 'Roaming')
  const own = env['XDG_CONFIG_HOME']
  return own?.startsWith('/') === true ? own : join(home, '.config')
}

/** The clients that are known. */
export const CLIENTS: readonly ClientKind[] = [
  {
    id: 'claude-desktop',
    title: 'Claude Desktop',
    paths: (io) => [join(settingsFolder(io), 'Claude', 'claude_desktop_config.json')],
  },
  {
    id: 'claude-code',
    title: 'Claude Code',
    paths: (io) => [join(io.home, '.claude.json'), join(io.cwd, '.mcp.json')],
  },
  {
    id: 'cursor',
    title: 'Cursor',
    paths: (io) => [join(io.home, '.cursor', 'mcp.json'), join(io.cwd, '.cursor', 'mcp.json')],
  },
  {
    id: 'vscode',
    title: 'VS Code',
    paths: (io) => [
      join(settingsFolder(io), 'Code', 'User', 'mcp.json'),
      join(io.cwd, '.vscode', 'mcp.json'),
    ],
  },
  {
    id: 'windsurf',
    title: 'Windsurf',
    paths: (io) => [join(io.home, '.codeium', 'windsurf', 'mcp_config.json')],
  },
]

/** A server found in a client's file, in the shape of a backend of ours but not checked. */
export interface FoundServer {
  readonly name: string
  readonly backend: Readonly<Record<string, unknown>>
  /** Where it was found, for people. */
  readonly origin: string
}

/** What one file holds. */
export interface ClientFileContent {
  readonly servers: readonly FoundServer[]
  /** What was left out or changed, for people. */
  readonly notes: readonly string[]
}

/**
 * Reads one client's file. References in it stay as they are.
 *
 * @param origin how the file is called in messages
 */
export function readServers(text: string, origin: string): ClientFileContent {
  const root = parseLenient(text)
  if (!isMapping(root)) return { servers: [], notes: [`${origin}: not a JSON object, left out`] }
  const whole = readSection(root, origin)
  const projects = isMapping(root['projects']) ? Object.entries(root['projects']) : []
  const sections = projects.map(([folder, project]) =>
    isMapping(project) ? readSection(project, `${origin}, project ${folder}`, folder) : EMPTY,
  )
  const all = [whole, ...sections]
  return { servers: all.flatMap(({ servers }) => servers), notes: all.flatMap(({ notes }) => notes) }
}

const EMPTY: ClientFileContent = { servers: [], notes: [] }

/** JSON is tried first: some of these files are large. */
function parseLenient(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    try {
      return parse(relaxJson(text.replace(/^\uFEFF/, ' ')), { maxAliasCount: 0 })
    } catch {
      return undefined
    }
  }
}

/** @param folder the project that the section is for: relative paths start there */
function readSection(
  root: Readonly<Record<string, unknown>>,
  origin: string,
  folder?: string,
): ClientFileContent {
  const member = serversMember(root)
  if (member === undefined) return EMPTY
  const { value, problems, warnings, originalPath } = readClientFile(
    { [member]: root[member] },
    { member, sections: [] },
  )
  const broken = new Set(problems.map(({ path }) => path[1]))
  const servers: FoundServer[] = []
  for (const [name, backend] of Object.entries(value['backends'] as Readonly<Record<string, unknown>>)) {
    if (broken.has(originalPath(['backends', name])[1]) || !isMapping(backend)) continue
    const local = folder !== undefined && 'command' in backend && !('cwd' in backend)
    servers.push({ name, backend: local ? { ...backend, cwd: folder } : backend, origin })
  }
  const notes = [...problems, ...warnings].map(
    ({ path, message }) => `${origin}: ${formatPath(path)}: ${message}`,
  )
  return { servers, notes }
}
