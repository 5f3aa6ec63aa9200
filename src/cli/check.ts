import { formatListen } from '../config/listen.ts'
import { formatProblem } from '../config/problem.ts'
import type { BackendConfig, Config, EndpointConfig, HttpBackendConfig } from '../config/types.ts'
import { connectedDoubts } from './connect.ts'
import { printProblems, readConfig, shownPath } from './config-file.ts'
import type { Io } from './io.ts'
import { type Checked, withLock } from './lock.ts'
import type { CheckOptions } from './options.ts'
import { commandLine, shownUrl } from './redact.ts'
import { duration, paint, table } from './text.ts'

/** `toolgate check`: validates a configuration and says what it would do, without doing it. */
export async function checkCommand(io: Io, options: CheckOptions): Promise<number> {
  const result = await withLock(io, await readConfig(io, options))
  const doubts = result.ok && options.connect ? await connectedDoubts(io, result.config) : undefined
  if (options.json) {
    const connected = doubts === undefined ? {} : { connected: doubts }
    const report = result.ok
      ? {
          ok: true,
          file: result.file,
          warnings: result.warnings,
          ...connected,
          ...summary(io, result.config),
          integrity: integrityOf(io, result),
        }
      : { ok: false, file: result.file, problems: result.problems }
    io.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
    return result.ok ? 0 : 1
  }
  if (!result.ok) {
    printProblems(io, result)
    return 1
  }
  io.stdout.write(`${paint(io.stdout, 'green', `${result.file} is valid`)}\n`)
  for (const warning of result.warnings) {
    io.stdout.write(`${paint(io.stdout, 'yellow', 'warning:')} ${formatProblem(warning)}\n`)
  }
  for (const doubt of doubts ?? []) io.stdout.write(`${paint(io.stdout, 'yellow', 'warning:')} ${doubt}\n`)
  io.stdout.write(`\n${description(io, result)}`)
  return 0
}

/** What the configuration would do, with secrets hidden. */
function summary(io: Io, { gateway, auth, limits, store, admin, backends }: Config): object {
  return {
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
  const { gateway, auth, limits, store, admin, backends } = checked.config
  const facts = [
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
