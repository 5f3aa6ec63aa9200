import { formatListen } from '../config/listen.ts'
import { type ConfigProblem, formatProblem } from '../config/problem.ts'
import type { BackendConfig, Config, EndpointConfig, HttpBackendConfig } from '../config/types.ts'
import { connectedDoubts } from './connect.ts'
import { explainCommand } from './explain.ts'
import { type ReadConfig, printProblems, readConfig, shownPath } from './config-file.ts'
import type { Io } from './io.ts'
import { type Checked, withLock } from './lock.ts'
import type { CheckOptions } from './options.ts'
import { commandLine, shownUrl } from './redact.ts'
import { duration, paint, table } from './text.ts'

/**
 * `toolgate check`: validates a configuration and says what it would do, without doing it. Without a choice every
 * environment has to be valid; with one, what is wrong with the others is a warning.
 */
export async function checkCommand(io: Io, options: CheckOptions): Promise<number> {
  const read = strictly(await withLock(io, await readConfig(io, options)), options)
  if (options.explain !== undefined) return explainCommand(io, read, { ...options, path: options.explain })
  if (!read.ok) return reportProblems(io, read, options)
  const doubts = options.connect ? await connectedDoubts(io, read.config) : undefined
  const warnings = [...read.warnings, ...read.elsewhere]
  if (options.json) {
    const report = {
      ok: true,
      file: read.file,
      warnings,
      ...(doubts === undefined ? {} : { connected: doubts }),
      ...summary(io, read.config),
      integrity: integrityOf(io, read),
    }
    io.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    return 0
  }
  io.stdout.write(`${paint(io.stdout, 'green', `${read.file} is valid`)}\n`)
  for (const warning of warnings) {
    io.stdout.write(`${paint(io.stdout, 'yellow', 'warning:')} ${formatProblem(warning)}\n`)
  }
  for (const doubt of doubts ?? []) io.stdout.write(`${paint(io.stdout, 'yellow', 'warning:')} ${doubt}\n`)
  io.stdout.write(`\n${description(io, read)}`)
  return 0
}

type Read = Checked | (ReadConfig & { readonly ok: false })

/** Where nobody says which environment is meant, all of them are. */
function strictly(read: Read, { env }: CheckOptions): Read {
  if (env !== undefined || read.elsewhere.length === 0) return read
  const { file, tree, elsewhere } = read
  return { ok: false, file, tree, elsewhere: [], problems: [...(read.ok ? [] : own(read)), ...elsewhere] }
}

/** That none is chosen is no problem of its own for whoever checks them all. */
function own({ problems, unchosen }: ReadConfig & { readonly ok: false }): readonly ConfigProblem[] {
  return unchosen === undefined ? problems : []
}

function reportProblems(
  io: Io,
  read: ReadConfig & { readonly ok: false },
  { json, env }: CheckOptions,
): number {
  const { file, problems, unchosen } = read
  const valid = unchosen !== undefined && env === undefined
  if (json) {
    const report = valid ? { ok: true, file, environments: unchosen } : { ok: false, file, problems }
    io.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  } else if (valid) {
    const names = unchosen.join(', ')
    io.stdout.write(
      `${paint(io.stdout, 'green', `${file} is valid`)} in every environment: ${names}\n` +
        'None of them is chosen: see what one would do with --env.\n',
    )
  } else printProblems(io, read)
  return valid ? 0 : 1
}

/** What the configuration would do, with secrets hidden. */
function summary(io: Io, config: Config): object {
  const { environment, gateway, auth, limits, store, admin, backends } = config
  return {
    ...(environment === undefined ? {} : { environment }),
    gateway: { name: gateway.name, url: `http://${formatListen(gateway.listen)}/mcp`, names: gateway.names },
    auth:
      auth === undefined
        ? null
        : {
            issuers: auth.issuers.map(({ issuer }) => issuer),
            apiKeys: auth.apiKeys !== undefined,
            anonymous: auth.anonymous,
          },
    admin: admin === undefined ? null : `http://${formatListen(admin.listen)}`,
    limits: limits.map(({ name, key, allowance }) => ({ name, key, ...allowance })),
    store: store.url === undefined ? 'memory' : 'shared',
    backends: backends.map((backend) => ({
      name: backend.name,
      transport: backend.transport,
      era: backend.era,
      timeoutMs: backend.timeout,
      ...(backend.transport !== 'stdio'
        ? { ...shownAddress(backend), headers: Object.keys(backend.headers) }
        : {
            command: commandLine(backend.command, backend.args),
            cwd: shownPath(io, backend.cwd),
            env: Object.keys(backend.env),
          }),
    })),
  }
}

