import { resolve } from 'node:path'
import { authorizationFindings } from './authorization-check.ts'
import { type FilePorts, type ReadFiles, readConfigFiles } from './config-files.ts'
import { type Chosen, MOST_ENVIRONMENTS, chooseEnvironment } from './environments.ts'
import type { Environment } from './interpolate.ts'
import { type FileLayers, readLayers } from './layers.ts'
import { liftScopes } from './lift-scopes.ts'
import { isLoopback } from './listen.ts'
import { type Merged, type Removal, mergeLayers } from './merge.ts'
import { type ConfigProblem, type Finding, formatProblem } from './problem.ts'
import { type ReferencePorts, type Resolved, pathKey, resolveReferences } from './references.ts'
import { type FileSettings, SECTIONS } from './schema.ts'
import type { ConfigSource } from './source.ts'
import { type ResolvePath, toConfig } from './to-config.ts'
import { valueAt } from './tree.ts'
import type { Config } from './types.ts'
import { validate, withoutValue } from './validate.ts'

/** What loading needs from outside. */
export type ConfigPorts = FilePorts & { readonly env: Environment }

/** What came of reading a configuration. */
export type ConfigResult =
  | {
      readonly ok: true
      readonly config: Config
      readonly warnings: readonly ConfigProblem[]
      /** What is wrong with environments that were not chosen. */
      readonly elsewhere: readonly ConfigProblem[]
    }
  | {
      readonly ok: false
      readonly problems: readonly ConfigProblem[]
      readonly elsewhere: readonly ConfigProblem[]
      /** Set where the only problem is that there are these environments and none of them is chosen. */
      readonly unchosen?: readonly string[]
    }

/** Which of its environments a configuration is for. */
export interface LoadOptions {
  /** Undefined: the one that `TOOLGATE_ENV` names, or else `ENVIRONMENT`, or else `development`. */
  readonly environment?: string | undefined
}

/** A configuration, and how it came about. */
export interface OpenedConfig {
  readonly result: ConfigResult
  /** Undefined if a file cannot be read or no environment is chosen. */
  readonly tree: ConfigTree | undefined
}

/** A configuration before it is checked. */
export interface ConfigTree {
  readonly merged: Merged
  readonly resolved: Resolved
}

/**
 * Reads and checks a configuration. Never throws for what is wrong with it: every problem comes back at once.
 *
 * @param path of a file, or of a folder with files; several are laid over each other, later over earlier
 */
export async function loadConfig(
  path: string | readonly string[],
  ports: ConfigPorts,
  options: LoadOptions = {},
): Promise<ConfigResult> {
  const paths = typeof path === 'string' ? [path] : path
  const files = await readConfigFiles(
    paths.map((name) => ({ name, path: resolve(name) })),
    ports,
  )
  return openConfig(files, ports.env, options).result
}

/**
 * Checks a configuration that is there as text already, in YAML or JSON; desktop clients' files included. Several texts
 * are laid over each other, later over earlier. Files that it refers to (`${file:…}`) are read.
 */
export function parseConfig(
  source: ConfigSource | readonly ConfigSource[],
  env: Environment,
  options: LoadOptions = {},
): ConfigResult {
  return openConfig({ sources: [source].flat(), problems: [] }, env, options).result
}

/** {@link parseConfig} of files that were read, with what is needed to explain it. */
export function openConfig(files: ReadFiles, env: Environment, options: LoadOptions = {}): OpenedConfig {
  const read = files.sources.map((source) => readLayers(source, SECTIONS))
  const order = files.sources.map(({ name }) => name)
  const broken = [...files.problems, ...read.flatMap(({ problems }) => problems)]
  if (broken.length > 0) return failed(sorted(broken, order))
  if (read.every(({ base }) => base === undefined)) {
    const message = 'the file is empty; it needs at least backends'
    return failed([{ file: order[0] ?? '', line: 0, column: 0, path: '', message }])
  }
  const known = [...new Set(read.flatMap(({ overlays }) => [...overlays.keys()]))]
  if (known.length > MOST_ENVIRONMENTS) {
    const message = `expected at most ${MOST_ENVIRONMENTS} environments; found ${known.length}`
    return failed([choiceProblem(read, { kind: 'unknown', message })])
  }
  const chosen = chooseEnvironment(known, options.environment, env)
  if (chosen.kind !== 'chosen') {
    const elsewhere = sorted(problemsOf(read, known, { env, seen: [] }), order)
    const unchosen = chosen.kind === 'open' ? known : undefined
    return failed([choiceProblem(read, chosen)], { elsewhere, unchosen })
  }
  const own = assemble(read, chosen.name, { env, isChosen: true })
  const others = known.filter((name) => name !== chosen.name)
  const elsewhere = sorted(problemsOf(read, others, { env, seen: own.problems }), order)
  return own.settings === undefined
    ? { ...failed(sorted(own.problems, order), { elsewhere }), tree: own.tree }
    : { result: settled(own, own.settings, { name: chosen.name, read, elsewhere }), tree: own.tree }
}

