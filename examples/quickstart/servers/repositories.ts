import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What `list_repos` says of a repository. */
export interface Repository {
  readonly name: string
  /** `org/name`, the form `search_code` takes. */
  readonly full_name: string
  /** First paragraph of the README, on one line; empty without one. */
  readonly description: string
  /** The branch HEAD points to; `HEAD` when it is detached. */
  readonly default_branch: string
}

/** One line that contains the query. */
export interface Match {
  /** Path inside the repository, with `/`. */
  readonly path: string
  /** Line number, from 1. */
  readonly line: number
  /** The line without surrounding space, at most 200 characters. */
  readonly text: string
}

/** What `searchCode` found. */
export interface SearchResult {
  readonly matches: readonly Match[]
  /** True when a bound ended the search early: there may be more. */
  readonly truncated: boolean
}

/** A name that does not exist; the message names what does and is meant for the caller. */
export class UnknownNameError extends Error {
  override readonly name = 'UnknownNameError'
}

// Bounds of one search, so that no folder and no query can occupy the server for long.
const maxFiles = 2_000
const maxFileBytes = 1024 * 1024
const maxMatches = 50
const maxLineLength = 200

/** Lists the repositories of one organisation, sorted by name. @throws UnknownNameError */
export const listRepositories = async (root: string, org: string): Promise<readonly Repository[]> => {
  const folder = await organisationFolder(root, org)
  const names = await repositoryNames(folder)
  return Promise.all(
    names.map(async (name) => ({
      name,
      full_name: `${org}/${name}`,
      description: await readDescription(join(folder, name)),
      default_branch: await readDefaultBranch(join(folder, name)),
    })),
  )
}

/** A search of one repository. */
export interface Search {
  /** `org/name`. */
  readonly repo: string
  /** Text to find in a line, case ignored; taken literally. */
  readonly query: string
  /** Ends the search with the signal's reason. */
  readonly signal: AbortSignal
}

/** Searches the working tree of a repository, files in the order of their paths. @throws UnknownNameError */
export const searchCode = async (root: string, search: Search): Promise<SearchResult> => {
  const folder = await repositoryFolder(root, search.repo)
  const needle = search.query.toLowerCase()
  const matches: Match[] = []
  let files = 0
  for await (const path of filesOf(folder)) {
    search.signal.throwIfAborted()
    files += 1
    if (files > maxFiles) return { matches, truncated: true }
    for (const match of matchesIn(path, await readText(join(folder, path)), needle)) {
      if (matches.length === maxMatches) return { matches, truncated: true }
      matches.push(match)
    }
  }
  return { matches, truncated: false }
}

// Names from a caller are only ever compared with a directory listing and never become part of a path unless they
// are in it: `..`, absolute paths, symbolic links and names that look like options cannot lead anywhere.

const organisationFolder = async (root: string, org: string): Promise<string> => {
  const known = await folderNames(root)
  if (!known.includes(org)) throw unknown('organisation', org, known)
  return join(root, org)
}

const repositoryFolder = async (root: string, repo: string): Promise<string> => {
  const slash = repo.indexOf('/')
  if (slash === -1) {
    throw new UnknownNameError(`Repository ${JSON.stringify(repo)} must be written as org/name.`)
  }
  const org = repo.slice(0, slash)
  const name = repo.slice(slash + 1)
  const folder = await organisationFolder(root, org)
  const known = await repositoryNames(folder)
  if (!known.includes(name)) throw unknown(`repository in ${org}`, name, known)
  return join(folder, name)
}

const unknown = (what: string, found: string, known: readonly string[]): UnknownNameError => {
  const shown = known.slice(0, 20).join(', ') + (known.length > 20 ? ', …' : '')
  return new UnknownNameError(
    `Unknown ${what}: ${JSON.stringify(found.slice(0, 100))}. Known: ${shown || 'none'}.`,
  )
}

const folderNames = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { withFileTypes: true })
  // A symbolic link is not a directory here, so nothing leads out of the folder.
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => entry.name)
    .toSorted()
}

const repositoryNames = async (folder: string): Promise<readonly string[]> => {
  const names = await folderNames(folder)
  const isRepository = await Promise.all(
    names.map(async (name) => isFile(join(folder, name, '.git', 'HEAD'))),
  )
  return names.filter((_, index) => isRepository[index])
}

async function* filesOf(folder: string, prefix = ''): AsyncGenerator<string> {
  const entries = await readdir(join(folder, prefix), { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`
    if (entry.isFile()) yield path
    else if (entry.isDirectory() && entry.name !== '.git') yield* filesOf(folder, path)
  }
}

function* matchesIn(path: string, text: string, needle: string): Generator<Match> {
  for (const [index, line] of text.split('\n').entries()) {
    if (!line.toLowerCase().includes(needle)) continue
    yield { path, line: index + 1, text: line.trim().slice(0, maxLineLength) }
  }
}

/** The text of a file; empty for one that is too large, binary (has a NUL, as git decides) or gone meanwhile. */
const readText = async (path: string): Promise<string> => {
  try {
    if ((await stat(path)).size > maxFileBytes) return ''
    const bytes = await readFile(path)
    return bytes.includes(0) ? '' : bytes.toString('utf8')
  } catch {
    return ''
  }
}

const readDescription = async (repository: string): Promise<string> => {
  const readme = await readText(join(repository, 'README.md'))
  const paragraph = readme
    .split(/\n\s*\n/)
    .find((part) => part.trim() !== '' && !part.trimStart().startsWith('#'))
  return (paragraph ?? '').trim().replaceAll(/\s+/g, ' ')
}

const readDefaultBranch = async (repository: string): Promise<string> => {
  const head = (await readText(join(repository, '.git', 'HEAD'))).trim()
  const branch = 'ref: refs/heads/'
  return head.startsWith(branch) ? head.slice(branch.length) : 'HEAD'
}

const isFile = async (path: string): Promise<boolean> => {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
