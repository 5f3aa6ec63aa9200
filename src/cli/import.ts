import { stringify } from 'yaml'
import { parseConfig } from '../config/load.ts'
import { formatProblem } from '../config/problem.ts'
import { CLIENTS, type FoundServer, readServers } from './client-files.ts'
import { absolute, shownPath } from './config-file.ts'
import { type Reference, createVault, extractSecrets } from './extract-secrets.ts'
import { CliError, type Io } from './io.ts'
import type { ImportOptions } from './options.ts'
import { commandLine, shownUrl } from './redact.ts'
import { oneLine, paint } from './text.ts'

/** A file that may exist, and how it is called. */
interface Candidate {
  readonly path: string
  readonly origin: string
}

/** `toolgate import`: writes our configuration from those of desktop clients. Secrets become references. */
export async function importCommand(io: Io, options: ImportOptions): Promise<number> {
  const candidates = candidatesOf(io, options)
  const notes: string[] = []
  const found: FoundServer[] = []
  for (const { path, origin } of candidates) {
    const text = await readIfThere(io, path, options.file !== undefined)
    if (text === undefined) continue
    const content = readServers(text, origin)
    found.push(...content.servers)
    notes.push(...content.notes)
  }
  if (found.length === 0) throw nothingFound(notes, candidates)
  const { yaml, listing, references } = convert(found, notes)
  io.stderr.write(`${paint(io.stderr, 'bold', 'Found')}\n${listing}`)
  for (const note of notes) io.stderr.write(`${paint(io.stderr, 'yellow', 'note:')} ${oneLine(note, 500)}\n`)
  for (const problem of check(yaml, references)) {
    io.stderr.write(`${paint(io.stderr, 'yellow', 'to correct:')} ${problem}\n`)
  }
  await output(io, yaml, options)
  if (references.length > 0) io.stderr.write(exportsOf(io, references))
  return 0
}

function candidatesOf(io: Io, { file, from }: ImportOptions): readonly Candidate[] {
  if (file !== undefined) return [{ path: absolute(io, file), origin: file }]
  const clients = from === undefined ? CLIENTS : CLIENTS.filter(({ id }) => id === from)
  if (clients.length === 0) {
    throw new CliError(`unknown client: ${from}`, `Known are ${CLIENTS.map(({ id }) => id).join(', ')}.`)
  }
  return clients.flatMap(({ title, paths }) =>
    paths(io).map((path) => ({ path, origin: `${title} (${shownPath(io, path)})` })),
  )
}

async function readIfThere(io: Io, path: string, required: boolean): Promise<string | undefined> {
  try {
    return await io.files.read(path)
  } catch (error) {
    const missing =
      error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
    if (missing && !required) return undefined
    throw new CliError(
      `${shownPath(io, path)} cannot be read: ${missing ? 'there is no such file' : String(error)}`,
    )
  }
}

function nothingFound(notes: readonly string[], candidates: readonly Candidate[]): CliError {
  const looked = candidates.map(({ origin }) => `  ${origin}`).join('\n')
  return new CliError(`no MCP servers found in\n${looked}`, notes.length === 0 ? undefined : notes.join('\n'))
}

/** Puts the servers into one configuration; the same server in two files is taken once. */
function convert(
  found: readonly FoundServer[],
  notes: string[],
): { readonly yaml: string; readonly listing: string; readonly references: readonly Reference[] } {
  const taken = new Map<string, string>()
  const vault = createVault()
  const backends: Record<string, unknown> = {}
  const lines: string[] = []
  for (const { name, backend, origin } of found) {
    const definition = JSON.stringify(backend)
    if ([...taken].some(([other, its]) => its === definition && isVariant(other, name))) continue
    const free = freeName(name, taken)
    if (free !== name)
      notes.push(`${origin}: ${name} is called ${free}, because another ${name} is different`)
    taken.set(free, definition)
    const { transport: _, ...settings } = extractSecrets(free, backend, vault)
    backends[free] = settings
    lines.push(`  ${free}  ${oneLine(what(backend), 200)}\n      from ${origin}\n`)
  }
  const yaml = `# Written by toolgate import. See what it would do: toolgate check\n${stringify({ backends }, { lineWidth: 110 })}`
  return { yaml, listing: lines.join(''), references: vault.references() }
}

const isVariant = (name: string, base: string): boolean =>
  name === base || name.startsWith(`${base.slice(0, 29)}-`)

function freeName(name: string, taken: ReadonlyMap<string, string>): string {
  if (!taken.has(name)) return name
  for (let number = 2; ; number++) {
    const next = `${name.slice(0, 29)}-${number}`
    if (!taken.has(next)) return next
  }
}

function what({ command, args, url }: Readonly<Record<string, unknown>>): string {
  if (typeof url === 'string') return shownUrl(url)
  return commandLine(String(command), Array.isArray(args) ? args.map(String) : [])
}

/** What `toolgate check` would say, were every variable set. */
function check(yaml: string, references: readonly Reference[]): readonly string[] {
  const env = Object.fromEntries(references.map(({ variable }) => [variable, 'x']))
  const result = parseConfig({ name: 'toolgate.yaml', text: yaml, dir: '/' }, env)
  return result.ok ? [] : result.problems.map(formatProblem)
}

async function output(io: Io, yaml: string, { output: file, force, dryRun }: ImportOptions): Promise<void> {
  if (file === undefined || dryRun) {
    io.stdout.write(yaml)
    return
  }
  try {
    await io.files.write(absolute(io, file), yaml, { overwrite: force })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    throw new CliError(`${file} exists already`, 'Overwrite it with --force, or look first with --dry-run.')
  }
  io.stderr.write(
    `${paint(io.stderr, 'green', `Wrote ${file}`)}: see what it would do with toolgate check -c ${file}\n`,
  )
}

function exportsOf(io: Io, references: readonly Reference[]): string {
  const lines = references.map(
    ({ variable, meaning }) => `  export ${variable}=…  # ${oneLine(meaning, 80)}\n`,
  )
  const heading = paint(
    io.stderr,
    'bold',
    'Set these before you start the gateway; the values stayed where they were',
  )
  return `${heading}\n${lines.join('')}`
}