/** The result of a configuration without problems. */
function settled(
  { tree, warnings }: Assembled,
  settings: FileSettings,
  {
    name,
    read,
    elsewhere,
  }: {
    readonly name: string | undefined
    readonly read: readonly FileLayers[]
    readonly elsewhere: readonly ConfigProblem[]
  },
): ConfigResult {
  const config = toConfig(settings, pathsOf(tree.merged))
  return {
    ok: true,
    config: name === undefined ? config : { environment: name, ...config },
    warnings: [...read.flatMap((file) => file.warnings), ...warnings],
    elsewhere,
  }
}

function failed(
  problems: readonly ConfigProblem[],
  more: {
    readonly elsewhere?: readonly ConfigProblem[]
    readonly unchosen?: readonly string[] | undefined
  } = {},
): OpenedConfig {
  const { elsewhere = [], unchosen } = more
  const result = { ok: false, problems, elsewhere, ...(unchosen === undefined ? {} : { unchosen }) } as const
  return { result, tree: undefined }
}

function sorted(problems: readonly ConfigProblem[], order: readonly string[]): readonly ConfigProblem[] {
  return problems.toSorted(
    (a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line || a.column - b.column,
  )
}

function choiceProblem(
  read: readonly FileLayers[],
  { message, ...rest }: Exclude<Chosen, { readonly kind: 'chosen' }>,
): ConfigProblem {
  const withThem =
    read.find(({ overlays }) => overlays.size > 0) ?? read.find(({ base }) => base !== undefined)
  const place = withThem?.base?.locate({ path: ['environments'], at: 'key', message })
  const base = place ?? { file: '', line: 0, column: 0, path: '', message }
  return 'suggestion' in rest ? { ...base, suggestion: rest.suggestion } : base
}

/** What is wrong with environments that are not chosen; what several have in common is told once. */
function problemsOf(
  read: readonly FileLayers[],
  names: readonly string[],
  { env, seen }: { readonly env: Environment; readonly seen: readonly ConfigProblem[] },
): readonly ConfigProblem[] {
  const told = new Set(seen.map(formatProblem))
  return names.flatMap((name) => {
    const { problems } = assemble(read, name, { env, isChosen: false })
    const own = problems.filter((problem) => !told.has(formatProblem(problem)))
    for (const problem of own) told.add(formatProblem(problem))
    return own.map((problem) => inEnvironment(problem, name))
  })
}

/** What stands outside the overlay may be wrong only together with it. */
function inEnvironment(problem: ConfigProblem, name: string): ConfigProblem {
  if (problem.path.startsWith('environments.')) return problem
  return { ...problem, message: `in the environment ${name}: ${problem.message}` }
}

/** A configuration of one environment, put together and checked. */
interface Assembled {
  readonly tree: ConfigTree
  /** Undefined if there are problems. */
  readonly settings: FileSettings | undefined
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly ConfigProblem[]
}

function assemble(read: readonly FileLayers[], name: string | undefined, ports: ReferencePorts): Assembled {
  const overlays = read.map((file) => (name === undefined ? undefined : file.overlays.get(name)))
  const layers = [...read.map(({ base }) => base), ...overlays].filter((layer) => layer !== undefined)
  const merged = mergeLayers(layers)
  const resolved = resolveReferences(merged, ports)
  const { settings, findings, warnings } = check(resolved)
  const located = (list: readonly Finding[]): readonly ConfigProblem[] =>
    list.map((finding) => locate(merged, finding))
  const doubtful = settings === undefined ? warnings : [...warnings, ...doubts(settings)]
  const problems = [...layers.flatMap((layer) => layer.problems), ...located(findings)]
  return {
    tree: { merged, resolved },
    settings: problems.length === 0 ? settings : undefined,
    problems,
    warnings: [...located(doubtful), ...merged.removals.filter(({ isVain }) => isVain).map(vainRemoval)],
  }
}

function vainRemoval({ origin: { layer, path } }: Removal): ConfigProblem {
  const message = 'removes nothing, because nothing of that name is there; an empty section is written {}'
  return layer.locate({ path, at: 'key', message })
}

function locate(merged: Merged, finding: Finding): ConfigProblem {
  const [origin] = merged.writersOf(finding.path)
  if (origin === undefined) throw new TypeError('every tree has a writer')
  return origin.layer.locate({ ...finding, path: origin.path })
}

/** Checks a configuration that is there as values, of one layer and without references. */
export function checkValue(
  resolved: Resolved,
  absolute: ResolvePath,
): Pick<Checked, 'findings' | 'warnings'> & { readonly config: Config | undefined } {
  const { settings, findings, warnings } = check(resolved)
  if (settings === undefined) return { config: undefined, findings, warnings }
  return { config: toConfig(settings, absolute), findings, warnings: [...warnings, ...doubts(settings)] }
}

/** Validates a tree, with every path as it is before scopes are lifted. */
function check(resolved: Resolved): Checked {
  const lifted = liftScopes(resolved.value)
  const { settings, findings } = validate({
    value: lifted.value,
    sourcesAt: (path) => resolved.sourcesAt(lifted.originalPath(path)),
  })
  const { problems, warnings } = authorizationFindings(lifted.value)
  const original = (finding: Finding): Finding => ({ ...finding, path: lifted.originalPath(finding.path) })
  const discreet = (finding: Finding): Finding => withoutSecrets(resolved, original(finding))
  // A text whose references could not be resolved is reported once, not again for what it then looks like.
  const own = [...findings.map(original), ...problems.map(discreet)].filter(
    ({ path }) => !resolved.unresolved.has(pathKey(path)),
  )
  const all = [...resolved.findings, ...lifted.problems, ...own]
  return {
    settings: all.length === 0 ? settings : undefined,
    findings: all,
    warnings: warnings.map(discreet),
  }
}

interface Checked {
  readonly settings: FileSettings | undefined
  readonly findings: readonly Finding[]
  readonly warnings: readonly Finding[]
}

/** What came by a reference is not quoted. */
function withoutSecrets({ sourcesAt, value }: Resolved, finding: Finding): Finding {
  if (sourcesAt(finding.path).length === 0) return finding
  const { suggestion: _, message, ...rest } = finding
  return { ...rest, message: withoutValue(message, valueAt(value, finding.path)) }
}

function doubts(settings: FileSettings): readonly Finding[] {
  const findings: Finding[] = []
  if (Object.keys(settings.backends).length === 0) {
    findings.push({
      path: ['backends'],
      at: 'key',
      message: 'there are no backends, so there is nothing to serve',
    })
  }
  const { auth } = settings
  const nobody = auth?.issuer === undefined && auth?.issuers.length === 0 && auth.apiKeys === undefined
  if (nobody && !auth.anonymous) {
    const message = 'nobody can come in: name an issuer, or accept API keys (apiKeys: {})'
    findings.push({ path: ['auth'], at: 'key', message })
  }
  for (const [index, { signature }] of (auth?.apiKeys?.keys ?? []).entries()) {
    if (signature?.form !== 'sorted-json') continue
    const message =
      'covers neither URL nor time: whoever has seen a request can send it again; prefer rfc9421'
    findings.push({ path: ['auth', 'apiKeys', 'keys', index, 'signature', 'form'], message })
  }
  const open = settings.auth === undefined || settings.auth.anonymous
  if (open && !isLoopback(settings.gateway.listen.host)) {
    const message = 'reachable from the network without authentication: whoever can connect can call'
    findings.push({ path: ['gateway', 'listen'], message })
  }
  if (settings.admin !== false && !isLoopback(settings.admin.listen.host)) {
    const message = 'reachable from the network: whoever learns the admin token can see what the gateway does'
    findings.push({ path: ['admin', 'listen'], message })
    if (settings.telemetry.metrics?.open === true) {
      const path = ['telemetry', 'metrics', 'allowUnauthenticatedScrape']
      findings.push({ path, message: 'anyone on the network can read the names and numbers of every metric' })
    }
  }
  return findings
}

/** Paths are relative to the file that wrote them; defaults to that of `otherwise`, or else to the first file. */
function pathsOf(merged: Merged): ResolvePath {
  const first = merged.writersOf([]).at(-1)?.layer.dir ?? '/'
  return (path, written, otherwise) => {
    const place = valueAt(merged.value, path) === undefined ? otherwise : path
    const dir = place === undefined ? first : merged.writersOf(place)[0]?.layer.dir
    return resolve(dir ?? first, written)
  }
}