function description(io: Io, checked: Checked): string {
  const { environment, gateway, auth, limits, store, admin, backends } = checked.config
  const facts = [
    ...(environment === undefined ? [] : [['Environment', environment] as const]),
    ['Name', gateway.name],
    ['Clients connect to', `http://${formatListen(gateway.listen)}/mcp`],
    ['Who may call', callers(auth)],
    ['Admin listener', admin === undefined ? 'off' : `http://${formatListen(admin.listen)}`],
    ['Tool names', NAMES[gateway.names]],
    ['Limits', limits.length === 0 ? 'off' : limits.map(({ name }) => name).join(', ')],
    ['Counted', store.url === undefined ? 'in memory' : 'by the server of store.url'],
    ['Definitions', definitions(io, checked)],
  ]
  const lines = facts.map(([label, value]) => `${`${label}:`.padEnd(20)}${value}\n`).join('')
  const heading = ['BACKEND', 'TRANSPORT', 'ERA', 'TIMEOUT', 'WHERE']
  const rows = backends.map((backend) => [
    backend.name,
    backend.transport,
    backend.era,
    duration(backend.timeout),
    where(io, backend),
  ])
  return rows.length === 0 ? lines : `${lines}\n${table([heading, ...rows], io.stdout)}`
}

function integrityOf(io: Io, { config: { integrity }, approved }: Checked): object {
  return { ...integrity, lock: shownPath(io, integrity.lock), approved: approved ?? null }
}

function definitions(io: Io, { config, approved }: Checked): string {
  const file = shownPath(io, config.integrity.lock)
  return approved === undefined
    ? `not pinned (toolgate pin writes ${file})`
    : `${approved} approved in ${file}`
}

function callers(auth: Config['auth']): string {
  if (auth === undefined) return 'anybody'
  const issuers = auth.issuers.map(({ issuer }) => issuer)
  const ways = [
    ...issuers,
    ...(auth.apiKeys === undefined ? [] : ['API keys']),
    ...(auth.anonymous ? ['anybody'] : []),
  ]
  return ways.length === 0 ? 'nobody' : ways.join(', ')
}

const NAMES: Readonly<Record<Config['gateway']['names'], string>> = {
  prefix: '<backend>_<tool>',
  conflict: '<tool>, or <backend>_<tool> where two backends collide',
  bare: '<tool>, the first backend wins',
}

type OverHttp = Pick<HttpBackendConfig, 'url' | 'endpoints'>

function addressesOf({ url, endpoints }: OverHttp): readonly EndpointConfig[] {
  return endpoints?.list ?? [{ url, weight: 1 }]
}

function shownAddress(backend: OverHttp): object {
  if (backend.endpoints === undefined) return { url: shownUrl(backend.url) }
  const endpoints = addressesOf(backend).map(({ url, weight }) => ({ url: shownUrl(url), weight }))
  return { endpoints, balance: backend.endpoints.balance }
}

function where(io: Io, backend: BackendConfig): string {
  if (backend.transport !== 'stdio') {
    const headers = Object.keys(backend.headers)
    const urls = addressesOf(backend).map(({ url }) => shownUrl(url))
    return `${urls.join(', ')}${headers.length > 0 ? ` (headers: ${headers.join(', ')})` : ''}`
  }
  const env = Object.keys(backend.env)
  const facts = [`in ${shownPath(io, backend.cwd)}`, ...(env.length > 0 ? [`env: ${env.join(', ')}`] : [])]
  return `${commandLine(backend.command, backend.args)} (${facts.join('; ')})`
}
