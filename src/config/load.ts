import { dirname, resolve } from 'node:path'
import { toAuth } from './auth-schema.ts'
import { authorizationFindings } from './authorization-check.ts'
import { backendOfUrl } from './backend-schema.ts'
import { type ClientFile, readClientFile, serversMember } from './client-file.ts'
import { endpointsOf } from './endpoints-schema.ts'
import type { Environment } from './interpolate.ts'
import { liftScopes } from './lift-scopes.ts'
import { isLoopback } from './listen.ts'
import type { ConfigPath, ConfigProblem, Finding } from './problem.ts'
import { type ResilienceInput, toResilience } from './resilience-schema.ts'
import type { FileSettings } from './schema.ts'
import { type ConfigSource, type SourceTree, readSource } from './source.ts'
import { isMapping } from './tree.ts'
import type { BackendConfig, Config, TelemetryConfig } from './types.ts'
import { validate } from './validate.ts'

/** What came of reading a configuration. */
export type ConfigResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigProblem[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] }

/** What loading needs from outside. */
export interface ConfigPorts {
  readonly env: Environment
  /**
   * Reads a file as text.
   *
   * @throws Error that says why it cannot be read
   */
  readonly readFile: (path: string) => Promise<string>
}

/**
 * Reads and checks a configuration file. Never throws for what is wrong with it: every problem comes back at once.
 *
 * @param path absolute, or relative to the working directory; messages call the file by it
 */
export async function loadConfig(path: string, ports: ConfigPorts): Promise<ConfigResult> {
  let text: string
  try {
    text = await ports.readFile(path)
  } catch (error) {
    const message = `cannot be read: ${error instanceof Error ? reason(error) : String(error)}`
    return { ok: false, problems: [{ file: path, line: 0, column: 0, path: '', message }] }
  }
  return parseConfig({ name: path, text, dir: dirname(resolve(path)) }, ports.env)
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
}

function reason(error: Error): string {
  const code = 'code' in error ? String(error.code) : ''
  return REASONS[code] ?? error.message
}

/** Checks a configuration that is there as text already, in YAML or JSON; desktop clients' files included. */
export function parseConfig(source: ConfigSource, env: Environment): ConfigResult {
  const tree = readSource(source, env)
  if (tree.value === undefined && tree.findings.length > 0) return failed(tree, tree.findings)
  if (!isMapping(tree.value)) {
    const message =
      tree.value === undefined ? 'the file is empty' : 'expected a mapping (key: value) at the top'
    return failed(tree, [...tree.findings, { path: [], message: `${message}; it needs at least backends` }])
  }
  const member = serversMember(tree.value)
  const client = member === undefined ? undefined : readClientFile(tree.value, member)
  const { settings, findings, warnings: seen } = check(tree.value, tree, client)
  if (settings === undefined || findings.length > 0) return failed(tree, findings)
  const warnings = [...(client?.warnings ?? []), ...seen, ...doubts(settings, member ?? 'backends')]
  return {
    ok: true,
    config: toConfig(settings, source.dir),
    warnings: warnings.map((each) => tree.locate(each)),
  }
}

function failed(tree: SourceTree, findings: readonly Finding[]): ConfigResult {
  const problems = findings.map((finding) => tree.locate(finding))
  return { ok: false, problems: problems.toSorted((a, b) => a.line - b.line || a.column - b.column) }
}

/** Validates the tree, or what a client's file means in our shape, with every path as it is in the file. */
function check(
  root: Readonly<Record<string, unknown>>,
  tree: SourceTree,
  client: ClientFile | undefined,
): Checked {
  const lifted = liftScopes(client?.value ?? root)
  const original = (path: ConfigPath): ConfigPath => {
    const place = lifted.originalPath(path)
    return client?.originalPath(place) ?? place
  }
  const broken = tree.findings.filter(({ path }) => client?.isOmitted(path) !== true)
  const { settings, findings } = validate({
    value: lifted.value,
    variablesAt: (path) => tree.variablesAt(original(path)),
  })
  const { problems, warnings } = authorizationFindings(lifted.value)
  const locate = (finding: Finding): Finding => ({ ...finding, path: original(finding.path) })
  const located = [...findings, ...problems].map(locate)
  // A text whose references could not be resolved is reported once, not again for what it then looks like.
  const consequences = new Set(broken.map(({ path }) => JSON.stringify(path)))
  const own = located.filter(({ path }) => !consequences.has(JSON.stringify(path)))
  return {
    settings,
    findings: [...broken, ...(client?.problems ?? []), ...lifted.problems, ...own],
    warnings: warnings.map(locate),
  }
}

interface Checked {
  readonly settings: FileSettings | undefined
  readonly findings: readonly Finding[]
  readonly warnings: readonly Finding[]
}

function doubts(settings: FileSettings, backends: string): readonly Finding[] {
  const findings: Finding[] = []
  if (Object.keys(settings.backends).length === 0) {
    findings.push({
      path: [backends],
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

function toConfig(settings: FileSettings, dir: string): Config {
  const { gateway, backends, auth, authorization, admin, log, limits, store, integrity, telemetry } = settings
  const { allowUnauthenticatedNetworkAccess: _, pageSize, stateDir, publicUrl, ...rest } = gateway
  return {
    gateway: {
      ...rest,
      pageSize,
      publicUrl: publicUrl?.replace(/\/$/, ''),
      stateDir: stateDir === undefined ? undefined : resolve(dir, stateDir),
    },
    ...(auth === undefined ? {} : { auth: toAuth(auth, dir) }),
    ...(authorization === undefined ? {} : { authorization }),
    admin: admin === false ? undefined : admin,
    log,
    limits,
    store,
    telemetry: withLogFile(telemetry, dir),
    integrity: { ...integrity, lock: resolve(dir, integrity.lock) },
    backends: Object.entries(backends).map(([name, backend]) => toBackend(name, backend, dir)),
  }
}

/** The names of the standard streams are no files. */
function withLogFile(telemetry: TelemetryConfig, dir: string): TelemetryConfig {
  const { accessLog } = telemetry
  if (accessLog === undefined || accessLog.to === 'stdout' || accessLog.to === 'stderr') return telemetry
  return { ...telemetry, accessLog: { ...accessLog, to: resolve(dir, accessLog.to) } }
}

function toBackend(name: string, written: FileSettings['backends'][string], dir: string): BackendConfig {
  const backend = typeof written === 'string' ? backendOfUrl(written) : written
  if (backend.transport === 'stdio')
    return { name, ...withResilience(backend), cwd: resolve(dir, backend.cwd) }
  const { url: _, endpoints: __, balance, ejection, slowStart, ...rest } = withResilience(backend)
  const list = endpointsOf(backend)
  const [first] = list
  if (first === undefined) throw new TypeError('validation lets no backend without an endpoint pass')
  const single = { name, ...rest, url: first.url }
  return list.length === 1 ? single : { ...single, endpoints: { list, balance, ejection, slowStart } }
}

type Resilient<T> = Omit<T, keyof ResilienceInput> & Pick<BackendConfig, 'timeout' | 'resilience'>

/** The settings that say how failures are met stand beside the others in the file, and together from here on. */
function withResilience<T extends ResilienceInput>(written: T): Resilient<T> {
  const { timeout, retry, circuitBreaker, bulkhead, trustAnnotations, tools, ...rest } = written
  const resilience = toResilience({ timeout, retry, circuitBreaker, bulkhead, trustAnnotations, tools })
  return { ...rest, timeout: timeout.total, resilience }
}
